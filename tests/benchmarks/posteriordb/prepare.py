"""Arguments of the models from the data of posteriordb, in plain NumPy.

Each function takes the arrays of a data set by name and returns the keyword arguments of a model.
"""

import numpy as np

Data = dict[str, np.ndarray]


def design(*columns: np.ndarray) -> np.ndarray:
    """A matrix of an intercept and the given columns."""
    return np.column_stack([np.ones(len(columns[0])), *columns]).astype(float)


def scaled(column: np.ndarray, sds: float) -> np.ndarray:
    """The column with mean 0 and sd ``1 / sds``."""
    return (column - column.mean()) / (sds * column.std(ddof=1))


def autoregression(d: Data) -> Data:
    """Five lags, the latest first."""
    y, order = d["y"], int(d["K"])
    lags = [y[order - k : len(y) - k] for k in range(1, order + 1)]
    return {"lags": np.column_stack(lags), "y": y[order:]}


def diamonds(d: Data) -> Data:
    """Centered columns; the last three are the weight times the logarithms of the sizes."""
    x = np.column_stack([d["X"], d["X"][:, [0]] * d["X"][:, 1:4]])
    return {"x": x - x.mean(0), "y": d["Y"]}


def earnings(d: Data, kind: str) -> Data:
    """Columns for the seven regressions on height and sex."""
    earn, height, male = (d[name].astype(float) for name in ("earn", "height", "male"))
    z = scaled(height, 1.0)
    x, y = {
        "earn_height": (design(height), earn),
        "log10earn_height": (design(height), np.log10(earn)),
        "logearn_height": (design(height), np.log(earn)),
        "logearn_height_male": (design(height, male), np.log(earn)),
        "logearn_interaction": (design(height, male, height * male), np.log(earn)),
        "logearn_interaction_z": (design(z, male, z * male), np.log(earn)),
        "logearn_logheight_male": (design(np.log(height), male), np.log(earn)),
    }[kind]
    return {"x": x, "y": y}


def kidiq(d: Data, kind: str) -> Data:
    """Columns for the eight regressions on the mother's school, intelligence and work."""
    score, school, iq = (d[name].astype(float) for name in ("kid_score", "mom_hs", "mom_iq"))
    work = d.get("mom_work", school)

    def interaction(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return design(a, b, a * b)

    x = {
        "kidscore_interaction": lambda: interaction(school, iq),
        "kidscore_momhs": lambda: design(school),
        "kidscore_momhsiq": lambda: design(school, iq),
        "kidscore_momiq": lambda: design(iq),
        "kidscore_interaction_c": lambda: interaction(school - school.mean(), iq - iq.mean()),
        "kidscore_interaction_c2": lambda: interaction(school - 0.5, iq - 100.0),
        "kidscore_interaction_z": lambda: interaction(scaled(school, 2.0), scaled(iq, 2.0)),
        "kidscore_mom_work": lambda: design(work == 2, work == 3, work == 4),
    }[kind]()
    return {"x": x, "y": score}


def mesquite(d: Data, kind: str) -> Data:
    """Columns for the six regressions on the size of bushes."""
    if kind == "mesquite":
        names = ("diam1", "diam2", "canopy_height", "total_height", "density", "group")
        return {"x": design(*(d[name] for name in names)), "y": d["weight"].astype(float)}
    group = d["group"]
    logs = {name: np.log(d[name]) for name in d if name != "group"}
    area, height = logs["diam1"] + logs["diam2"], logs["total_height"]
    volume, shape = area + logs["canopy_height"], logs["diam1"] - logs["diam2"]
    columns = {
        "logmesquite": (
            *(logs[name] for name in ("diam1", "diam2", "canopy_height")),
            *(height, logs["density"], group),
        ),
        "logmesquite_logva": (volume, area, group),
        "logmesquite_logvas": (volume, area, shape, height, logs["density"], group),
        "logmesquite_logvash": (volume, area, shape, height, group),
        "logmesquite_logvolume": (volume,),
    }[kind]
    return {"x": design(*columns), "y": logs["weight"]}


def nes(d: Data) -> Data:
    """Ideology, ethnicity, three groups of age, education, sex and income."""
    age = d["age_discrete"]
    columns = (d["real_ideo"], d["race_adj"], age == 2, age == 3, age == 4)
    x = design(*columns, d["educ1"], d["gender"], d["income"])
    return {"x": x, "y": d["partyid7"].astype(float)}


def kilpisjarvi(d: Data) -> Data:
    """The priors are data."""
    priors = {"mean_alpha": "pmualpha", "sd_alpha": "psalpha"}
    priors |= {"mean_beta": "pmubeta", "sd_beta": "psbeta"}
    arguments = {"x": d["x"], "y": d["y"]} | {key: d[name] for key, name in priors.items()}
    return {key: np.asarray(value, float) for key, value in arguments.items()}


def acceleration(d: Data) -> Data:
    """Basis functions and frequencies of the mean and of the log sd."""
    return {
        "y": d["Y"],
        "basis": d["Xgp_1"],
        "frequency": d["slambda_1"].ravel(),
        "basis_sigma": d["Xgp_sigma_1"],
        "frequency_sigma": d["slambda_sigma_1"].ravel(),
    }


def michaelis_menten(d: Data) -> Data:
    """Times in days, concentrations in mg/L, dose in mg, volume in L."""
    names = {"times": "times", "concentration": "C_hat", "dose": "D", "volume": "V"}
    return {key: np.asarray(d[name], float) for key, name in names.items()}


def lotka_volterra(d: Data) -> Data:
    """Populations at the start and in twenty later years."""
    return {"times": d["ts"].astype(float), "first": d["y_init"], "y": d["y"]}


def counts(d: Data) -> Data:
    """Counts at eleven points."""
    return {"x": d["x"].astype(float), "k": d["k"]}


def measurements(d: Data) -> Data:
    """Measurements at the same points."""
    return {"x": d["x"].astype(float), "y": d["y"]}


def plain(d: Data) -> Data:
    """A matrix and a response as they are."""
    return {"x": d["X"], "y": d["y"]}

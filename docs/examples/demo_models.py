"""Two data sets and their models, each in NumPyro and in PyMC."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpyro
import numpyro.distributions as dist
import pymc as pm

LANGUAGES = {"numpyro": "NumPyro", "pymc": "PyMC"}

# --- data ---------------------------------------------------------------------------------------

# Effects of coaching on test scores: Rubin (1981), Estimation in parallel randomized experiments.
SCHOOLS = ("Choate", "Deerfield", "Phillips Andover", "Phillips Exeter", "Hotchkiss",
           "Lawrenceville", "St. Paul's", "Mt. Hermon")  # fmt: skip
EFFECT = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
ERROR = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])

# Fuel economy of 32 cars, Motor Trend (1974), as given by Henderson and Velleman (1981), Building
# multiple regression models interactively: miles per gallon, displacement (cubic inches), gross
# horsepower, weight (pounds), seconds to the quarter mile.  On purpose neither centered nor scaled.
CARS = np.array([
    [21.0, 160.0, 110, 2620, 16.46], [21.0, 160.0, 110, 2875, 17.02],
    [22.8, 108.0, 93, 2320, 18.61], [21.4, 258.0, 110, 3215, 19.44],
    [18.7, 360.0, 175, 3440, 17.02], [18.1, 225.0, 105, 3460, 20.22],
    [14.3, 360.0, 245, 3570, 15.84], [24.4, 146.7, 62, 3190, 20.00],
    [22.8, 140.8, 95, 3150, 22.90], [19.2, 167.6, 123, 3440, 18.30],
    [17.8, 167.6, 123, 3440, 18.90], [16.4, 275.8, 180, 4070, 17.40],
    [17.3, 275.8, 180, 3730, 17.60], [15.2, 275.8, 180, 3780, 18.00],
    [10.4, 472.0, 205, 5250, 17.98], [10.4, 460.0, 215, 5424, 17.82],
    [14.7, 440.0, 230, 5345, 17.42], [32.4, 78.7, 66, 2200, 19.47],
    [30.4, 75.7, 52, 1615, 18.52], [33.9, 71.1, 65, 1835, 19.90],
    [21.5, 120.1, 97, 2465, 20.01], [15.5, 318.0, 150, 3520, 16.87],
    [15.2, 304.0, 150, 3435, 17.30], [13.3, 350.0, 245, 3840, 15.41],
    [19.2, 400.0, 175, 3845, 17.05], [27.3, 79.0, 66, 1935, 18.90],
    [26.0, 120.3, 91, 2140, 16.70], [30.4, 95.1, 113, 1513, 16.90],
    [15.8, 351.0, 264, 3170, 14.50], [19.7, 145.0, 175, 2770, 15.50],
    [15.0, 301.0, 335, 3570, 14.60], [21.4, 121.0, 109, 2780, 18.60],
])  # fmt: skip
MPG, COVARIATES = CARS[:, 0], CARS[:, 1:]
COVARIATE_NAMES = ("displacement", "horsepower", "weight", "quarter mile")


# --- models -------------------------------------------------------------------------------------


def schools_numpyro(error: np.ndarray, effect: np.ndarray) -> None:
    """Eight schools, non-centered."""
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("school", len(error)):
        offset = numpyro.sample("offset", dist.Normal(0, 1))
        theta = numpyro.deterministic("theta", mu + tau * offset)
        numpyro.sample("effect", dist.Normal(theta, error), obs=effect)


def schools_pymc() -> pm.Model:
    """Eight schools, non-centered."""
    with pm.Model(coords={"school": SCHOOLS}) as model:
        mu = pm.Normal("mu", 0, 5)
        tau = pm.HalfCauchy("tau", 5)
        offset = pm.Normal("offset", 0, 1, dims="school")
        theta = pm.Deterministic("theta", mu + tau * offset, dims="school")
        pm.Normal("effect", theta, ERROR, observed=EFFECT, dims="school")
    return model


def cars_numpyro(covariates: np.ndarray, mpg: np.ndarray) -> None:
    """Linear regression on covariates as they come."""
    intercept = numpyro.sample("intercept", dist.Normal(0, 100))
    with numpyro.plate("covariate", covariates.shape[1]):
        slopes = numpyro.sample("slopes", dist.Normal(0, 10))
    sigma = numpyro.sample("sigma", dist.HalfNormal(10))
    numpyro.sample("mpg", dist.Normal(intercept + covariates @ slopes, sigma), obs=mpg)


def cars_pymc() -> pm.Model:
    """Linear regression on covariates as they come."""
    with pm.Model(coords={"covariate": COVARIATE_NAMES}) as model:
        intercept = pm.Normal("intercept", 0, 100)
        slopes = pm.Normal("slopes", 0, 10, dims="covariate")
        sigma = pm.HalfNormal("sigma", 10)
        pm.Normal("mpg", intercept + pm.math.dot(COVARIATES, slopes), sigma, observed=MPG)
    return model


class Problem(NamedTuple):
    """A data set with its model in both languages; ``shown`` is what table and plot speak of."""

    title: str
    models: dict[str, Callable[[], tuple[Any, ...]]]
    shown: dict[str, tuple[str, int | None]]
    key: tuple[str, ...]


PROBLEMS = {
    "eight_schools": Problem(
        title="Eight schools",
        models={
            "numpyro": lambda: (schools_numpyro, ERROR, EFFECT),
            "pymc": lambda: (schools_pymc(),),
        },
        shown={"mu": ("mu", None), "tau": ("tau", None)}
        | {school: ("theta", i) for i, school in enumerate(SCHOOLS)},
        key=("mu", "tau", "Choate"),
    ),
    "fuel_economy": Problem(
        title="Fuel economy",
        models={
            "numpyro": lambda: (cars_numpyro, COVARIATES, MPG),
            "pymc": lambda: (cars_pymc(),),
        },
        shown={"intercept": ("intercept", None)}
        | {name: ("slopes", i) for i, name in enumerate(COVARIATE_NAMES)}
        | {"sigma": ("sigma", None)},
        key=("intercept", "horsepower", "weight", "sigma"),
    ),
}

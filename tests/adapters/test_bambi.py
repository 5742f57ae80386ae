"""Bambi models: the intercept, names and predictions are those of Bambi's own fit."""

import numpy as np
import pytest

pytest.importorskip("pymc")
bambi = pytest.importorskip("bambi")
import pandas as pd  # noqa: E402
import xarray as xr  # noqa: E402

from isogmm.inference_data import from_groups, get_group  # noqa: E402
from isogmm_pymc import PyMCAdapter  # noqa: E402

pytestmark = [
    pytest.mark.pymc,
    pytest.mark.bambi,
    # Deprecations inside Bambi, formulae and pandas.
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

RANDOM = np.random.default_rng(11)
SIZE = 40
FRAME = pd.DataFrame(
    {
        "age": RANDOM.normal(50, 10, SIZE),
        "dose": RANDOM.normal(3, 1, SIZE),
        "clinic": np.tile(list("abcd"), SIZE // 4),
    }
)
FRAME["score"] = 2 + 0.1 * FRAME["age"] - FRAME["dose"] + RANDOM.normal(0, 1, SIZE)
FRAME["success"] = (FRAME["score"] > FRAME["score"].median()).astype(int)

MODELS = {
    "regression": lambda: bambi.Model("score ~ age + dose", FRAME),
    "logistic": lambda: bambi.Model("success ~ age", FRAME, family="bernoulli"),
    "groups": lambda: bambi.Model("score ~ age + (1|clinic)", FRAME),
    "no_intercept": lambda: bambi.Model("score ~ 0 + dose", FRAME),
}
#: Coefficients, the standard deviation of the noise (log scale), and for the groups four effects
#: and their standard deviation.
DIMENSIONS = {"regression": 4, "logistic": 2, "groups": 8, "no_intercept": 2}


def delivered(model):
    """A result as a fit would deliver it, at random positions."""
    target = PyMCAdapter().to_target(model, (), {}, 0)
    positions = target.initial_positions(np.random.default_rng(0), 6)
    groups = target.constrain(positions, 0)
    posterior = {}
    for name, array in groups["posterior"].items():
        dims = target.dims.get(name, [f"{name}_{i}" for i in range(array.ndim - 1)])
        posterior[name] = (("chain", "draw", *dims), array.reshape(2, 3, *array.shape[1:]))
    sizes = xr.Dataset(posterior).sizes
    coords = {name: list(target.coords[name]) for name in sizes if name in target.coords}
    coords |= {"chain": np.arange(2), "draw": np.arange(3)}
    raw = xr.Dataset(posterior, coords=coords)
    return target, groups, raw, target.finish(from_groups({"posterior": raw}))


@pytest.fixture(
    scope="module",
    params=[
        # The family does not matter for the variables and the intercept.
        pytest.param(name, marks=pytest.mark.long) if name == "logistic" else name
        for name in MODELS
    ],
)
def case(request):
    model = MODELS[request.param]()
    return model, *delivered(model)


def test_the_target_has_the_parameters_of_the_formula(case, request):
    _, target, *_ = case
    assert target.dim == DIMENSIONS[request.node.callspec.params["case"]]


def test_the_model_is_built_and_recognized(case):
    model, *_ = case
    assert PyMCAdapter().recognizes(model)
    assert model.built


def test_the_intercept_speaks_of_the_predictors_of_the_user(case):
    _, _, _, raw, result = case
    finished = get_group(result, "posterior")
    if "Intercept" not in raw:
        assert "Intercept" not in finished
        return
    names = [name for name in ("age", "dose") if name in raw]
    shift = sum(FRAME[name].mean() * raw[name] for name in names)
    np.testing.assert_allclose(finished["Intercept"], raw["Intercept"] - shift, rtol=1e-10)


def test_the_variables_are_those_of_bambi(case):
    model, _, _, raw, result = case
    finished = set(get_group(result, "posterior").data_vars)
    assert not [name for name in finished if name.endswith("_offset")]
    parents = {variable.name for variable in model.backend.model.deterministics}
    assert not finished & parents & set(model.family.likelihood.params)
    assert {"age", "dose"} & set(raw.data_vars) <= finished


def test_the_predictor_of_bambi_takes_the_result(case):
    model, _, groups, raw, result = case
    predicted = model.predict(result, kind="response_params", inplace=False)
    name = model.family.likelihood.parent
    values = get_group(predicted, "posterior")[name].values.reshape(6, SIZE)
    log_likelihood = next(iter(groups["log_likelihood"].values()))
    if model.family.name == "bernoulli":
        observed = FRAME["success"].to_numpy()
        expected = np.where(observed == 1, np.log(values), np.log1p(-values))
    else:
        sigma = raw["sigma"].values.reshape(6, 1)
        error = (FRAME["score"].to_numpy() - values) / sigma
        expected = -0.5 * error**2 - np.log(sigma) - 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(log_likelihood, expected, rtol=1e-8, atol=1e-10)


@pytest.mark.long  # fast: test_nuts_from.py has a Bambi model
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_nuts_of_a_bambi_model_gives_what_its_own_fit_gives():
    # Both are the same computation, so that few draws show a difference.
    options = {"draws": 10, "tune": 10, "chains": 1, "random_seed": 3, "cores": 1}
    result = PyMCAdapter().baselines()["nuts"](MODELS["regression"](), **options)
    own = MODELS["regression"]().fit(**options, progressbar=False)
    expected = get_group(own, "posterior")
    posterior = get_group(result, "posterior")
    assert set(posterior.data_vars) == set(expected.data_vars)
    np.testing.assert_allclose(posterior["Intercept"], expected["Intercept"], rtol=1e-10)
    assert get_group(result, "log_likelihood")["score"].shape == (1, 10, SIZE)

"""Leave-one-out cross-validation in blocks of observations, compared with ArviZ's own."""

import warnings

import arviz as az
import numpy as np
import pytest

import isogmm
from isogmm import inference_data as idt
from isogmm.errors import FitWarning, OptionError
from isogmm.results import loo as module

OPTIONS = {"random_seed": 1, "draws": 100, "refine": 0, "progressbar": False}
Y = np.random.default_rng(0).normal(size=(4, 3))

pytestmark = [
    pytest.mark.usefixtures("unchecked", "short_search"),
    pytest.mark.filterwarnings("ignore:Estimated shape parameter:UserWarning"),
]


def model_of(y):
    def log_likelihood(x, data):
        return {
            "y": -0.5 * (data["y"] - x["mu"]) ** 2,
            "z": -0.5 * x["mu"] ** 2,
        }

    return isogmm.LogDensity(
        lambda x, data: sum(part.sum() for part in log_likelihood(x, data).values()),
        {"mu": np.zeros(())},
        log_likelihood=log_likelihood,
        data={"y": y, "z": np.zeros(())},
        dims={"y": ["place", "time"]},
        coords={"place": list("abcd")},
    )


@pytest.fixture(scope="module")
def fitted():
    return isogmm.fit_isogmm(model_of(Y), **OPTIONS)


@pytest.fixture
def without(fitted):
    """The result without its log likelihood."""
    kept = {name: idt.get_group(fitted, name) for name in idt.group_names(fitted)}
    del kept["log_likelihood"]
    return idt.from_groups(kept, fitted.attrs)


def fields(result):
    """The fields of a result of ``az.loo``."""
    return dict(result.items()) if idt.is_first_generation() else vars(result)


@pytest.mark.long
@pytest.mark.parametrize(
    ("var_name", "pointwise", "max_bytes"),
    [
        *(("y", True, max_bytes) for max_bytes in (1.0, 5 * 8 * 400, 1e9)),
        ("y", False, 5 * 8 * 400),
        ("z", True, 1e9),
        ("z", False, 1.0),
    ],
)
def test_the_result_is_that_of_arviz(fitted, without, var_name, pointwise, max_bytes):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one term has no standard error
        expected = az.loo(fitted, var_name=var_name, pointwise=pointwise)
    found = isogmm.loo(
        without, model_of(Y), var_name=var_name, pointwise=pointwise, max_bytes=max_bytes
    )
    assert type(found) is type(expected)
    assert list(fields(found)) == list(fields(expected))
    for name, value in fields(expected).items():
        if name == "log_weights":
            assert found.log_weights is None
        elif isinstance(value, str | bool | None):
            assert getattr(found, name) == value
        else:
            np.testing.assert_allclose(getattr(found, name), value, rtol=1e-8, atol=1e-10)
    if pointwise:
        assert found.pareto_k.dims == expected.pareto_k.dims
        for name, labels in expected.pareto_k.coords.items():
            np.testing.assert_array_equal(found.pareto_k[name], labels)
    assert str(found) == str(expected).replace("and 1.0 observations", "and 1 observations")


def test_arviz_compares_the_results(without):
    results = {
        name: isogmm.loo(without, model_of(Y), var_name="y", max_bytes=size)
        for name, size in (("a", 1.0), ("b", 1e9))
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside of ArviZ
        table = az.compare(results)
    assert set(table.index) == {"a", "b"}
    column = next(name for name in table.columns if name.startswith("elpd"))
    assert abs(table[column].diff().iloc[1]) < 1e-8


def test_blocks_bound_the_memory(without, monkeypatch):
    shapes = []
    original = module.loo_of_rows

    def watched(log_likelihood, reff):
        shapes.append(log_likelihood.shape)
        return original(log_likelihood, reff)

    monkeypatch.setattr(module, "loo_of_rows", watched)
    isogmm.loo(without, model_of(Y), var_name="y", max_bytes=5 * 8 * 400)
    assert shapes == [(4, 100, 5), (4, 100, 5), (4, 100, 2)]


def test_an_observation_that_the_other_draws_cannot_predict_is_counted():
    y = Y.copy()
    y[1, 2] = 20.0
    idata = isogmm.fit_isogmm(model_of(y), **OPTIONS)
    with pytest.warns(FitWarning, match=r"Pareto k is above 0\.62 for 1 of 12 observations of 'y'"):
        found = isogmm.loo(idata, model_of(y), var_name="y")
    assert found.warning
    assert np.argmax(found.pareto_k.values) == 5


@pytest.mark.stack
@pytest.mark.numpyro
def test_a_numpyro_model():
    numpyro = pytest.importorskip("numpyro")

    def model(y):
        mu = numpyro.sample("mu", numpyro.distributions.Normal())
        with numpyro.plate("row", len(y)):
            numpyro.sample("y", numpyro.distributions.Normal(mu), obs=y)

    idata = isogmm.fit_isogmm(model, Y[:, 0], **OPTIONS)
    found = isogmm.loo(idata, model, Y[:, 0], max_bytes=1.0)
    expected = az.loo(idata, pointwise=True)
    np.testing.assert_allclose(found.pareto_k, expected.pareto_k, rtol=1e-3)
    np.testing.assert_allclose(found.se, expected.se, rtol=1e-4)


def test_messages(without):
    with pytest.raises(OptionError, match=r"several observed variables, \['y', 'z'\]"):
        isogmm.loo(without, model_of(Y))
    with pytest.raises(
        OptionError, match=r"var_name='q' is not an observed variable.*\['y', 'z'\]"
    ):
        isogmm.loo(without, model_of(Y), var_name="q")
    with pytest.raises(OptionError, match="max_bytes"):
        isogmm.loo(without, model_of(Y), var_name="y", max_bytes=0)
    bare = isogmm.LogDensity(lambda x: -0.5 * x["mu"] ** 2, {"mu": np.zeros(())})
    with pytest.raises(OptionError, match="no observed variable"):
        isogmm.loo(isogmm.fit_isogmm(bare, **OPTIONS), bare)

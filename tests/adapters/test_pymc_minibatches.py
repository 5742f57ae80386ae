"""Models with ``pm.Minibatch``: the copies on all data and on rows, and what they follow."""

import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm

from isogmm.errors import FitWarning
from isogmm.inference_data import from_groups, get_group

pm = pytest.importorskip("pymc")

from isogmm_pymc import PyMCAdapter  # noqa: E402
from isogmm_pymc._data.minibatches import in_rows, without_minibatches  # noqa: E402
from isogmm_pymc._inference.variational import _completed  # noqa: E402
from isogmm_pymc._programs.compiled_models import compiled_model  # noqa: E402

pytestmark = pytest.mark.pymc

X, Y = np.random.default_rng(1).normal(size=(2, 12))


def regression(total_size=12):
    """The arrays have no names, and one dimension of the offset has none."""
    with pm.Model(coords={"row": range(12), "part": ["a", "b"]}) as model:
        pm.Data("offset", np.zeros((2, 3)), dims=("part", None))
        x, y = pm.Minibatch(X, Y, batch_size=4)
        slope = pm.Normal("slope", 0, 1, initval=0.4)
        pm.Deterministic("total", pm.Minibatch(X, batch_size=4).sum())
        pm.Normal("y", slope * x, 1, observed=y, total_size=total_size)
    return model


def expected(slope, x=X, y=Y):
    return norm.logpdf(slope) + norm.logpdf(y, slope * x).sum()


@pytest.mark.parametrize("total_size", [12, 1000])
def test_the_copy_on_all_data_is_not_scaled(total_size):
    model = regression(total_size)
    copy = without_minibatches(model)
    density = copy.compile_logp(mode="FAST_COMPILE")
    np.testing.assert_allclose(density({"slope": 0.3}), expected(0.3), rtol=1e-12)
    np.testing.assert_allclose(copy["total"].eval(), X.sum(), rtol=1e-12)
    for each in (model, copy):
        assert each.initial_point()["slope"] == 0.4
        assert tuple(each.named_vars_to_dims["offset"]) == ("part", None)


def test_rows_have_names_and_are_not_scaled():
    copy, rows = in_rows(regression())
    assert sorted(np.array_equal(array, X) for array in rows.values()) == [False, True, True]
    pm.set_data({name: array[:5] for name, array in rows.items()}, model=copy)
    density = copy.compile_logp(mode="FAST_COMPILE")
    np.testing.assert_allclose(density({"slope": 0.3}), expected(0.3, X[:5], Y[:5]), rtol=1e-12)


def test_the_copy_follows_the_data_of_the_model():
    """The constant data and the labels of a second fit were those of the first one."""
    with pm.Model(coords={"group": ["a", "b"]}) as model:
        scale = pm.Data("scale", [1.0, 2.0], dims="group")
        y = pm.Data("all", Y)
        level = pm.Normal("level", 0, scale, dims="group")
        pm.Normal("y", level.sum(), 1, observed=pm.Minibatch(y, batch_size=4), total_size=12)
    with pytest.warns(FitWarning, match="Minibatch"):
        compiled = compiled_model(model, ())
    assert compiled.full(model)["level"].eval().shape == (2,)
    with model:
        pm.set_data({"scale": np.arange(3.0), "all": Y[:7]}, coords={"group": list("cde")})
    copy = compiled.full(model)
    assert copy.coords["group"] == ("c", "d", "e")
    assert copy["level"].eval().shape == (3,)
    np.testing.assert_array_equal(copy["scale"].get_value(), np.arange(3.0))
    np.testing.assert_array_equal(copy.rvs_to_values[copy["y"]].eval(), Y[:7])


def test_draws_of_an_approximation_become_chains_with_the_log_likelihood_of_all_rows():
    """The log likelihood was that of a random minibatch for each draw."""
    model = regression()
    slopes = np.arange(6.0) / 6
    result = from_groups({"posterior": xr.Dataset({"slope": (("chain", "draw"), slopes[None])})})
    result = _completed(result, model, model, chains=2)
    found = get_group(result, "posterior")["slope"].values
    np.testing.assert_array_equal(found, slopes.reshape(2, 3))
    terms = get_group(result, "log_likelihood")["y"].values
    np.testing.assert_allclose(terms, norm.logpdf(Y, found[..., None] * X), rtol=1e-10)


def test_simulated_data_replace_all_rows():
    """Data were simulated for a minibatch, and the fits counted each value three times."""
    model = regression()
    with pytest.warns(FitWarning, match="Minibatch"):
        simulated = PyMCAdapter().simulate(model, (), {}, 1, n=2)
    data = simulated.datasets[1]
    assert data["y_replicate"].shape == (12,)
    pm.set_data(data, model=simulated.model)
    density = simulated.model.compile_logp(mode="FAST_COMPILE")
    np.testing.assert_allclose(
        density({"slope": 0.3}), expected(0.3, y=data["y_replicate"]), rtol=1e-12
    )

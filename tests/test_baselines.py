"""Other methods on models without a modeling language, for a known posterior."""

import sys

import jax.numpy as jnp
import numpy as np
import pytest

import isogmm
from isogmm import baselines
from isogmm.inference_data import attributes, get_group, group_names

# The samplers of other packages mix precisions.
pytestmark = [pytest.mark.weak_dtypes, pytest.mark.usefixtures("unchecked")]

DATA = np.random.default_rng(0).normal([1.0, -2.0], 1.0, size=(9, 2))
MEAN, SD = 9 / 10 * DATA.mean(axis=0), np.sqrt(1 / 10)
DRAWS, CHAINS = 500, 2
OPTIONS = {
    "nuts": {"tune": 200},
    "advi": {"num_steps": 3000},
    "fullrank_advi": {"num_steps": 3000},
    "laplace": {},
    "pathfinder": {},
    "svgd": {"num_steps": 500, "num_particles": 50},
    "flow": {"num_steps": 4000, "num_particles": 4},
    "alpha_vi": {"num_steps": 1000},
}
QUICK = ("nuts", "laplace", "pathfinder")
#: Methods that take seconds to compile, and whose adapter other methods use too.
LONG = ("fullrank_advi", "pathfinder", "svgd", "flow", "alpha_vi")


def log_density(position, data):
    return -0.5 * jnp.sum(position["mu"] ** 2) - 0.5 * jnp.sum((data - position["mu"]) ** 2)


def model():
    return isogmm.LogDensity(
        log_density,
        {"mu": np.zeros(2)},
        data=DATA,
        constrain=lambda position, data: {"mu": position["mu"], "twice": 2 * position["mu"]},
        log_likelihood=lambda position, data: {"y": -0.5 * (data - position["mu"]) ** 2},
        dims={"mu": ["column"]},
        coords={"column": ["a", "b"]},
    )


def plain_model():
    """The same density without a JAX form."""

    def value_and_grad(position):
        total = DATA.sum(axis=0)
        return (
            -0.5 * (position**2).sum() - 0.5 * ((DATA - position) ** 2).sum(),
            total - (1 + len(DATA)) * position,
        )

    return isogmm.LogDensity(None, np.zeros(2), value_and_grad=value_and_grad, names="mu")


def check(idata, size, slack=0.0, draws=DRAWS):
    mu = get_group(idata, "posterior")["mu"]
    assert mu.shape == (CHAINS, draws, 2)
    # Five standard errors of ``size`` independent draws, and the error of the optimizers.
    error = np.abs(mu.mean(("chain", "draw")).to_numpy() - MEAN) / SD
    assert np.all(error < 5 / np.sqrt(size) + slack), error
    log_sd = np.abs(np.log(mu.std(("chain", "draw")).to_numpy() / SD))
    assert np.all(log_sd < 5 / np.sqrt(2 * size) + slack), log_sd


def test_every_method_is_under_test():
    assert set(baselines.__all__) == set(OPTIONS)
    for name in baselines.__all__:
        function = getattr(baselines, name)
        assert function.__name__ == name
        assert "Parameters" in function.__doc__


def is_right_count(name, count):
    """Whether the number of gradients agrees with the options; blackjax counts none of its own."""
    if name == "pathfinder":
        return count is None
    if name == "nuts":  # at least one gradient for each draw and each transition of the warm-up
        return count >= CHAINS * (DRAWS + OPTIONS["nuts"]["tune"])
    if name == "laplace":  # a quadratic in two coordinates
        return 2 <= count <= 100
    options = {"num_particles": 1, **OPTIONS[name]}
    exact = options["num_steps"] * options["num_particles"]
    # Methods that draw samples take several at each step by default.
    return count == exact if name in ("svgd", "flow") else count >= exact and count % exact == 0


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.long) if n in LONG else n for n in OPTIONS]
)
def test_methods_on_a_log_density(name):
    pytest.importorskip("numpyro" if name in ("flow", "alpha_vi") else "blackjax")
    idata = getattr(baselines, name)(
        model(), random_seed=1, draws=DRAWS, chains=CHAINS, **OPTIONS[name]
    )
    # Draws of NUTS are correlated; svgd has 50 particles; guides end near the optimum.
    size = {"nuts": 300, "svgd": 50}.get(name, DRAWS * CHAINS)
    check(idata, size, 0.25 if name not in QUICK else 0.0)
    assert {"posterior", "sample_stats", "log_likelihood"} <= set(group_names(idata))
    posterior = get_group(idata, "posterior")
    np.testing.assert_allclose(posterior["twice"], 2 * posterior["mu"])
    assert list(posterior["column"].values) == ["a", "b"]
    found = attributes(idata)
    assert found["sampling_time"] > 0
    assert found["algorithm"] == name
    expected = {"laplace": "scipy", "flow": "numpyro", "alpha_vi": "numpyro"}
    assert found["inference_library"] == expected.get(name, "blackjax")
    assert is_right_count(name, found.get("num_gradient_evaluations"))


def test_advi_on_a_density_without_a_jax_form():
    pytest.importorskip("blackjax")
    idata = baselines.advi(
        plain_model(), random_seed=2, draws=DRAWS, chains=CHAINS, **OPTIONS["advi"]
    )
    check(idata, DRAWS * CHAINS, 0.25)


@pytest.mark.long  # fast: the test above
def test_nuts_on_a_density_without_a_jax_form():
    pytest.importorskip("blackjax")
    idata = baselines.nuts(plain_model(), random_seed=2, draws=100, chains=CHAINS, tune=100)
    check(idata, 60, draws=100)


def test_lp_is_the_log_density_of_the_draws():
    idata = baselines.laplace(model(), random_seed=3, draws=5, chains=1)
    draws = get_group(idata, "posterior")["mu"].to_numpy()[0]
    expected = [float(log_density({"mu": draw}, DATA)) for draw in draws]
    np.testing.assert_allclose(get_group(idata, "sample_stats")["lp"].to_numpy()[0], expected)


def test_a_missing_package_names_the_extra(monkeypatch):
    for name in [n for n in sys.modules if n.partition(".")[0] == "blackjax"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [_Hide("blackjax"), *sys.meta_path])
    with pytest.raises(isogmm.MissingPackageError, match=r'pip install "\.\[blackjax\]"'):
        baselines.nuts(model(), draws=10, chains=1)


class _Hide:
    """A finder for which one package is not installed."""

    def __init__(self, package):
        self.package = package

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == self.package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def test_unknown_options_are_errors():
    with pytest.raises(TypeError, match="tuen"):
        baselines.laplace(model(), tuen=10)

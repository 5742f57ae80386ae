"""Parameters outside their range, for which NumPyro computes a finite log density."""

import numpy as np
import pytest
import xarray as xr

pytestmark = pytest.mark.numpyro
numpyro = pytest.importorskip("numpyro")

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpyro.distributions as dist  # noqa: E402

from isogmm.errors import FitWarning  # noqa: E402
from isogmm.inference_data import from_groups  # noqa: E402
from isogmm_numpyro import NumPyroAdapter  # noqa: E402
from isogmm_numpyro._reading.parameters import _is_valid, check_parameters  # noqa: E402
from isogmm_numpyro._reading.read import read_model  # noqa: E402
from isogmm_numpyro._statements.sites import Site, Sites  # noqa: E402

X = np.linspace(-1.0, 1.0, 6)
SUCCESSES = np.array([0, 0, 1, 0, 1, 1])
POSITIVE = np.array([0.2, 0.4, 0.5, 0.1, 0.3, 0.4])


def coefficients():
    return numpyro.sample("a", dist.Normal()), numpyro.sample("b", dist.Normal())


def log_odds_as_probability():
    a, b = coefficients()
    numpyro.sample("y", dist.Bernoulli(a + b * X), obs=SUCCESSES)


def number_as_probability():
    a, _ = coefficients()
    numpyro.sample("y", dist.Binomial(3, a), obs=SUCCESSES)


def negative_shape():
    a, b = coefficients()
    numpyro.sample("y", dist.Beta(a, jnp.exp(b)), obs=POSITIVE)


def negative_degrees():
    a, b = coefficients()
    numpyro.sample("y", dist.StudentT(a, b), obs=X)


def shares():
    coefficients()
    weights = numpyro.sample("weights", dist.HalfNormal().expand([2]).to_event(1))
    numpyro.sample("y", dist.Multinomial(3, weights), obs=np.array([1, 2]))


def valid():
    a, b = coefficients()
    p = numpyro.sample("p", dist.Beta(2.0, 2.0))
    numpyro.sample("y", dist.Bernoulli(jax.nn.sigmoid(a + b * X)), obs=SUCCESSES)
    numpyro.sample("z", dist.Bernoulli(p).expand([6]), obs=SUCCESSES)
    numpyro.sample("w", dist.Gamma(jnp.exp(b), 1.0), obs=POSITIVE)


def valid_by_calculation():
    a, b = coefficients()
    shares = jax.nn.softmax(jnp.stack([a, b]))
    numpyro.sample("y", dist.Multinomial(3, shares), obs=np.array([1, 2]))
    numpyro.sample("z", dist.Bernoulli(jnp.clip(a, 0.0, 1.0)).expand([6]), obs=SUCCESSES)


def finished(model):
    """The target of a model, and the attributes of a result with wide draws."""
    target = NumPyroAdapter().to_target(model, (), {}, 0)
    positions = np.random.default_rng(0).standard_normal((80, target.dim))
    posterior = target.constrain(positions, 0)["posterior"]
    arrays = {
        name: (("chain", "draw", *(f"{name}_{i}" for i in range(np.ndim(value) - 1))), value[None])
        for name, value in posterior.items()
    }
    idata = from_groups({"posterior": xr.Dataset(arrays)}, {"advice": "Use more draws."})
    return target.finish(idata).attrs["advice"]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (log_odds_as_probability, r"probs of the site 'y' \(BernoulliProbs\).*pass it as logits="),
        (number_as_probability, r"probs of the site 'y' \(BinomialProbs\)"),
        (negative_shape, r"concentration1 of the site 'y' \(Beta\).*must be positive"),
        (negative_degrees, r"df of the site 'y' \(StudentT\)"),
        (shares, r"probs of the site 'y' \(MultinomialProbs\).*sum to 1"),
    ],
)
def test_invalid_parameters_are_a_warning_and_advice(model, words):
    with pytest.warns(FitWarning, match=words + ".*"):
        advice = finished(model)
    assert advice.startswith("The parameter")
    assert advice.endswith("Use more draws.")


@pytest.mark.long
def test_valid_parameters_are_not_evaluated(monkeypatch):
    monkeypatch.setattr("isogmm_numpyro._reading.parameters._is_valid", None)
    assert finished(valid) == "Use more draws."


@pytest.mark.filterwarnings("error:isogmm")
def test_valid_parameters_are_no_warning():
    assert finished(valid_by_calculation) == "Use more draws."


def test_a_positive_site_is_no_valid_probability():
    def model():
        p = numpyro.sample("p", dist.HalfNormal())
        q = numpyro.sample("q", dist.Uniform(0.0, 1.0))
        for name, probability in {"y": p, "z": q}.items():
            numpyro.sample(name, dist.Bernoulli(probability).expand([6]), obs=SUCCESSES)

    assert read_model(model, (), {}).sites.unchecked == ("y",)


@pytest.mark.parametrize(
    ("values", "kind", "valid"),
    [
        ([0.0, 1.0], "unit", True),
        ([0.5, 1.1], "unit", False),
        ([0.5, -0.1], "unit", False),
        ([0.3, 0.7], "shares", True),
        ([0.5, 0.6], "shares", False),
        ([0.0, 7.0], "positive", True),
        ([1.0, -7.0], "positive", False),
    ],
)
def test_the_range_of_each_kind_of_parameter(values, kind, valid):
    assert bool(_is_valid(jnp.array(values), kind)) == valid


def test_draws_of_all_chains_are_checked():
    sites = Sites(
        free={"p": Site("p", ())},
        observed={"y": Site("y", (6,), distribution="BernoulliProbs")},
        unchecked=("y",),
    )
    p = np.where(np.arange(1000) < 900, 0.5, 2.0).reshape(2, 500)  # the last draws are invalid
    idata = from_groups({"posterior": xr.Dataset({"p": (("chain", "draw"), p)})}, {})

    def program(draws, data):
        return {"probs y": draws["p"] <= 1}

    with pytest.warns(FitWarning, match=r"in [67] of 64 draws"):  # a tenth of the draws
        check_parameters(program, sites, {"arrays": [], "params": {}}, idata)

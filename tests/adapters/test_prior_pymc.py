"""Draws of the prior of PyMC models, on the unconstrained scale."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from adapters.contract import check_prior

pm = pytest.importorskip("pymc")
import pytensor  # noqa: E402
import pytensor.tensor as pt  # noqa: E402
from pymc.distributions.transforms import Ordered, log, ordered  # noqa: E402

from isogmm_pymc import PyMCAdapter  # noqa: E402
from isogmm_pymc._graphs.graphs import read_graphs, value_shapes  # noqa: E402
from isogmm_pymc._programs.prior import PriorDraws  # noqa: E402

pytestmark = [
    pytest.mark.pymc,
    pytest.mark.filterwarnings("ignore:the density of LKJCholeskyCov"),
    pytest.mark.filterwarnings("ignore:Data in y contains missing values"),
]

NORMAL = stats.norm.cdf
HALF_NORMAL = stats.halfnorm.cdf


def target_of(model):
    return PyMCAdapter().to_target(model, (), {}, 0)


def draws_of(target, n=100):
    return target.prior_positions(np.random.default_rng(0), n)


def value(name):
    return lambda draws: draws[name]


def supports():
    """One variable of each support, most of them with parameters that are drawn too."""
    with pm.Model() as model:
        mu = pm.Normal("mu", 1, 2)
        tau = pm.HalfNormal("tau", 1)
        pm.Uniform("share", mu, mu + tau)
        pm.Dirichlet("simplex", np.ones(3))
        deviations = pm.HalfNormal.dist(1, shape=3)
        pm.LKJCholeskyCov("cholesky", n=3, eta=2, sd_dist=deviations)
        effect = pm.Normal("effect", mu, tau, shape=4)
        pm.ZeroSumNormal("zero_sum", 1.0, shape=3)
        pm.Potential("pull", -10 * mu**2)
        pm.Normal("y", effect, 1, observed=np.zeros(4))
    return model


SUPPORTS = {
    "real": (value("mu"), stats.norm(1, 2).cdf),
    "positive": (value("tau"), HALF_NORMAL),
    "interval": (lambda p: (p["share"] - p["mu"]) / p["tau"], stats.uniform.cdf),
    "simplex": (value("simplex"), stats.beta(1, 2).cdf),
    # Correlations of LKJ(2) in 3 dimensions are Beta(2.5, 2.5) on (-1, 1).
    "cholesky": (
        lambda p: p["cholesky_corr"][:, [0, 0, 1], [1, 2, 2]] / 2 + 0.5,
        stats.beta(2.5, 2.5).cdf,
    ),
    "deviations": (value("cholesky_stds"), HALF_NORMAL),
    "vector": (lambda p: ((p["effect"].T - p["mu"]) / p["tau"]).T, NORMAL),
    # The projection of a normal vector of length 3 keeps two thirds of the variance.
    "zero_sum": (value("zero_sum"), stats.norm(0, np.sqrt(2 / 3)).cdf),
}


@pytest.mark.long
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_draws_have_the_quantiles_of_the_prior(precision):
    with pytensor.config.change_flags(floatX=precision):
        model = supports()
        check_prior(lambda: target_of(model), SUPPORTS)


@pytest.mark.parametrize(
    ("transform", "start", "reverse"),
    [
        (ordered, [-1.0, 0.0, 1.0], False),
        pytest.param(Ordered(ascending=False), [1.0, 0.0, -1.0], True, marks=pytest.mark.long),
    ],
)
def test_ordered_variables_are_sorted_draws(transform, start, reverse):
    with pm.Model() as model:
        center = pm.Normal("center", 0, 1, shape=3, transform=transform, initval=start)
        pm.Normal("below", center, 1e-3, shape=3)

    def ascending(draws):
        return draws["center"][:, ::-1] if reverse else draws["center"]

    known = {
        "smallest": (lambda p: ascending(p)[:, 0], lambda x: 1 - (1 - NORMAL(x)) ** 3),
        "largest": (lambda p: ascending(p)[:, 2], lambda x: NORMAL(x) ** 3),
        "below": (lambda p: (p["below"] - p["center"]) / 1e-3, NORMAL),
    }
    check_prior(lambda: target_of(model), known)


def test_a_positive_ordered_variable():
    with pm.Model() as model:
        pm.Exponential("rate", 1, shape=2, transform=ordered, initval=[1.0, 2.0])
    smallest = (lambda p: p["rate"][:, 0], stats.expon(scale=0.5).cdf)
    check_prior(lambda: target_of(model), {"smallest": smallest})


@pytest.mark.filterwarnings("ignore:no latent variable enters:isogmm.errors.FitWarning")
def test_variables_without_draws_get_the_values_of_starting_points():
    with pm.Model() as model:
        flat = pm.Flat("flat", initval=3.0)
        half = pm.HalfFlat("half", shape=2)
        pm.CustomDist("custom", logp=lambda value: -0.5 * value**2)
        pm.Normal("child", flat, 1)
        pm.Normal("of_half", half, 1, shape=2)
        pm.CustomDist("data", logp=lambda value: -0.5 * value**2, observed=np.zeros(2))
    uniform = stats.uniform(-2, 4).cdf
    known = {
        "flat": (lambda p: p["flat"] - 3, uniform),
        "half": (lambda p: np.log(p["half"]), uniform),
        "custom": (value("custom"), uniform),
        "child": (lambda p: p["child"] - p["flat"], NORMAL),
        "of_half": (lambda p: p["of_half"] - p["half"], NORMAL),
    }
    check_prior(lambda: target_of(model), known)


def few_draws(model):
    graphs = read_graphs(model, value_shapes(model))
    starts = np.zeros((5, graphs.dim))
    return PriorDraws(graphs).draw(model, graphs.data_values(), starts, np.random.default_rng(0))


def test_parents_of_a_variable_are_descending_or_have_data():
    with pm.Model() as model:
        descending = Ordered(ascending=False)
        center = pm.Normal("center", 0, 1, shape=3, transform=descending)
        pm.Normal("below", center, 1e-6, shape=3)
        parent = pm.Normal("parent", 0, 1, observed=7.0)
        pm.Normal("child", parent, 1e-6)
    draws = few_draws(model)
    assert (np.diff(draws[:, 3:6]) < 0).all()
    # Five standard deviations.
    center = descending.backward(pt.constant(draws[:, :3])).eval()
    np.testing.assert_allclose(center, draws[:, 3:6], atol=5e-6)
    np.testing.assert_allclose(draws[:, 6], 7.0, atol=5e-6)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:no latent variable enters:isogmm.errors.FitWarning")
def test_imputed_values_and_parents_with_data():
    with pm.Model() as model:
        parent = pm.Normal("parent", 0, 1, observed=7.0)
        pm.Normal("child", parent, 1)
        pm.Normal("y", 3, 1, observed=np.ma.masked_invalid([1.0, np.nan, 2.0, np.nan]))
    known = {
        "child": (lambda p: p["child"] - 7, NORMAL),
        "imputed": (lambda p: p["y_unobserved"] - 3, NORMAL),
    }
    check_prior(lambda: target_of(model), known)


@pytest.mark.long
def test_time_series():
    with pm.Model() as model:
        pm.GaussianRandomWalk("walk", mu=0, sigma=1, init_dist=pm.Normal.dist(0, 1), shape=4)
    known = {"steps": (lambda p: np.diff(p["walk"], prepend=0), NORMAL)}
    check_prior(lambda: target_of(model), known)


def test_draws_that_fail_are_rows_of_nan():
    with pm.Model() as model:
        scale = pm.Normal("scale", 0, 1, initval=1.0)
        pm.Normal("x", 0, scale)
        pm.Normal("positive", 0, 1, transform=log, initval=1.0)
    draws = draws_of(target_of(model))
    is_finite = np.isfinite(draws).all(axis=1)
    assert is_finite.any()
    assert not is_finite.all()
    assert (draws[is_finite, 0] > 0).all()
    np.testing.assert_array_equal(np.isnan(draws[:, 1]), np.isnan(draws[:, 0]))

    with pm.Model() as model:
        scale = pm.Normal("scale", -9, 0.1, initval=1.0)
        pm.Normal("x", 0, scale)
    assert np.isnan(draws_of(target_of(model))).all()


def test_a_prior_that_cannot_be_built_gives_rows_of_nan(monkeypatch):
    def refuse(*args, **kwargs):
        raise RuntimeError("no such graph")

    monkeypatch.setattr("isogmm_pymc._programs.prior.compile_graph", refuse)
    with pm.Model() as model:
        pm.Normal("x")
    assert np.isnan(draws_of(target_of(model), 3)).all()


def test_data_change_the_prior_and_the_model_is_left_alone():
    with pm.Model() as model:
        scale = pm.Data("scale", 1.0)
        (y,) = (pm.Minibatch(np.arange(20.0), batch_size=5),)
        x = pm.Normal("x", 0, scale)
        pm.Normal("y", x, 1, observed=y, total_size=20)
    with pytest.warns(UserWarning, match="Minibatch"):
        first = target_of(model)
    count = first.num_programs()
    rng = x.owner.inputs[0]
    state = rng.get_value().bit_generator.state
    before = draws_of(first)
    assert rng.get_value().bit_generator.state == state
    assert first.num_programs() == count
    with model:
        pm.set_data({"scale": 10.0})
    with pytest.warns(UserWarning, match="Minibatch"):
        second = target_of(model)
    np.testing.assert_allclose(draws_of(second), 10 * before, rtol=1e-12)
    # The first target keeps the data it was made with.
    np.testing.assert_array_equal(draws_of(first), before)
    fields = second.hyperparameters(["scale"]).bind({"scale": np.array(100.0)})
    changed = dataclasses.replace(second, **fields)
    np.testing.assert_allclose(draws_of(changed), 100 * before, rtol=1e-12)


@pytest.mark.long
@pytest.mark.bambi
def test_a_bambi_model():
    bambi = pytest.importorskip("bambi")
    import pandas as pd

    data = pd.DataFrame({"y": np.arange(12.0), "x": np.cos(np.arange(12.0))})
    target = target_of(
        bambi.Model("y ~ x", data, priors={"x": bambi.Prior("Normal", mu=2, sigma=3)})
    )
    slope = target.unravel(draws_of(target, 400))["x"]
    assert stats.kstest(slope, stats.norm(2, 3).cdf).pvalue > 1e-7


def test_a_marginalized_model():
    extras = pytest.importorskip("pymc_extras")
    with pm.Model() as model:
        share = pm.Beta("share", 2, 2)
        label = pm.Bernoulli("label", share, shape=3)
        pm.Normal("y", label, 1, observed=np.zeros(3))
    marginal = extras.marginalize(model, [label])
    check_prior(lambda: target_of(marginal), {"share": (value("share"), stats.beta(2, 2).cdf)})

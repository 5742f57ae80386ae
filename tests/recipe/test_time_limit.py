"""The time limit of a fit also ends long evaluations; the result has what there was time for.

Most tests have a clock that the model itself advances, so that they take no time and have exact
results.
"""

import types

import jax.numpy as jnp
import numpy as np
import pytest

import isogmm
from helpers.targets import correlated_gaussian
from isogmm.draws.pool import Pool, draw_pool, draw_pool_in_time
from isogmm.draws.weigh import weigh
from isogmm.errors import DeadlineReachedError, FitWarning
from isogmm.mixtures.affine_map import identity_map
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.model import fit_target, time_limit
from isogmm.model.fit_target import FitTarget
from isogmm.model.programs.chunks import in_chunks
from isogmm.model.target import Target
from isogmm.recipe.families import mixture_family
from isogmm.recipe.families.histories import joined
from isogmm.results.groups import get_group

pytestmark = [
    pytest.mark.usefixtures("unchecked"),
    pytest.mark.filterwarnings("ignore::isogmm.errors.FitWarning"),
]

QUICK = {"random_seed": 0, "progressbar": False}


class Clock:
    """A clock that stands still until it is advanced."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    found = Clock()
    for module in (fit_target, time_limit):
        monkeypatch.setattr(module, "time", types.SimpleNamespace(perf_counter=found.perf_counter))
    return found


def costly(clock, seconds, of_constrain=0.0):
    """A standard normal that takes this long at every position."""

    def value_and_grad(x):
        clock.now += seconds
        return -0.5 * float(x @ x), -x

    def constrain(x):
        clock.now += of_constrain
        return {"square": x**2}

    return isogmm.LogDensity(None, np.zeros(3), value_and_grad=value_and_grad, constrain=constrain)


@pytest.mark.parametrize("of_constrain", [0.0, 0.02])
@pytest.mark.parametrize("seconds", [2e-3, 0.05])
def test_a_costly_function_ends_in_time(seconds, of_constrain, clock):
    model = costly(clock, seconds, of_constrain)
    idata = isogmm.fit_isogmm(model, max_seconds=3.0, **QUICK)
    assert clock.now < 4.5
    assert idata.attrs["stop_reason"] == "max_seconds"
    assert idata.attrs["verdict"] == "unreliable"
    posterior = get_group(idata, "posterior")
    assert posterior.sizes["draw"] == 1000 if not of_constrain else posterior.sizes["draw"] < 1000
    x = posterior["x"].values
    np.testing.assert_array_equal(posterior["square"].values, x**2)
    lp = get_group(idata, "sample_stats")["lp"].values
    assert np.isnan(lp).any()
    evaluated = np.isfinite(lp)
    np.testing.assert_allclose(lp[evaluated], -0.5 * (x[evaluated] ** 2).sum(-1))
    # Few or no evaluated draws say nothing about the weights of the others.
    assert idata.attrs["draws_from"] == "mixture"
    assert isogmm.report(idata).verdict == "unreliable"


def test_a_costly_factorized_fit_ends_in_time(clock):
    idata = isogmm.fit_factorized(costly(clock, 0.05), max_seconds=3.0, chains=4, **QUICK)
    # The optimization has a clock of its own; its first window is one iteration of 5 points.
    lp = get_group(idata, "sample_stats")["lp"].values
    assert np.isfinite(lp).any(axis=1).all()
    assert np.isnan(lp).any()


@pytest.mark.long
def test_a_limit_that_is_not_reached_changes_nothing():
    def density(x):
        return -0.5 * x @ x - jnp.sum(x**4)

    model = isogmm.LogDensity(density, np.zeros(2), constrain=lambda x: {"square": x**2})
    first, second = (
        isogmm.fit_isogmm(model, max_seconds=limit, draws=300, **QUICK) for limit in (None, 1e4)
    )
    assert first.attrs["num_gradient_evaluations"] == second.attrs["num_gradient_evaluations"]
    for group in ("posterior", "sample_stats"):
        for name, array in get_group(first, group).data_vars.items():
            np.testing.assert_array_equal(array.values, get_group(second, group)[name].values)


def test_a_costly_jax_model_ends_in_time(clock, monkeypatch):
    """The pool of 4,000 draws alone would take 16 s with this model."""
    evaluate_chunk = Target._evaluate_chunk

    def slow(self, chunk, size):
        clock.now += 4e-3 * size
        return evaluate_chunk(self, chunk, size)

    monkeypatch.setattr(Target, "_evaluate_chunk", slow)
    model = isogmm.LogDensity(lambda x: -0.5 * x @ x, np.zeros(3))
    idata = isogmm.fit_isogmm(model, max_seconds=0.2, **QUICK)
    # The batch that passes the limit, and those that were requested ahead.
    assert clock.now < 0.2 + 4 * 4e-3 * model.to_target().batch_size
    assert idata.attrs["stop_reason"] == "max_seconds"
    assert get_group(idata, "posterior").sizes["draw"] == 1000


def test_constrained_draws_are_computed_in_slices(clock):
    def program(positions, seed):
        clock.now += 1.0
        return {"x": positions, "seed": np.full(len(positions), seed)}

    positions = np.arange(10.0)[:, None]
    target = correlated_gaussian(2).target()
    target.constrain = lambda positions, seed: in_chunks(program, positions, seed, 4)
    limited = FitTarget.of(target, max_seconds=2.5)
    with pytest.raises(DeadlineReachedError):
        limited.constrain(np.concatenate([positions, positions]), 0)
    assert clock.now == 3.0
    assert len(FitTarget.of(target).constrain(positions, 7)["x"]) == 10


def standard_mixture():
    return IsotropicMixture(np.zeros((2, 1, 3)), np.ones((2, 1)), np.zeros((2, 1)), identity_map(3))


def test_a_pool_in_time_is_the_same_pool(clock):
    target = FitTarget.of(costly(clock, 0.01).to_target(), max_seconds=0.0)
    clock.now = 1.0
    late = draw_pool_in_time(target, standard_mixture(), np.random.default_rng(0), 1000)
    whole = draw_pool(target, standard_mixture(), np.random.default_rng(0), 1000)
    np.testing.assert_array_equal(late.positions, whole.positions)
    count = late.is_evaluated.reshape(2, -1).sum(axis=1)
    # 0.35 s of grace are enough for 35 evaluations: slices of 1, 2, 4 and 8 draws of both chains.
    # The slice that was not finished is lost.
    np.testing.assert_array_equal(count, [15, 15])
    np.testing.assert_array_equal(late.log_density[:, :15], whole.log_density[:, :15])
    assert late.num_nonfinite == 0


def test_the_statistics_of_a_pool_are_those_of_its_evaluated_draws():
    generator = np.random.default_rng(0)
    positions, components = generator.normal(size=(2, 400, 1)), np.zeros((2, 400), int)
    log_density, log_q = generator.normal(size=(2, 2, 400))
    log_density[:, :3] = -np.inf
    part = Pool(positions, components, log_density, log_q, log_q)
    padding = np.full((2, 100), np.nan)
    late = part.joined(
        Pool(positions[:, :100], components[:, :100], padding, log_q[:, :100], log_q[:, :100])
    )
    assert late.num_nonfinite == part.num_nonfinite == 6
    assert late.pooled_elbo() == part.pooled_elbo()
    assert late.importance_ess() == part.importance_ess()
    one, other = weigh(part), weigh(late)
    assert (one.pareto_k, one.relative_ess) == (other.pareto_k, other.relative_ess)
    np.testing.assert_array_equal(other.log_weights[late.is_evaluated], one.log_weights)
    assert np.isneginf(other.log_weights[~late.is_evaluated]).all()


def test_a_limit_before_the_first_check_of_a_second_optimization_keeps_the_history():
    first = {"iteration": np.array([10, 20]), "elbo": np.array([[1.0, 2.0], [3.0, 4.0]])}
    empty = {name: np.array([]) for name in first}
    for one, other in ((first, empty), (empty, first)):
        found = joined(one, other)
        np.testing.assert_array_equal(found["iteration"], first["iteration"])
        np.testing.assert_array_equal(found["elbo"], first["elbo"])


def test_a_limit_that_passes_while_the_draws_are_judged_does_not_lose_them(monkeypatch):
    summarize = mixture_family.summarize

    def late(target, *arguments):
        target.deadline = 0.0
        return summarize(target, *arguments)

    monkeypatch.setattr(mixture_family, "summarize", late)
    target = correlated_gaussian(2).target()
    idata = isogmm.fit_isogmm(target, max_seconds=1e4, refine=10, draws=250, **QUICK)
    assert get_group(idata, "posterior")["x"].shape == (4, 250, 2)


def test_a_limit_that_passes_while_new_modes_are_followed_does_not_lose_the_fit(monkeypatch):
    def extend(target, *arguments):
        raise DeadlineReachedError

    monkeypatch.setattr(mixture_family, "modes_of_chains", lambda *arguments: ["a mode"])
    monkeypatch.setattr(mixture_family, "extend", extend)
    with pytest.warns(FitWarning, match="time limit was reached"):
        idata = isogmm.fit_isogmm(correlated_gaussian(2).target(), refine=10, draws=250, **QUICK)
    assert idata.attrs["verdict"] == "unreliable"
    assert get_group(idata, "posterior")["x"].shape == (4, 250, 2)

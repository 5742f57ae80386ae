"""Which draws are delivered: variables that a transform stretches need weights."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from helpers.targets import correlated_gaussian
from isogmm.api import fit_isogmm
from isogmm.draws.agreement import Agreement
from isogmm.draws.refine import Refine
from isogmm.draws.weigh import SmoothedWeights
from isogmm.draws.weight_effect import WeightEffect
from isogmm.errors import FitWarning
from isogmm.model.functions.log_density import LogDensity
from isogmm.recipe.delivery import constrained_pool as module
from isogmm.recipe.delivery import deliver
from isogmm.recipe.delivery.constrained_pool import ConstrainedPool, constrained_pool
from isogmm.recipe.options import Refinement, When
from isogmm.results.building.constrained import NUM_COMPARED
from isogmm.results.groups import get_group

pytestmark = pytest.mark.usefixtures("unchecked")

QUICK = {"random_seed": 0, "draws": 250, "progressbar": False}


class Counting:
    """A target whose calls of ``constrain`` are recorded."""

    def __init__(self, function=None):
        self.target = correlated_gaussian(2).target()
        self.original, self.rows = self.target.constrain, []
        self.function = function
        self.target.constrain = self

    def __call__(self, positions, seed):
        self.rows.append((len(positions), seed))
        groups = self.original(positions, seed)
        if self.function is not None:
            groups["posterior"] |= self.function(positions)
        return groups


@pytest.mark.long
def test_draws_that_are_delivered_as_they_are_are_constrained_once():
    counting = Counting()
    idata = fit_isogmm(counting.target, **{**QUICK, "draws": 1000})
    assert idata.attrs["draws_from"] == "mixture"
    # One draw shows the shapes of the variables before the search.
    assert [rows for rows, _ in counting.rows] == [1, 4000]
    x = get_group(idata, "posterior")["x"].values
    lp = get_group(idata, "sample_stats")["lp"].values
    np.testing.assert_allclose(counting.target.evaluate(x)[0], lp)


def test_a_part_of_the_pool_is_constrained_again():
    counting = Counting()
    idata = fit_isogmm(counting.target, **{**QUICK, "random_seed": 1})
    assert [rows for rows, _ in counting.rows] == [1, 4000, 1000]
    assert len({seed for _, seed in counting.rows[1:]}) == 1
    assert get_group(idata, "posterior")["x"].shape == (4, 250, 2)


def effect(pareto_k=0.0, shift=0.1):
    return WeightEffect("power", "sd", 5.0, 0.0, shift, pareto_k, "power" if pareto_k else "")


@pytest.fixture
def found(monkeypatch):
    """Every pool has this effect."""

    def set_effect(value):
        monkeypatch.setattr(
            deliver, "constrained_pool", lambda *arguments: ConstrainedPool(value, None)
        )

    return set_effect


def test_weights_that_matter_choose_the_draws(found):
    found(effect())
    idata = fit_isogmm(correlated_gaussian(2).target(), **QUICK)
    assert idata.attrs["verdict"] == "reweighted"
    assert "without them the sd of power would be 11% too large" in idata.attrs["advice"]


@pytest.mark.long
def test_weights_that_matter_cost_one_pool_at_most(found):
    target, draws = correlated_gaussian(2).target(), {**QUICK, "draws": 1000}
    before = fit_isogmm(target, **draws).attrs["num_gradient_evaluations"]
    found(effect())
    after = fit_isogmm(target, **draws).attrs["num_gradient_evaluations"]
    assert before < after <= before + 4000


@pytest.mark.long
def test_weights_that_do_not_determine_a_moment_are_refined(found):
    found(effect(pareto_k=0.9))
    idata = fit_isogmm(correlated_gaussian(2).target(), **QUICK)
    assert idata.attrs["verdict"] == "refined"


def test_the_verdict_is_honest_where_chains_are_off(found):
    found(effect(pareto_k=0.9))
    with pytest.warns(FitWarning, match="The estimate of the sd of power by importance weights"):
        idata = fit_isogmm(correlated_gaussian(2).target(), **QUICK, refine=0)
    assert idata.attrs["verdict"] == "unreliable"
    assert idata.attrs["draws_from"] == "importance"


@pytest.mark.long
def test_the_verdict_is_honest_where_weights_are_off(found):
    off = {"refine": 0, "importance": False}
    found(effect())
    with pytest.warns(FitWarning, match="mean or the log sd of power is wrong by 0.10"):
        idata = fit_isogmm(correlated_gaussian(2).target(), **QUICK, **off)
    assert idata.attrs["draws_from"] == "mixture"
    found(effect(shift=0.04))
    idata = fit_isogmm(correlated_gaussian(2).target(), **QUICK, **off)
    assert idata.attrs["verdict"] == "good"


@pytest.mark.long
def test_nothing_is_compared_where_chains_deliver_in_any_case(monkeypatch):
    def compare(*arguments):
        raise AssertionError

    monkeypatch.setattr(deliver, "constrained_pool", compare)
    idata = fit_isogmm(correlated_gaussian(2).target(), **QUICK, refine=20)
    assert idata.attrs["draws_from"] == "chains"


# --- decisions, without a fit ------------------------------------------------------------------


def weights_of(pareto_k, relative_ess, size=400):
    return SmoothedWeights(np.full(size, -np.log(size)), pareto_k, relative_ess)


def options_of(importance=When.AUTO, refinement=None):
    refinement = Refinement(Refine(), is_optional=True) if refinement is None else refinement
    return SimpleNamespace(importance=importance, refinement=refinement)


@pytest.mark.parametrize(
    ("pareto_k", "relative_ess", "expected"),
    [(0.39, 0.61, True), (0.41, 0.61, False), (0.39, 0.59, False), (1.3, 0.991, True)],
)
def test_which_weights_need_no_chains(pareto_k, relative_ess, expected):
    assert deliver._may_reweight(weights_of(pareto_k, relative_ess)) is expected


EVEN, UNEVEN, FLAT = (0.3, 0.7), (0.3, 0.5), (1.3, 0.995)
OF_WEIGHTS, OF_CHAINS = WeightEffect("x", "sd", 5.0, 0.0, 0.1, 0.69), effect(pareto_k=0.71)


@pytest.mark.parametrize(
    ("options", "weights", "found_effect", "expected"),
    [
        (options_of(), EVEN, None, True),
        (options_of(), FLAT, OF_WEIGHTS, True),
        (options_of(), UNEVEN, None, False),
        (options_of(), EVEN, OF_CHAINS, False),
        (options_of(importance=When.NEVER), EVEN, None, False),
        (options_of(refinement=Refinement(Refine())), EVEN, None, False),
    ],
)
def test_which_weights_the_chains_may_confirm(
    options, weights, found_effect, expected, monkeypatch
):
    calls = []
    monkeypatch.setattr(deliver, "run_chains", lambda *arguments: calls.append(arguments))
    pool = pool_of(correlated_gaussian(2).target())
    constrained = ConstrainedPool(found_effect, None)
    state = deliver._State(pool, weights_of(*weights, size=3000), constrained=constrained)
    context = SimpleNamespace(target=None, generator=None)
    mixture = SimpleNamespace(affine_map=None)
    deliver._refine(context, options, mixture, np.array([[0], [1]]), state)
    (arguments,) = calls
    assert isinstance(arguments[-1], Agreement) is expected
    # The mode of each draw is that of its component.
    np.testing.assert_array_equal(arguments[3], np.repeat([0, 1], 1500))


@pytest.mark.parametrize(
    ("importance", "weights", "needs_weights", "expected"),
    [
        (When.ALWAYS, (0.69, 0.03), False, "importance"),
        (When.ALWAYS, (0.71, 0.03), False, "mixture"),
        (When.ALWAYS, (0.69, 0.01), False, "mixture"),
        (When.NEVER, (0.1, 0.9), True, "mixture"),
        (When.AUTO, FLAT, False, "mixture"),
        (When.AUTO, FLAT, True, "importance"),
        (When.ALWAYS, FLAT, False, "importance"),
    ],
)
def test_which_draws_are_chosen_by_weights(importance, weights, needs_weights, expected):
    constrained = ConstrainedPool(effect() if needs_weights else None, None)
    pool = pool_of(correlated_gaussian(2).target())
    state = deliver._State(pool, weights_of(*weights), constrained=constrained)
    assert deliver._source(importance, state).value == expected
    pool.log_density[0, 0] = np.nan  # a time limit left this draw without a weight
    assert deliver._source(importance, state).value == "mixture"


# --- the pool on the scale of the model -------------------------------------------------------


def pool_of(target, *, lost=()):
    from isogmm.draws.pool import Pool

    positions = np.random.default_rng(0).normal(size=(2, 1500, 2))
    log_density = np.zeros((2, 1500))
    log_density.ravel()[list(lost)] = -np.inf
    zeros = np.zeros((2, 1500))
    return Pool(positions, zeros.astype(int), log_density, zeros, zeros)


def compared(counting, pool):
    from isogmm.draws.weigh import weigh

    return constrained_pool(counting.target, pool, weigh(pool), 3)


def test_large_groups_are_not_kept(monkeypatch):
    monkeypatch.setattr(module, "MAX_ENTRIES", 100)
    counting = Counting(lambda x: {"y": np.exp(x)})
    found = compared(counting, pool_of(counting.target))
    assert found.groups is None
    # A few draws show that the variables are not the coordinates.
    assert [rows for rows, _ in counting.rows] == [NUM_COMPARED] + [500] * 6
    assert len({seed for _, seed in counting.rows[1:]}) == 6


def test_a_large_log_likelihood_is_not_computed_where_variables_are_coordinates():
    counting = Counting()
    # A LogDensity has no observed data: the shapes of its groups tell the size.
    row = {"log_likelihood": {"y": np.broadcast_to(0.0, (1, module.MAX_ENTRIES))}}
    counting.target.placeholder = lambda: row
    pool = pool_of(counting.target)
    found = compared(counting, pool)
    assert [rows for rows, _ in counting.rows] == [NUM_COMPARED]
    assert found.groups is None
    counting.target.placeholder = None
    assert found.effect == compared(counting, pool).effect


def test_draws_outside_the_support_are_left_out():
    seen = Counting(lambda x: {"y": np.where(np.arange(len(x)) == 7, 1e9, x[:, 0])})
    pool = pool_of(seen.target, lost=[7])
    assert compared(seen, pool).effect is None
    pool.log_density.ravel()[7] = -50.0  # inside the support, with almost no weight
    assert compared(seen, pool).effect.name == "y"


def test_an_exception_of_the_model_is_left_to_the_result():
    def fail(positions):
        raise ZeroDivisionError

    counting = Counting(fail)
    assert compared(counting, pool_of(counting.target)) == ConstrainedPool(None, None)
    with pytest.warns(FitWarning, match="only the unconstrained draws.*ZeroDivisionError"):
        idata = fit_isogmm(counting.target, **QUICK)
    assert np.all(np.isfinite(get_group(idata, "posterior")["x"].values))


@pytest.mark.long
def test_modes_that_touch_have_their_masses_among_the_draws():
    """A draw belongs to the region that the mass of its mode was computed for.

    A round mode touches one that several components cover.  The masses have an error of 0.0022,
    and the shares of 4,000 draws in strata one of at most 0.002.  The modes of the components of
    the draws had shares that were off by 0.03.
    """

    def log_density(x):
        round_mode = -0.5 * (x[0] ** 2 + x[1] ** 2) / 0.5**2 - 2.0 * jnp.log(0.5)
        bent = -0.5 * (x[0] / 2.0) ** 2 - 0.5 * ((x[1] - 3.2 + 0.35 * x[0] ** 2) / 0.4) ** 2
        return jnp.logaddexp(round_mode, bent - jnp.log(2.0 * 0.4))

    idata = fit_isogmm(LogDensity(log_density, np.zeros(2)), random_seed=1, progressbar=False)
    masses = get_group(idata, "fit")["mode_mass"].values
    modes = get_group(idata, "sample_stats")["mode"].values.ravel()
    assert len(masses) == 2
    shares = np.bincount(modes, minlength=2) / modes.size
    np.testing.assert_allclose(shares, masses, atol=4 * np.hypot(0.0022, 0.002))

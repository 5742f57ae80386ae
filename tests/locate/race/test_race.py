"""Races of candidates: those of two paths, and those of all paths if they are needed."""

import functools

import jax.numpy as jnp
import numpy as np
import pytest

import isogmm
from helpers.targets import gaussian, make_target
from isogmm.errors import ModelError
from isogmm.locate.gaussian.gaussians import Gaussians
from isogmm.locate.locate import locate
from isogmm.locate.paths import starts as starts_module
from isogmm.locate.paths.candidates import Place
from isogmm.locate.paths.lbfgs import follow_paths
from isogmm.locate.paths.starts import NUM_FIRST, follow_starts
from isogmm.locate.race import best_gaussian as module
from isogmm.locate.race.best_gaussian import race, scout
from isogmm.locate.race.race import MAX_EXACT_ELBO_SE, Outcome, Race
from isogmm.locate.race.state import SearchState
from isogmm.model.fit_target import FitTarget
from isogmm.model.programs.size import MIN_BATCH_ROWS
from isogmm.model.to_target import to_target
from isogmm.results.interruption import interruptible
from isogmm.results.stop_reason import StopReason

pytestmark = pytest.mark.usefixtures("unchecked")


def schools():
    """Eight schools, centered: paths run to scale zero, where the density has no bound."""
    return FitTarget.of(_schools())


@functools.cache
def _schools():
    effect = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
    error = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])

    def log_density(p):
        mean, log_scale, theta = p["mean"], p["log_scale"], p["theta"]
        prior = -0.5 * (mean / 5.0) ** 2 + log_scale - jnp.log1p(jnp.exp(2.0 * log_scale) / 25.0)
        spread = -0.5 * jnp.sum((theta - mean) ** 2) * jnp.exp(-2.0 * log_scale) - 8.0 * log_scale
        return prior + spread - 0.5 * jnp.sum(((effect - theta) / error) ** 2)

    start = {"mean": np.zeros(()), "log_scale": np.zeros(()), "theta": np.zeros(8)}
    return to_target(isogmm.LogDensity(log_density, start), (), {}, 0)


def valley(dim=40):
    """Rosenbrock's function: paths along its curved valley take hundreds of evaluations."""

    def log_density(x):
        return -jnp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)

    return FitTarget.of(to_target(isogmm.LogDensity(log_density, np.zeros(dim)), (), {}, 0))


def paths_of(target, count=6):
    starts = target.initial_positions(np.random.default_rng(0), count)
    return [path for path in follow_paths(target, starts) if path is not None]


@functools.cache
def paths_of_schools():
    return paths_of(schools())


def outcome_at(mean, elbo, settled=True):
    best = Gaussians.start(np.array([mean]), np.eye(len(mean))[None])
    best.elbo[:], best.elbo_se[:], best.alive[:] = elbo, 0.2, elbo > -np.inf
    return Outcome(best, Place.HALF, 1, settled=settled)


@pytest.fixture
def asked(monkeypatch):
    """Names of the races that locate runs; outcomes in ``found`` replace them."""
    asked, found = [], {}

    def replaced(name):
        original = getattr(module, name)

        def function(*arguments):
            asked.append(name)
            result = found[name] if name in found else original(*arguments)
            if isinstance(result, BaseException):
                raise result
            return result

        monkeypatch.setattr(module, name, function)

    for name in ("scout", "race"):
        replaced(name)
    return asked, found


def test_candidates_agree_on_a_gaussian():
    target = gaussian([3.0, -50.0], np.diag([1e-4, 100.0])).target()
    outcome = scout(target, np.random.default_rng(0), paths_of(target), 40, SearchState())
    assert outcome.agreed
    # Normalized: without a gap the ELBO is zero at every draw.
    assert abs(outcome.best.elbo[0]) < 1e-3


def test_an_exact_candidate_ends_the_race_of_a_costly_model():
    spent = {}
    for batch_size in (MIN_BATCH_ROWS, 2 * MIN_BATCH_ROWS):
        target = FitTarget.of(gaussian([3.0, -50.0], np.diag([1e-4, 100.0])).target(batch_size))
        paths = paths_of(target)
        before = target.num_gradient_evaluations
        outcome = scout(target, np.random.default_rng(0), paths, 40, SearchState())
        assert outcome.agreed
        assert abs(outcome.best.elbo[0]) < 1e-3
        spent[batch_size] = target.num_gradient_evaluations - before
    # Two iterations of all candidates instead of eight, and none of 32 more with two candidates.
    assert spent[MIN_BATCH_ROWS] < spent[2 * MIN_BATCH_ROWS] / 4


def test_the_race_of_a_costly_model_goes_on_without_an_exact_candidate():
    def student(x):
        return -2.0 * np.log1p(x**2 / 3.0).sum(axis=-1), -4.0 * x / (3.0 + x**2)

    elbos = []
    for batch_size in (MIN_BATCH_ROWS, 2 * MIN_BATCH_ROWS):
        target = make_target(student, 3, batch_size)
        paths = paths_of(target)
        outcome = scout(target, np.random.default_rng(0), paths, 40, SearchState())
        assert outcome.elbo_se > MAX_EXACT_ELBO_SE
        elbos.append(outcome.elbo)
    assert elbos[0] == elbos[1]


@pytest.mark.weak_dtypes
def test_candidates_do_not_agree_on_a_centered_hierarchy():
    paths = paths_of_schools()
    outcome = scout(schools(), np.random.default_rng(0), paths, 40, SearchState())
    assert not outcome.agreed
    assert outcome.settled


@pytest.mark.weak_dtypes
def test_the_first_race_reports_whether_its_elbo_still_improves(monkeypatch):
    target = gaussian([1.0, 2.0], np.eye(2)).target()
    paths = paths_of(target)
    assert scout(target, np.random.default_rng(0), paths, 40, SearchState()).settled
    monkeypatch.setattr(Race, "improves", lambda self: True)
    assert not scout(target, np.random.default_rng(0), paths, 40, SearchState()).settled


@pytest.mark.weak_dtypes
def test_there_is_one_race_if_its_candidates_agree(asked):
    locate(gaussian([1.0, 2.0], np.eye(2)).target(), np.random.default_rng(0))
    assert asked[0] == ["scout"]


@pytest.mark.weak_dtypes
def test_all_paths_compete_if_a_local_maximum_has_more_mass(asked):
    called, found = asked
    found["scout"] = outcome_at([40.0, 40.0], -800.0)
    located = locate(gaussian([1.0, 2.0], np.eye(2)).target(), np.random.default_rng(0))
    assert called == ["scout", "race"]
    assert abs(located.elbo) < 1e-3


@pytest.mark.weak_dtypes
def test_all_paths_compete_if_the_elbo_of_the_first_race_still_improves(asked):
    called, found = asked
    found["scout"] = outcome_at([1.0, 2.0], 0.0, settled=False)
    locate(gaussian([1.0, 2.0], np.eye(2)).target(), np.random.default_rng(0))
    assert called == ["scout", "race"]


@pytest.mark.weak_dtypes
def test_a_race_whose_candidates_all_diverge_leaves_the_first_winner(asked):
    _, found = asked
    found["scout"] = outcome_at([1.0, 2.0], 0.0, settled=False)
    found["race"] = outcome_at([0.0, 0.0], -np.inf)
    located = locate(gaussian([1.0, 2.0], np.eye(2)).target(), np.random.default_rng(0))
    np.testing.assert_array_equal(located.means, [[1.0, 2.0]])
    assert located.num_diverged == 2


@pytest.mark.weak_dtypes
def test_the_error_after_all_candidates_diverge_names_the_likely_cause(asked):
    _, found = asked
    found["scout"] = found["race"] = outcome_at([0.0, 0.0], -np.inf)
    with pytest.raises(
        ModelError, match=r"no Gaussian approximation has a finite ELBO.*proper prior"
    ):
        locate(gaussian([1.0, 2.0], np.eye(2)).target(), np.random.default_rng(0))


@pytest.mark.weak_dtypes
def test_all_paths_compete_if_chains_lead_to_another_gaussian(asked):
    called, found = asked
    # Its ELBO is that of the local maximum, but the Gaussian lies elsewhere.
    found["scout"] = outcome_at([4.0, -4.0], -1.0)
    located = locate(gaussian([1.0, 2.0], np.eye(2)).target(), np.random.default_rng(0))
    assert called == ["scout", "race"]
    np.testing.assert_allclose(located.means[0], [1.0, 2.0], atol=0.05)


@pytest.mark.weak_dtypes
def test_a_winner_from_which_chains_do_not_move_is_kept(asked):
    called, found = asked
    found["scout"] = outcome_at([1.0, 2.0], 0.0)
    locate(gaussian([1.0, 2.0], np.eye(2)).target(), np.random.default_rng(0))
    assert called == ["scout"]


@pytest.mark.weak_dtypes
def test_an_interrupted_race_of_all_paths_leaves_the_first_winner(asked):
    _, found = asked
    found["scout"] = outcome_at([40.0, 40.0], -800.0)
    found["race"] = KeyboardInterrupt()
    located = locate(gaussian([1.0, 2.0], np.eye(2)).target(), np.random.default_rng(0))
    assert located.stop_reason is StopReason.INTERRUPTED
    assert located.origin == "50% of the path"
    np.testing.assert_array_equal(located.means, [[40.0, 40.0]])


@pytest.mark.weak_dtypes
@pytest.mark.parametrize(
    "search", [scout, lambda *arguments: race(*arguments[:3], 4, *arguments[3:])]
)
@pytest.mark.parametrize("iteration", [0, 3])
def test_an_interrupt_ends_a_search_with_a_gaussian(search, iteration, monkeypatch):
    target = schools()
    paths, step, interrupts = paths_of_schools(), Race.run_until, []

    def interrupted(positions):
        interrupts.append(1)
        raise KeyboardInterrupt

    def run_until(self, until):
        while self.iteration < until:
            if self.iteration == iteration:
                target.evaluate_batch = interrupted
            if not step(self, self.iteration + 1):
                return False
        return True

    monkeypatch.setattr(Race, "run_until", run_until)
    state = SearchState()
    with interruptible(target) as interruption:
        search(target, np.random.default_rng(0), paths, 40, state)
    assert interruption.reason is StopReason.INTERRUPTED
    # The interrupt ends the search at once.
    assert len(interrupts) == 1
    outcome = state.leader()
    assert np.isfinite(outcome.best.means).all()
    assert np.isfinite(outcome.best.factors).all()


@pytest.mark.weak_dtypes
def test_paths_are_followed_half_as_far_where_the_first_come_to_no_maximum(monkeypatch):
    limit, target = 60, valley()
    monkeypatch.setattr("isogmm.locate.paths.lbfgs.MAX_EVALUATIONS", limit)
    starts = np.random.default_rng(0).uniform(-2.0, 2.0, (NUM_FIRST + 2, 40))
    first = follow_paths(target, starts[:NUM_FIRST])
    assert not any(path.converged for path in first)
    alone, target.num_gradient_evaluations = target.num_gradient_evaluations, 0
    # The curvature at the ends, by which maxima are known, is not counted here.
    with monkeypatch.context() as patch:
        patch.setattr(starts_module, "add_paths", lambda *_: None)
        follow_starts(target, starts, [])
    # A line search that is under way when the evaluations run out is finished.
    others = target.num_gradient_evaluations - alone
    assert limit <= others < limit + 2 * 20
    # Where they do, all go as far as they like.
    target = gaussian(np.zeros(40), np.eye(40)).target()
    assert all(path.converged for path in follow_starts(target, starts, []))

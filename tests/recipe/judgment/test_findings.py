"""The quantities that decide the verdict, from stages that are simple enough to know them."""

from types import SimpleNamespace

import numpy as np
import pytest

from helpers.targets import correlated_gaussian
from isogmm.draws.evidence import Evidence
from isogmm.draws.pool import Pool
from isogmm.draws.weight_effect import WeightEffect
from isogmm.locate.located import SearchEnd
from isogmm.model.fit_target import FitTarget
from isogmm.recipe.judgment.findings import findings_of
from isogmm.results.labeling.labels import DrawSource

pytestmark = pytest.mark.usefixtures("unchecked")

DIM, CHAINS, DRAWS = 2, 4, 50


def target():
    return FitTarget.of(correlated_gaussian(DIM).target(), None)


def positions_of(seed=0):
    return np.random.default_rng(seed).standard_normal((CHAINS, DRAWS, DIM))


def pool_of(log_density):
    zero = np.zeros((CHAINS, DRAWS))
    return Pool(positions_of(), zero.astype(int), log_density, zero, zero)


def delivery_of(positions=None, *, source=DrawSource.MIXTURE, **changes):
    selection = SimpleNamespace(
        positions=positions_of() if positions is None else positions, source=source
    )
    parts = {
        "selection": selection,
        "component_modes": np.zeros((CHAINS, 3), dtype=int),
        "weights": SimpleNamespace(pareto_k=0.1, relative_ess=0.9),
        "evidence": Evidence(np.zeros(1), np.zeros((1, 1))),
        "refined": None,
        "weight_effect": None,
        "without_chains": False,
    }
    return SimpleNamespace(**{**parts, **changes})


def refined_of(draws, **changes):
    """Chains (m, t, d) with their diagnostics."""
    chains, _, dim = draws.shape
    parts = {
        "draws": draws,
        "groups": np.zeros(chains, dtype=int),
        "starting_points": draws[:, 0],
        "start_correlation": np.zeros(dim),
        "slowness": np.zeros(dim),
        "is_independent": True,
        "still_drifting": False,
        "drift": SimpleNamespace(location=np.zeros(dim), spread=np.zeros(dim)),
        "stuck_share": 0.0,
        "neck": np.empty((0, dim)),
    }
    return SimpleNamespace(**{**parts, **changes})


def found(delivery, *, pool=None, located=None):
    pool = pool_of(np.zeros((CHAINS, DRAWS))) if pool is None else pool
    return findings_of(target(), pool, delivery, located)


def test_chains_that_do_not_move_disagree():
    constant = np.broadcast_to(np.arange(4.0)[:, None, None], (CHAINS, DRAWS, DIM))
    assert found(delivery_of(constant)).rhat == np.inf
    assert found(delivery_of(np.zeros((CHAINS, DRAWS, DIM)))).rhat == 1.0
    moving = positions_of()
    moving[0, :, 1] += 3.0
    assert found(delivery_of(moving)).rhat_name == target().coordinate_labels[1]


@pytest.mark.parametrize("end", list(SearchEnd))
def test_a_limit_of_the_search_leaves_the_bound_of_unseen_modes(end):
    located = SimpleNamespace(end=end, unseen=0.01, unseen_bound=0.3)
    expected = {SearchEnd.NO_MAXIMUM: 0.0, SearchEnd.ONE_MODE: 0.01, SearchEnd.NO_NEW_MODE: 0.01}
    assert found(delivery_of(), located=located).unseen_probability == expected.get(end, 0.3)


def test_an_elbo_below_the_best_by_more_than_noise():
    # A standard deviation of 1 and 50 draws: standard errors of 1 / 7.
    noise = np.tile([-1.0, 1.0], DRAWS // 2)
    level = np.array([0.0, -5.0, -0.1, 0.0])
    pool = pool_of(level[:, None] + noise)
    gap = 5.0 - 3.0 * np.sqrt(2.0 / DRAWS)
    assert found(delivery_of(), pool=pool).elbo_gap == pytest.approx(gap)
    chains = delivery_of(source=DrawSource.CHAINS)  # the mixture delivers no draws
    assert found(chains, pool=pool).elbo_gap == 0.0


def test_the_largest_error_of_a_mass():
    evidence = Evidence(np.log([0.6, 0.3, 0.1]), np.diag([1e-4, 0.04, 1e-4]))
    modes = np.tile([0, 1, 2], (CHAINS, 1))
    # The gradients of the share p by the logs of all masses are p (e - p).
    gradient = 0.3 * np.array([-0.6, 0.7, -0.1])
    largest = np.sqrt(gradient**2 @ np.diag(evidence.covariance))
    case = found(delivery_of(evidence=evidence, component_modes=modes))
    assert (case.num_modes, case.mass_se) == (3, pytest.approx(largest))
    assert found(delivery_of(evidence=evidence)).mass_se == 0.0  # one mode has components


def test_draws_outside_the_support_and_effects_are_reported():
    log_density = np.zeros((CHAINS, DRAWS))
    log_density[1, :10] = -np.inf
    effect = WeightEffect("tau", "sd", 5.0, 0.0, 0.2)
    case = found(delivery_of(weight_effect=effect, without_chains=True), pool=pool_of(log_density))
    assert case.nonfinite_share == 10 / (CHAINS * DRAWS)
    assert case.weight_effect is effect
    assert case.without_chains
    assert case.num_draws == CHAINS * DRAWS


def test_the_monte_carlo_error_is_that_of_a_mean_of_chains():
    """Chains of constant values: only the differences within a mode are errors."""
    values = np.tile([-1.0, 1.0], 8) + np.repeat([0.0, 100.0], 8)
    draws = np.zeros((16, 5, DIM))
    draws[:, :, 1] = values[:, None]
    refined = refined_of(draws, groups=np.repeat([0, 1], 8))
    delivered = positions_of()
    delivered[..., 1] *= 10.0 / delivered[..., 1].std()
    case = found(delivery_of(delivered, source=DrawSource.CHAINS, refined=refined))
    # The sd of the delivered draws may be that of a sample.
    error = 1.0 / np.sqrt(16) / 10.0
    assert case.mcse == pytest.approx(error, rel=1.0 / (CHAINS * DRAWS))
    assert case.mcse_name == target().coordinate_labels[1]


@pytest.mark.parametrize(("side", "word"), [(-1.0, "small"), (1.0, "large")])
def test_the_side_of_a_neck(side, word):
    neck = np.zeros((3, DIM))
    neck[:, 1] = 8.0 * side
    refined = refined_of(positions_of(), neck=neck)
    case = found(delivery_of(source=DrawSource.CHAINS, refined=refined))
    assert case.neck == f"{target().coordinate_labels[1]} is {word}"

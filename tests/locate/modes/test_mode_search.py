"""Further modes: in any units, far away, close together, narrow, or very many."""

import numpy as np
import pytest

from helpers.targets import isotropic_mixture, make_target, rotation
from isogmm.locate.gaussian.factors import map_of
from isogmm.locate.gaussian.gaussians import Gaussians
from isogmm.locate.locate import Locate, locate
from isogmm.locate.located import SearchEnd
from isogmm.locate.modes import mode_search
from isogmm.locate.modes.estimates import check_estimates
from isogmm.locate.modes.extend import new_maxima
from isogmm.locate.modes.fit_modes import fit_modes, overlap
from isogmm.locate.modes.mode_search import ModeSearch
from isogmm.locate.modes.quiet_rounds import num_quiet_rounds
from isogmm.locate.paths.maxima import LocalMaximum
from isogmm.model.fit_target import FitTarget
from isogmm.model.programs.size import MIN_BATCH_ROWS

pytestmark = pytest.mark.usefixtures("unchecked")


def in_units(truth, scales, axes):
    """The target in coordinates x = s ∘ (Q z)."""
    scales = np.asarray(scales)

    def evaluate(x):
        values, gradients = truth.log_density_and_gradient((x / scales) @ axes)
        return values - np.log(scales).sum(), gradients @ axes.T / scales

    return make_target(evaluate, len(scales))


@pytest.mark.parametrize(
    "scales",
    [
        pytest.param((1.0, 1.0, 1.0), marks=pytest.mark.long),
        pytest.param((0.01, 1.0, 500.0), marks=pytest.mark.long),
        (0.001, 1.0, 1000.0),
    ],
)
def test_the_units_of_the_user_do_not_matter(scales):
    means = np.array([[0.0, 0.0, 0.0], [12.0, 0.0, 0.0]])
    truth = isotropic_mixture(means, np.ones(2), np.array([0.6, 0.4]))
    axes = rotation(np.random.default_rng(0), 3)
    located = locate(in_units(truth, scales, axes), np.random.default_rng(0))
    np.testing.assert_allclose(located.masses, [0.6, 0.4], atol=1e-3)
    assert located.end is SearchEnd.NO_NEW_MODE
    assert located.unseen == 0.0
    assert np.all(located.mode_counts > 1)
    assert sum(located.num_starts.values()) >= 500
    assert located.unseen_bound < 0.01


def test_one_mode_costs_few_gradients():
    truth, spent = isotropic_mixture(np.zeros((1, 6)), np.ones(1)), {}
    for max_evaluations in (0, 250_000):
        target = FitTarget.of(truth.target())
        options = Locate(max_evaluations=max_evaluations)
        located = locate(target, np.random.default_rng(0), options)
        spent[max_evaluations] = target.num_gradient_evaluations
    assert located.end is SearchEnd.ONE_MODE
    assert len(located.means) == 1
    assert located.num_screened == 2048
    assert located.num_starts["around modes"] == 32
    # In the coordinates of the mode, a path to its maximum has at most ten evaluations.
    assert 2048 < spent[250_000] - spent[0] <= 2048 + 32 * 10


def test_fewer_points_are_screened_where_a_gradient_is_costly():
    truth = isotropic_mixture(np.zeros((1, 2)), np.ones(1))
    for batch_size, count in ((MIN_BATCH_ROWS, 512), (2 * MIN_BATCH_ROWS, 2048)):
        located = locate(truth.target(batch_size), np.random.default_rng(0))
        assert located.num_screened == count


def test_a_limit_ends_the_search():
    means = np.array([[-5.0, 0.0], [5.0, 0.0]])
    target = isotropic_mixture(means, np.ones(2)).target()
    for options, end in (
        (Locate(max_evaluations=0), SearchEnd.MAX_EVALUATIONS),
        (Locate(max_starts=1), SearchEnd.MAX_STARTS),
    ):
        assert locate(target, np.random.default_rng(0), options).end is end


@pytest.mark.parametrize("is_small", [True, pytest.param(False, marks=pytest.mark.long)])
def test_very_many_modes_end_the_search(is_small, monkeypatch):
    """A product of cosines: a new mode at every multiple of 2 π in each of eight coordinates."""
    if is_small:  # the whole rounds take half a minute
        monkeypatch.setattr(mode_search, "MAX_CENTERS", 8)
        monkeypatch.setattr(mode_search, "NUM_POINTS_SEVERAL", 3200)
        monkeypatch.setattr(mode_search, "NUM_PATHS_SEVERAL", 20)
        monkeypatch.setattr(mode_search, "NUM_MODEL_PATHS", 5)

    def evaluate(x):
        values = (8.0 * np.cos(x)).sum(axis=-1) - 0.5e-3 * (x**2).sum(axis=-1)
        return values, -8.0 * np.sin(x) - 1e-3 * x

    located = locate(make_target(evaluate, 8), np.random.default_rng(0))
    assert located.end is SearchEnd.TOO_MANY_MODES
    assert 1 < len(located.means) <= 9
    assert located.unseen_bound > 0.01


def test_paths_that_end_in_no_known_maximum_make_a_limited_search_uncertain():
    """Nine of ten paths are too short to end in a maximum."""
    target = FitTarget.of(isotropic_mixture(np.zeros((1, 2)), np.ones(1)).target())
    maxima = [LocalMaximum(np.array([6.0 * i, 0.0]), np.eye(2), 0.0, 0.0, 5) for i in (0, 1)]
    best = Gaussians.start(np.zeros((1, 2)), np.eye(2)[None])
    best.elbo[:] = 0.0
    options = Locate(max_evaluations=0)
    search = ModeSearch(target, np.random.default_rng(0), options, best, maxima, 100)
    found = search.run()
    assert found.end is SearchEnd.MAX_EVALUATIONS
    assert found.unseen == pytest.approx(0.9)


@pytest.mark.long  # fast: test_locate.py
def test_draws_of_the_prior_lead_to_a_distant_mode():
    """The paths of the model end in one mode; the other is 10,000 standard deviations away."""
    means = np.array([[0.0, 0.0], [10_000.0, 10_000.0]])
    truth = isotropic_mixture(means, np.ones(2))
    target = FitTarget.of(truth.target())
    target.prior_positions = lambda generator, n: generator.uniform(9_000, 11_000, (n, 2))
    lower = LocalMaximum(np.array([3.0, -3.0]), np.eye(2), -4.0, -4.0)
    maxima = [LocalMaximum(np.zeros(2), np.eye(2), -2.5, -0.7), lower]
    best = Gaussians.start(np.zeros((1, 2)), np.eye(2)[None])
    best.elbo[:] = -0.7
    search = ModeSearch(target, np.random.default_rng(0), Locate(), best, maxima, 16)
    found = search.run()
    assert any(np.allclose(m.position, means[1], atol=0.01) for m in found.maxima)
    assert found.num_starts["prior"] > 0


def test_two_gaussians_without_a_dip_between_them_are_both_kept():
    """A narrow mode 3 sds from a wide one in 20 dimensions: there is no dip on the line."""
    dim = 20
    means = np.zeros((2, dim))
    means[1, 0] = 3.0
    truth = isotropic_mixture(means, np.array([1.0, 0.3]), np.array([0.6, 0.4]))
    best = Gaussians.start(means[:1], np.eye(dim)[None])
    best.elbo[:] = np.log(0.6)
    maxima = [
        LocalMaximum(mean, scale * np.eye(dim), 0.0, 0.0)
        for mean, scale in zip(means, (1.0, np.sqrt(0.3)), strict=True)
    ]
    modes = fit_modes(truth.target(), np.random.default_rng(0), best, maxima)
    np.testing.assert_allclose(modes.elbo, np.log([0.6, 0.4]), atol=0.02)
    assert modes.counts.tolist() == [1, 1]


def test_the_only_maximum_replaces_a_best_gaussian_of_negligible_mass():
    means = np.array([[0.0, 0.0], [30.0, 0.0]])
    truth = isotropic_mixture(means, np.ones(2), np.array([1e-10, 1.0]))
    best = Gaussians.start(means[:1], np.eye(2)[None])
    best.elbo[:] = np.log(1e-10)
    maximum = LocalMaximum(means[1], np.eye(2), -1.84, 0.0)
    modes = fit_modes(truth.target(), np.random.default_rng(0), best, [maximum])
    np.testing.assert_allclose(modes.means, means[1:], atol=0.01)
    np.testing.assert_allclose(modes.elbo, 0.0, atol=0.01)


def beside_a_funnel(dim):
    """A Gaussian (mass 0.6) at 20 sds from a funnel (mass 0.4) whose mode lies in its neck.

    In the funnel the first coordinate v is N(0, 1), and the others are N(0, e^v).
    """
    center = np.zeros(dim)
    center[0] = 20.0

    def evaluate(x):
        x = np.asarray(x, float)
        shift = x - center
        gaussian = np.log(0.6) - 0.5 * (shift**2).sum(-1)
        first, square = x[..., 0], (x[..., 1:] ** 2).sum(-1)
        shrunk = square * np.exp(-first)
        funnel = np.log(0.4) - 0.5 * (first**2 + shrunk + (dim - 1) * first)
        joint = np.logaddexp(gaussian, funnel)
        slope = -x * np.exp(-first)[..., None]
        slope[..., 0] = -first + 0.5 * shrunk - 0.5 * (dim - 1)
        share = np.exp(funnel - joint)[..., None]
        return joint - 0.5 * dim * np.log(2 * np.pi), -(1 - share) * shift + share * slope

    return make_target(evaluate, dim)


def funnel_and_gaussian(dim):
    """The target, and the local maxima of the Gaussian and of the funnel."""
    target = beside_a_funnel(dim)
    center, neck = np.zeros((2, dim))
    center[0], neck[0] = 20.0, -0.5 * (dim - 1)
    factor = np.diag([1.0, *np.full(dim - 1, np.exp(0.5 * neck[0]))])
    log_density, gradients = target.evaluate(np.stack([center, neck]))
    np.testing.assert_allclose(gradients, 0.0, atol=1e-9)
    log_masses = log_density + 0.5 * dim * np.log(2 * np.pi)
    log_masses[1] += np.log(np.diag(factor)).sum()
    maxima = [
        LocalMaximum(center, np.eye(dim), float(log_density[0]), float(log_masses[0])),
        LocalMaximum(neck, factor, float(log_density[1]), float(log_masses[1])),
    ]
    assert log_masses[0] == pytest.approx(np.log(0.6))
    assert log_masses[1] < -25.0  # the Laplace estimate of log 0.4
    return target, maxima


def test_a_funnel_in_many_dimensions_is_kept_beside_a_gaussian():
    target, maxima = funnel_and_gaussian(24)
    best = Gaussians.start(maxima[0].position[None], maxima[0].factor[None])
    best.elbo[:] = np.log(0.6)
    modes = fit_modes(target, np.random.default_rng(0), best, maxima)
    assert len(modes.means) == 2
    assert modes.elbo[0] == pytest.approx(np.log(0.6), abs=1e-6)
    # The best Gaussian in a funnel is a few nats below its log mass, and not above it.
    assert np.log(0.4) - 6.0 < modes.elbo[1] < np.log(0.4)


def test_chains_lead_to_a_funnel_whose_laplace_estimate_is_far_too_low():
    target, maxima = funnel_and_gaussian(16)
    ends = np.random.default_rng(0).standard_normal((4, 16))
    new = new_maxima(FitTarget.of(target), ends, maxima[:1], map_of(np.zeros(16), np.eye(16)))
    assert len(new) == 1
    assert new[0].position[0] < -5.0


@pytest.mark.parametrize(
    ("dim", "counts", "expected"),
    [
        (3, (9, 9), 2),
        (5, (9, 9), 4),
        (3, (9, 2), 6),
        (4, (9, 3), 2),
    ],
)
def test_the_rounds_that_end_the_search(dim, counts, expected):
    target = FitTarget.of(isotropic_mixture(np.zeros((1, dim)), np.ones(1)).target())
    maxima = [
        LocalMaximum(np.full(dim, 9.0 * i), np.eye(dim), 0.0, 0.0, count + 50, num_from_own=50)
        for i, count in enumerate(counts)
    ]
    assert num_quiet_rounds(target, maxima) == expected


def test_paths_from_around_a_mode_do_not_count_as_independent():
    """Two distant modes: nearly all paths end in the mode around which they start."""
    means = np.array([[0.0, 0.0], [60.0, 0.0]])
    target = FitTarget.of(isotropic_mixture(means, np.ones(2)).target())
    maxima = [LocalMaximum(mean, np.eye(2), -2.5, -0.7) for mean in means]
    best = Gaussians.start(means[:1], np.eye(2)[None])
    best.elbo[:] = -0.7
    found = ModeSearch(target, np.random.default_rng(0), Locate(), best, maxima, 2).run()
    for maximum in found.maxima:
        # Of 64 paths a round from each of three Gaussians, two around the first mode.
        assert maximum.num_from_own > 0
        assert 0 < maximum.independent_count < maximum.count


def test_the_overlap_is_that_of_the_integral():
    """∫ √(p q) of two Gaussians in one dimension, by a sum over a grid; dense and diagonal."""
    grid = np.linspace(-30.0, 30.0, 60_001)

    def density(mean, sd):
        return np.exp(-0.5 * ((grid - mean) / sd) ** 2) / (sd * np.sqrt(2 * np.pi))

    for first, second in (((0.0, 1.0), (3.0, 0.5)), ((1.0, 2.0), (1.0, 2.0))):
        truth = np.sqrt(density(*first) * density(*second)).sum() * (grid[1] - grid[0])
        for shape in ((1,), (1, 1)):
            pair = [(np.array([mean]), np.full(shape, sd)) for mean, sd in (first, second)]
            assert overlap(*pair) == pytest.approx(truth, rel=1e-6)


def test_a_laplace_estimate_that_is_far_too_high_does_not_make_the_true_mode_negligible():
    """A maximum in a nearly flat region: the inverse of its Hessian has a huge determinant."""
    target = FitTarget.of(isotropic_mixture(np.zeros((1, 2)), np.ones(1)).target())
    flat = LocalMaximum(np.array([30.0, 0.0]), 1e30 * np.eye(2), -452.0, 80.0)
    true = LocalMaximum(np.zeros(2), np.eye(2), -1.84, 0.0)
    best = Gaussians.start(np.zeros((1, 2)), np.eye(2)[None])
    best.elbo[:] = 0.0
    check_estimates(target, np.random.default_rng(0), [flat, true], 0.0)
    search = ModeSearch(target, np.random.default_rng(0), Locate(), best, [flat, true], 2)
    assert search.relevant() == [true]
    # A narrow mode with a larger mass keeps its estimate: its ELBO confirms it.
    means = np.array([[0.0, 0.0], [30.0, 0.0]])
    narrow = isotropic_mixture(means, np.array([1.0, 1e-4]), np.array([1e-6, 1.0 - 1e-6]))
    target = FitTarget.of(narrow.target())
    position = LocalMaximum(means[1], 1e-2 * np.eye(2), float(np.log(1e4 / (2 * np.pi))), 0.0)
    check_estimates(target, np.random.default_rng(0), [position], float(np.log(1e-6)))
    assert position.log_mass == pytest.approx(0.0, abs=0.01)

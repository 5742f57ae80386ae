"""The gradients and the optimization of factorized mixtures, against independent references."""

import math

import numpy as np
import pytest
from scipy import stats

from helpers.targets import gaussian, half_space, isotropic_mixture, make_target
from helpers.tolerances import assert_close, assert_within_error, standard_error
from isogmm.errors import OptionError
from isogmm.mixtures.factorized import FactorizedMixture
from isogmm.optimize.factorized import optimize_factorized
from isogmm.optimize.factorized.gradients import factorized_gradients, propose
from isogmm.optimize.schedules import Constant, ConstantThenLinearDecay
from isogmm.optimize.stopping import ElboPlateau, MaxIterations
from isogmm.optimize.updates import BuresWasserstein, EntropicMirror, RelativeStep, TrustRegion
from isogmm.results.stop_reason import StopReason

STEPS = {
    "ibw": (BuresWasserstein(0.1), lambda v, s: (1 - 0.1 * s) ** 2 * v),
    "md": (EntropicMirror(0.1), lambda v, s: v * math.exp(-0.1 * s)),
}


def some_mixture(generator, k, d, dtype=np.float64):
    means = generator.normal(size=(k, d)).astype(dtype)
    return FactorizedMixture(means, generator.uniform(0.3, 1.5, (k, d)).astype(dtype))


def coordinate_density(x, means, variances):
    """One coordinate of the family, written with SciPy."""
    return stats.norm.pdf(np.asarray(x)[..., None], means, np.sqrt(variances)).mean(-1)


def mean_gradients(target, mixture, generator, repeats, groups=1):
    """Mean and standard error of the gradients from independent draws."""
    found = []
    for _ in range(repeats):
        points = propose(generator, mixture.means, mixture.variances, groups)
        log_density, gradient = target.evaluate(points.positions)
        result = factorized_gradients(
            points, log_density, gradient, mixture.means, mixture.variances
        )
        found.append(np.stack([result.means, result.variances]))
    found = np.stack(found)
    return found.mean(0), standard_error(found)


# --- points and gradients ---------------------------------------------------------------------


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_every_component_has_one_point_of_a_group(groups):
    generator = np.random.default_rng(3)
    mixture = some_mixture(generator, 5, 40)
    points = propose(generator, mixture.means, mixture.variances, groups)
    assert points.positions.shape == (groups, 5, 40)
    np.testing.assert_array_equal(
        np.sort(points.components, axis=1), np.arange(5)[None, :, None] + np.zeros((groups, 1, 40))
    )
    centers = np.take_along_axis(mixture.means[None], points.components, axis=1)
    assert_close(points.positions, centers + points.offsets)
    if groups == 2:
        assert_close(points.offsets[0], -points.offsets[1])


def test_points_are_draws_of_the_mixture():
    generator = np.random.default_rng(4)
    mixture = some_mixture(generator, 3, 4)
    # With an odd number of groups there are no antithetic pairs.
    first = propose(generator, mixture.means, mixture.variances, 4_001).positions[:, 0]
    assert_within_error(first.mean(0), mixture.mean(), standard_error(first))
    # Coordinates of one point are independent.
    products = (first[:, 0] - mixture.mean()[0]) * (first[:, 1] - mixture.mean()[1])
    assert_within_error(products.mean(), 0.0, standard_error(products))


def test_gradients_are_those_of_a_quadrature_divergence(unchecked):
    truth = isotropic_mixture([[-1.0], [2.0]], [0.5, 1.5], [0.3, 0.7])
    means, variances = np.array([[-0.5], [0.4], [2.5]]), np.array([[0.6], [0.9], [0.4]])
    grid = np.linspace(-15, 15, 20_001)
    log_pi = truth.log_density_and_gradient(grid[:, None])[0]

    def divergence(means, variances):
        q = coordinate_density(grid, means[:, 0], variances[:, 0])
        return np.trapezoid(q * (np.log(np.maximum(q, 1e-300)) - log_pi), grid)

    step, expected = 1e-4, np.zeros((2, 3, 1))
    for k in range(3):
        shift = np.zeros((3, 1))
        shift[k] = step
        expected[0, k] = (
            divergence(means + shift, variances) - divergence(means - shift, variances)
        ) / (2 * step)
        expected[1, k] = (
            divergence(means, variances + shift) - divergence(means, variances - shift)
        ) / (2 * step)
    # g = K ∂KL/∂m and s = 2 K ∂KL/∂v.
    expected *= np.array([3.0, 6.0])[:, None, None]
    generator = np.random.default_rng(5)
    mixture = FactorizedMixture(means, variances)
    found, error = mean_gradients(truth.target(), mixture, generator, 40, groups=201)
    assert_within_error(found, expected, error, bias=1e-6)


@pytest.mark.parametrize("groups", [51, 50])
def test_the_other_coordinates_come_from_the_whole_mixture(groups, unchecked):
    precision = np.array([[2.0, 0.9, -0.4], [0.9, 1.5, 0.3], [-0.4, 0.3, 1.0]])
    center = np.array([0.5, -1.0, 0.2])
    target = gaussian(center, np.linalg.inv(precision)).target()
    generator = np.random.default_rng(6)
    mixture = some_mixture(generator, 2, 3)
    # E[-∂_j log π] = P_jj (m_kj - c_j) + Σ_{l≠j} P_jl (E x_l - c_l), and its product with x_j.
    grid = np.linspace(-12, 12, 8_001)
    expected = np.zeros((2, 2, 3))
    for j in range(3):
        density = coordinate_density(grid, mixture.means[:, j], mixture.variances[:, j])
        score = np.gradient(np.log(density), grid)
        for k in range(2):
            m, v = mixture.means[k, j], mixture.variances[k, j]
            weight = stats.norm.pdf(grid, m, math.sqrt(v))
            others = precision[j] @ (mixture.mean() - center)
            others += precision[j, j] * (m - mixture.mean()[j])
            expected[0, k, j] = np.trapezoid(weight * score, grid) + others
            expected[1, k, j] = np.trapezoid(weight * score * (grid - m), grid) / v
            expected[1, k, j] += precision[j, j]
    found, error = mean_gradients(target, mixture, generator, 100, groups)
    # With antithetic pairs g of a Gaussian target is nearly exact; the bias is that of the grid.
    assert_within_error(found, expected, error + 1e-12, bias=1e-5)


def test_points_outside_the_support_are_left_out():
    generator = np.random.default_rng(7)
    mixture = some_mixture(generator, 3, 4)
    points = propose(generator, mixture.means, mixture.variances, 2)
    log_density, gradient = half_space(4).evaluate(points.positions)
    assert not np.isfinite(log_density).all()
    found = factorized_gradients(points, log_density, gradient, mixture.means, mixture.variances)
    assert found.num_finite == np.isfinite(log_density).sum()
    assert np.isfinite(found.means).all()
    assert np.isfinite(found.elbo)


@pytest.mark.parametrize("name", STEPS)
def test_a_step_is_the_equation_coordinate_by_coordinate(name):
    rule, new_variance = STEPS[name]
    truth = gaussian(np.array([1.0, -0.5]), np.array([[1.0, 0.6], [0.6, 2.0]]))
    start = some_mixture(np.random.default_rng(8), 3, 2)
    result = optimize_factorized(
        truth.target(),
        start,
        rule=rule,
        schedule=Constant(0.1),
        stopping=MaxIterations(1),
        generator=np.random.default_rng(9),
        num_samples=3,
    )
    points = propose(np.random.default_rng(9), start.means, start.variances, 3)
    for j in range(2):
        for k in range(3):
            g = s = 0.0
            for group in range(3):
                (i,) = np.flatnonzero(points.components[group, :, j] == k)
                x = points.positions[group, i]
                parts = stats.norm.pdf(x[j], start.means[:, j], np.sqrt(start.variances[:, j]))
                score = -(parts * (x[j] - start.means[:, j]) / start.variances[:, j]).sum()
                delta = score / parts.sum() - truth.gradient(x)[j]
                g += delta / 3
                s += delta * points.offsets[group, i, j] / start.variances[k, j] / 3
            assert_close(result.mixture.means[k, j], start.means[k, j] - 0.1 * g)
            assert_close(result.mixture.variances[k, j], new_variance(start.variances[k, j], s))


# --- whole fits -------------------------------------------------------------------------------

RECIPE = {
    "schedule": ConstantThenLinearDecay(0.25),
    "stopping": ElboPlateau(max_iterations=3_000),
    "num_samples": 2,
}


@pytest.mark.parametrize("rule", [BuresWasserstein(), EntropicMirror()], ids=["ibw", "md"])
def test_one_component_finds_the_mean_field_gaussian(rule, unchecked):
    precision = np.array([[2.0, 0.9, -0.4], [0.9, 1.5, 0.3], [-0.4, 0.3, 1.0]])
    center = np.array([0.5, -1.0, 0.2])
    target = gaussian(center, np.linalg.inv(precision)).target()
    fits = []
    for seed in range(8):
        generator = np.random.default_rng([10, seed])
        start = FactorizedMixture.start(generator, 1, np.zeros(3), dtype=np.float64)
        result = optimize_factorized(
            target, start, rule=RelativeStep(TrustRegion(rule)), generator=generator, **RECIPE
        )
        assert result.stop_reason is StopReason.CONVERGED
        fits.append(np.stack([result.mixture.means[0], np.log(result.mixture.variances[0])]))
    fits = np.stack(fits)
    # The variance of the best product is one over the diagonal of the precision.
    expected = np.stack([center, -np.log(np.diag(precision))])
    # The bias of a finite step size is of second order in the Monte Carlo error of the variances.
    assert_within_error(fits.mean(0), expected, standard_error(fits), bias=0.02)


@pytest.mark.long
def test_a_product_of_mixtures_is_inside_the_family(unchecked):
    places = np.array([-2.0, 2.0])

    def evaluate(points):
        joint = -0.5 * (points[..., None] - places) ** 2 / 0.25
        top = joint.max(-1)
        shares = np.exp(joint - top[..., None])
        values = top + np.log(shares.mean(-1)) - 0.5 * np.log(2 * np.pi * 0.25)
        pull = (shares * (places - points[..., None])).sum(-1) / shares.sum(-1) / 0.25
        return values.sum(-1), pull

    target = make_target(evaluate, 50)
    generator = np.random.default_rng(11)
    # Four components a coordinate: at this seed every split between the modes occurs, 0:4 to 4:0.
    start = FactorizedMixture.start(generator, 4, np.zeros(50), spread=2.0, variance=1.0)
    assert set((start.means > 0).sum(axis=0)) == {0, 1, 2, 3, 4}
    result = optimize_factorized(
        target,
        start,
        rule=RelativeStep(TrustRegion(BuresWasserstein())),
        generator=generator,
        **RECIPE,
    )
    assert result.mixture.means.dtype == np.float32
    draws = result.mixture.sample(generator, 2_000).astype(np.float64)
    kl = result.mixture.log_prob(draws) - target.evaluate(draws)[0]
    shares = (result.mixture.means > 0).mean(axis=0)
    # Late components do not move between the modes, so the KL is that of their final split.
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = np.nansum([s * np.log(2 * s) for s in (shares, 1 - shares)])
    assert_within_error(kl.mean(), entropy, standard_error(kl), bias=0.02 * 50)


def test_numerical_errors_and_interrupts_keep_the_fit():
    start = FactorizedMixture.start(np.random.default_rng(0), 2, np.zeros(3))
    options = {
        "rule": BuresWasserstein(0.1),
        "schedule": Constant(0.1),
        "stopping": MaxIterations(50, window=10),
    }
    nowhere = make_target(lambda x: (np.full(len(x), np.nan), np.full(x.shape, np.nan)), 3)
    result = optimize_factorized(nowhere, start, generator=np.random.default_rng(0), **options)
    assert result.stop_reason is StopReason.NON_FINITE
    assert result.mixture is start
    target = gaussian(np.zeros(3), np.eye(3)).target()
    result = optimize_factorized(
        target,
        start,
        generator=np.random.default_rng(0),
        callback=lambda check: True,
        **options,
    )
    assert result.stop_reason is StopReason.CALLBACK
    assert result.iterations == 10
    with pytest.raises(OptionError, match="coordinates"):
        optimize_factorized(
            gaussian(np.zeros(2), np.eye(2)).target(),
            start,
            generator=np.random.default_rng(0),
            **options,
        )

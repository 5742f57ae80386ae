"""Ends of paths at kinks of the log density count as one mode."""

import jax.numpy as jnp
import numpy as np
import pytest

import isogmm
from helpers.targets import isotropic_mixture
from isogmm.arrays import LOG_2PI
from isogmm.locate.locate import locate
from isogmm.locate.located import SearchEnd
from isogmm.locate.modes.kinks import merge_kinks
from isogmm.locate.paths.lbfgs import follow_paths
from isogmm.locate.paths.maxima import LocalMaximum
from isogmm.model.fit_target import FitTarget

RNG = np.random.default_rng(0)
X = RNG.standard_normal(120)
Y = 1.0 + X + RNG.standard_t(3, size=120)


def laplace_regression(z):
    """A regression with Laplace errors: two coefficients and a log scale."""
    residuals = Y - z[0] - z[1] * X
    scale = jnp.exp(z[2])
    prior = -0.5 * (z[0] ** 2 + z[1] ** 2) / 25.0 - scale**2 / 8.0 + z[2]
    return prior - jnp.sum(jnp.abs(residuals)) / scale - len(X) * z[2]


def regression():
    model = isogmm.LogDensity(laplace_regression, np.zeros(3), names="z")
    return FitTarget.of(model.to_target())


@pytest.mark.long
def test_a_regression_with_laplace_errors_has_one_mode():
    target = regression()
    located = locate(target, np.random.default_rng(0))
    assert len(located.means) == len(located.maxima) == 1
    assert located.end is SearchEnd.ONE_MODE
    # Measured: 13,000 gradients; 670,000 if each kink counts as a mode.
    assert target.num_gradient_evaluations < 40_000


def at_kinks(target):
    """The maximum and two points near it, each with the curvature at a kink."""
    (path,) = follow_paths(target, np.array([[1.0, 1.0, 0.0]]))
    ends = path.end + np.array([[0.0, 0.0, 0.0], [0.05, 0.0, 0.0], [0.0, 0.05, 0.0]])
    factor, log_density = 0.005 * np.eye(3), target.values(ends)
    log_masses = log_density + 1.5 * LOG_2PI + 3.0 * np.log(0.005)
    return [
        LocalMaximum(end, factor, float(value), float(mass), count, num_from_own=1)
        for end, value, mass, count in zip(ends, log_density, log_masses, (3, 5, 7), strict=True)
    ]


def test_maxima_at_kinks_of_one_mode_become_one_maximum_with_its_width():
    target = regression()
    maxima = at_kinks(target)
    merge_kinks(target, np.random.default_rng(0), maxima, maxima[0].laplace + 4.0)
    (mode,) = maxima
    assert (mode.count, mode.num_from_own) == (15, 3)
    assert mode.is_widened
    assert mode.log_mass == mode.elbo
    # The standard error of a coefficient of 120 observations is about 0.1.
    assert 0.05 < np.linalg.norm(mode.factor[0]) < 0.2
    maxima += at_kinks(target)[1:]
    merge_kinks(target, np.random.default_rng(0), maxima, -1e3)
    assert len(maxima) == 1
    assert mode.count == 15 + 5 + 7


def test_laplace_estimates_near_the_elbo_are_not_examined():
    target = regression()
    maxima = at_kinks(target)
    merge_kinks(target, np.random.default_rng(0), maxima, maxima[0].laplace + 2.0)
    assert len(maxima) == 3
    assert target.num_gradient_evaluations < 200


@pytest.mark.parametrize("scale", [1.0, 0.01])
def test_a_narrow_mode_without_a_dip_towards_a_wide_one_is_kept(scale):
    """A mode at 3 sds of a wider one in 20 dimensions: there is no dip on the line."""
    dim = 20
    means = np.zeros((2, dim))
    means[1, 0] = 3.0 * scale
    variances = np.array([1.0, 0.3]) * scale**2
    target = isotropic_mixture(means, variances, np.array([0.6, 0.4])).target()
    log_density, _ = target.evaluate(means)
    maxima = [
        LocalMaximum(mean, np.sqrt(variance) * np.eye(dim), float(value), float(np.log(mass)))
        for mean, variance, value, mass in zip(
            means, variances, log_density, (0.6, 0.4), strict=True
        )
    ]
    before = list(maxima)
    # An ELBO this high states that both Laplace estimates are far too low.
    merge_kinks(target, np.random.default_rng(0), maxima, 10.0)
    assert all(one is other for one, other in zip(maxima, before, strict=True))

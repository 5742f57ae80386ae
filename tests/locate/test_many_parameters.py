"""The search in more dimensions than dense matrices allow."""

from types import SimpleNamespace

import numpy as np
import pytest

from isogmm.locate.gaussian.factors import inverse_hessian, inverse_hessian_scales
from isogmm.locate.locate import locate
from isogmm.locate.options import Locate
from isogmm.locate.paths.lbfgs import MAX_KEPT_LARGE, follow_paths
from isogmm.locate.search import LARGE_DIM_DIVISOR, Search
from isogmm.mixtures.affine_map import MAX_DENSE_DIM
from isogmm.model.fit_target import FitTarget
from isogmm.model.functions.log_density import LogDensity
from isogmm.model.target import Target

GROUPS, ERROR, TAU = 518, 0.5, 0.5


def hierarchy() -> Target:
    """mu, log tau and centered effects, with known variances of the observations.

    The density is unbounded at tau = 0, where all paths end.
    """
    import jax.numpy as jnp

    y = np.random.default_rng(1).normal(1.0, np.hypot(TAU, ERROR), GROUPS)

    def log_density(x):
        mu, log_tau, theta = x["mu"], x["log_tau"], x["theta"]
        prior = -0.5 * (mu / 2.0) ** 2 + log_tau - jnp.log1p(jnp.exp(2.0 * log_tau))
        effects = -0.5 * ((theta - mu) ** 2).sum() * jnp.exp(-2.0 * log_tau) - GROUPS * log_tau
        return prior + effects - 0.5 * (((y - theta) / ERROR) ** 2).sum()

    structure = {"mu": np.zeros(()), "log_tau": np.zeros(()), "theta": np.zeros(GROUPS)}
    return LogDensity(log_density, structure).to_target()


@pytest.fixture(scope="module")
def target() -> Target:
    return hierarchy()


def test_the_diagonal_of_the_estimate_is_that_of_the_matrix() -> None:
    generator = np.random.default_rng(0)
    root = generator.standard_normal((8, 8))
    hessian = root @ root.T + np.eye(8)
    positions = np.cumsum(generator.standard_normal((7, 8)), axis=0)
    gradients = -positions @ hessian
    scales = inverse_hessian_scales(positions, gradients)
    expected = np.sqrt(np.diag(inverse_hessian(positions, gradients)))
    np.testing.assert_allclose(scales, expected, rtol=1e-8)


def test_paths_keep_a_bounded_number_of_iterates(target: Target) -> None:
    assert target.dim > MAX_DENSE_DIM
    starts = target.initial_positions(np.random.default_rng(0), 1)
    (path,) = follow_paths(target, starts)
    assert path is not None
    assert MAX_KEPT_LARGE // 2 <= len(path.positions) <= MAX_KEPT_LARGE + 1
    np.testing.assert_array_equal(path.positions[0], starts[0])
    log_density, gradients = target.evaluate(path.positions)
    np.testing.assert_allclose(path.log_density, log_density, rtol=1e-10)
    np.testing.assert_allclose(path.gradients, gradients, rtol=1e-6, atol=1e-6)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.long)])
def test_a_centered_hierarchy_does_not_collapse_to_scale_zero(target: Target, seed: int) -> None:
    located = locate(FitTarget.of(target), np.random.default_rng(seed), Locate())
    log_tau = located.low_rank.center[0] if located.low_rank else located.means[0, 0]
    # Fisher information of log tau with equal errors: 2 G τ⁴ / (τ² + s²)² = G / 2.
    assert abs(log_tau - np.log(TAU)) < 5.0 / np.sqrt(GROUPS / 2.0)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("dim", "expected"), [(MAX_DENSE_DIM, 16), (MAX_DENSE_DIM + 1, 16 // LARGE_DIM_DIVISOR)]
)
def test_fewer_paths_are_followed_first_in_many_dimensions(dim, expected):
    asked = []
    search = SimpleNamespace(
        target=SimpleNamespace(dim=dim, num_gradient_evaluations=0),
        options=Locate(num_starts=16, num_evaluations=0),
        _paths=lambda count: asked.append(count) or [None],
    )
    Search._first_paths(search)
    assert asked == [expected]

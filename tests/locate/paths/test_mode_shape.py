"""Axes of funnels, bent and skewed modes, and the gradients that a mode explains."""

import jax.numpy as jnp
import numpy as np
import pytest

import isogmm
from isogmm.locate.gaussian.factors import map_of
from isogmm.locate.paths.mode_shape import MAX_DIM, MIN_DIM, ModeShape, explained, shape_of
from isogmm.model.fit_target import FitTarget

DIM = 10
MEAN = np.linspace(-3.0, 3.0, DIM)
ROOT = np.random.default_rng(0).standard_normal((DIM, DIM))
FACTOR = np.linalg.cholesky(ROOT @ ROOT.T)
OWN = map_of(MEAN, FACTOR)


def log_density(kind, z):
    """A mode in coordinates in which its axes are the first two; its Gaussian is standard."""
    first, rest = z[0], z[1:]
    if kind == "funnel":
        return -0.5 * first**2 - 0.5 * jnp.sum(rest**2 * jnp.exp(-first)) - 0.5 * (DIM - 1) * first
    if kind == "banana":
        rest = rest.at[0].add(-0.5 * (first**2 - 1.0))
    if kind == "skewed":
        first = jnp.sinh(jnp.arcsinh(first) + 0.5)
    return -0.5 * first**2 - 0.5 * jnp.sum(rest**2)


def target_of(kind):
    """The mode in the coordinates of the factor."""
    inverse = np.linalg.inv(FACTOR)
    function = lambda x: log_density(kind, inverse @ (x - MEAN))  # noqa: E731
    return FitTarget.of(isogmm.LogDensity(function, np.zeros(DIM)).to_target())


def plain(own):
    return ModeShape(own, 0.0, np.zeros((0, len(own.center))))


@pytest.mark.parametrize("kind", ["funnel", "banana", "skewed"])
def test_a_mode_explains_its_own_gradients_by_its_axes(kind):
    target = target_of(kind)
    shape = shape_of(target, np.random.default_rng(1), OWN, -1.0)
    assert shape.log_mass == -1.0
    np.testing.assert_allclose(shape.axes @ shape.axes.T, np.eye(2), atol=1e-6)
    units = np.random.default_rng(2).standard_normal((200, DIM))
    points = OWN.forward(3.0 * units)
    _, gradients = target.evaluate(points)
    # The gradient is exactly along -z and the axes, which 64 gradients determine.
    by_axes, by_center = (1.0 - explained([one], points, gradients) for one in (shape, plain(OWN)))
    assert np.quantile(by_axes, 0.9) < 0.03 * np.quantile(by_center, 0.9)


def test_gaussians_explain_their_own_scores_and_no_others():
    points = OWN.forward(4.0 * np.random.default_rng(3).standard_normal((300, DIM)))
    scores = OWN.pull_back_inverse(-OWN.inverse(points) / 3.0)
    np.testing.assert_allclose(explained([plain(OWN)], points, scores), 1.0)
    np.testing.assert_allclose(explained([plain(OWN)], points, -scores), -1.0)
    # The squares of these scores are not finite.
    np.testing.assert_allclose(explained([plain(OWN)], points, 1e200 * scores), 1.0)
    other = map_of(MEAN + 10 * FACTOR[:, 0], 0.3 * FACTOR)
    near = other.forward(np.random.default_rng(4).standard_normal((300, DIM)))
    scores = other.pull_back_inverse(-other.inverse(near))
    # The angle to the center of the first mode is uniform: the mean squared cosine is 1 / d.
    axes = np.eye(DIM)[3:5]
    for own, mean in ((plain(OWN), 1 / DIM), (ModeShape(OWN, 0.0, axes), 3 / DIM)):
        assert np.median(explained([own], near, scores)) < 2.0 * mean
    np.testing.assert_allclose(explained([plain(OWN), plain(other)], near, scores), 1.0)


@pytest.mark.parametrize("dim", [MIN_DIM - 1, MAX_DIM + 1])
def test_modes_of_other_dimensions_have_no_axes_and_cost_nothing(dim):
    target = FitTarget.of(
        isogmm.LogDensity(lambda x: -0.5 * jnp.sum(x**2), np.zeros(dim)).to_target()
    )
    shape = shape_of(target, np.random.default_rng(0), map_of(np.zeros(dim), np.eye(dim)), 0.0)
    assert shape.axes.shape == (0, dim)
    assert target.num_gradient_evaluations == 0


def test_the_generator_stays_as_it_is():
    generator = np.random.default_rng(5)
    shape_of(target_of("skewed"), generator, OWN, 0.0)
    assert generator.random() == np.random.default_rng(5).random()

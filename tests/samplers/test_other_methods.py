"""Parts of the other methods: starting points, resampling, the best optimum, divergence."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest

from helpers.targets import make_target
from isogmm import OptionError
from isogmm.results.groups import get_group
from isogmm.samplers import pathfinder as module
from isogmm.samplers.finite_result import finite_result
from isogmm.samplers.jax_density import starting_points
from isogmm.samplers.laplace import laplace

pytestmark = [pytest.mark.weak_dtypes, pytest.mark.usefixtures("unchecked")]


def normal(points, mean=0.0):
    return -0.5 * ((points - mean) ** 2).sum(axis=1), mean - points


def test_starting_points_have_a_density_and_are_repeated():
    def half_line(points):
        values, gradients = normal(points)
        return np.where(points[:, 0] > 0, values, np.nan), gradients

    rounds = []

    def initial(generator, n):
        rounds.append(n)
        points = np.full((n, 1), -1.0)
        points[n // 2] = len(rounds)
        return points

    target = make_target(half_line, 1)
    target.initial_positions = initial
    assert starting_points(target, 0, 3).ravel().tolist() == [1, 2, 3]
    rounds.clear()
    # One point in each of ten rounds.
    assert starting_points(target, 0, 12).ravel().tolist() == [*range(1, 11), 1, 2]


def test_draws_of_pathfinder_are_weighted_by_the_target(monkeypatch):
    """Paths that end in N(0, 1), and a target N(1, 1)."""

    def sample(key, state, count):
        draws = jax.random.normal(key, (count, 1))
        return draws, -0.5 * draws[:, 0] ** 2

    fake = SimpleNamespace(approximate=lambda *args, **kwargs: (None, None), sample=sample)
    monkeypatch.setattr(module, "require", lambda name, extra: fake)
    target = make_target(lambda points: normal(points, 1.0), 1)
    idata = module.pathfinder(target, 0, 500, 2)
    draws = get_group(idata, "posterior")["x"].values[..., 0]
    # The relative ESS of the 8,000 draws is exp(-1), so that 1,000 draws have the larger error.
    assert abs(draws.mean() - 1.0) < 5 / np.sqrt(1_000) + 5 / np.sqrt(8_000 * np.exp(-1))
    log_q = get_group(idata, "sample_stats")["log_q"].values
    np.testing.assert_allclose(log_q, -0.5 * draws**2, rtol=1e-6)


def test_laplace_describes_the_highest_optimum():
    """Modes at -2 and 2, of which the second is higher by four nats."""

    def two_modes(points):
        x = points[:, 0]
        logs = np.stack([-0.5 * ((x + 2) / 0.3) ** 2, 4.0 - 0.5 * ((x - 2) / 0.3) ** 2])
        shares = np.exp(logs - np.logaddexp(*logs))
        pulls = np.stack([-(x + 2), -(x - 2)]) / 0.3**2
        return np.logaddexp(*logs), (shares * pulls).sum(axis=0)[:, None]

    draws = get_group(laplace(make_target(two_modes, 1), 0, 50, 2), "posterior")["x"].values
    assert abs(draws.mean() - 2.0) < 5 * 0.3 / np.sqrt(100)


def test_one_draw_that_is_not_finite_is_an_error():
    positions = np.zeros((1, 3, 1))
    positions[0, 1] = np.nan
    with pytest.raises(OptionError, match="svgd diverged"):
        finite_result(make_target(normal, 1), positions, 0, {"algorithm": "svgd"})

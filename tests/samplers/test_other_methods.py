"""Parts of the other methods: starting points, resampling, the best optimum, divergence."""

from types import SimpleNamespace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers.targets import make_target
from isogmm import LogDensity, OptionError
from isogmm.results.groups import get_group
from isogmm.samplers import density_methods, gaussian_vi, numpyro_guides
from isogmm.samplers import pathfinder as module
from isogmm.samplers.finite_result import finite_result
from isogmm.samplers.jax_density import starting_points
from isogmm.samplers.laplace import laplace
from isogmm.samplers.svgd import svgd

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


def quadratic(dim=1):
    """A normal density with mean 1 and variance 1/4, as a JAX function."""
    return LogDensity(lambda x: -2.0 * jnp.sum((x - 1.0) ** 2), np.zeros(dim), x64=True).to_target()


def test_two_particles_of_svgd_make_the_steps_of_adagrad():
    """Liu and Wang (2016), eq. 8; the width of the kernel follows from the distance."""
    target, seed, steps, size = quadratic(), 3, 4, 0.2
    x = starting_points(target, seed, 2).ravel()
    squares, width = np.full(2, 0.1), 1.0  # the first values of optax and BlackJAX
    for _ in range(steps):
        differences = x[:, None] - x  # from the particle j in the column to i in the row
        kernel = np.exp(-(differences**2) / width)
        attraction, repulsion = kernel * 4.0 * (1.0 - x), 2.0 * differences / width * kernel
        direction = (attraction + repulsion).mean(axis=1)
        squares += direction**2
        x = x + size * direction / np.sqrt(squares)
        width = (x[0] - x[1]) ** 2 / np.log(2.0)
    options = {"num_steps": steps, "step_size": size, "num_particles": 2}
    result = svgd(target, seed, 50, 2, **options)
    draws = get_group(result, "posterior")["x"].values
    np.testing.assert_allclose(np.unique(draws), np.sort(x), rtol=1e-6)
    assert result.attrs["num_gradient_evaluations"] == 2 * steps


def test_svgd_needs_two_particles():
    with pytest.raises(OptionError, match="num_particles must be at least 2, not 1"):
        svgd(quadratic(), 0, 3, 2, num_particles=1)


class FamilyState(NamedTuple):
    """The state of a fake family."""

    mu: jax.Array


def test_a_gaussian_of_blackjax_takes_every_option(monkeypatch):
    """A family whose mean rises by the step size times the draws of each gradient."""

    def step(key, state, density, optimizer, num_samples):
        return FamilyState(state.mu + optimizer * num_samples), None

    family = SimpleNamespace(
        init=lambda start, optimizer: FamilyState(0.0 * start),
        step=step,
        sample=lambda key, state, count: jnp.broadcast_to(state.mu, (count, 1)),
    )
    optimizers = SimpleNamespace(adam=lambda size: size)
    modules = {"blackjax.vi.meanfield_vi": family, "optax": optimizers}
    monkeypatch.setattr(gaussian_vi, "require", lambda name, extra: modules[name])
    target, options = quadratic(), {"num_steps": 5, "step_size": 0.25, "num_samples": 3}
    result = gaussian_vi.GaussianVI("advi", "meanfield_vi")(target, 2, 4, 2, **options)
    expected = starting_points(target, 2, 1)[0] + 5 * 0.25 * 3
    draws = get_group(result, "posterior")["x"].values
    np.testing.assert_allclose(draws, np.broadcast_to(expected, (2, 4, 1)), rtol=1e-6)
    assert result.attrs["num_gradient_evaluations"] == 15


def test_a_guide_of_numpyro_takes_every_option(monkeypatch):
    given = {}

    def fit(model, **options):
        given.update(options)
        draws = np.ones((options["chains"], options["draws"], 1))
        posterior = {"position": SimpleNamespace(values=draws)}
        attributes = {"num_gradient_evaluations": 35, "algorithm": "not this one"}
        return SimpleNamespace(posterior=posterior, attrs=attributes)

    adapter = SimpleNamespace(baselines=lambda: {"flow": fit})
    monkeypatch.setattr(numpyro_guides, "installed_adapters", lambda: {"numpyro": adapter})
    monkeypatch.setattr(numpyro_guides, "get_group", lambda found, name: getattr(found, name))
    options = {"num_steps": 7, "step_size": 0.3, "num_particles": 5}
    result = numpyro_guides.NumPyroGuide("flow")(quadratic(), 2, 4, 3, **options)
    assert given == {**options, "random_seed": 2, "draws": 4, "chains": 3}
    assert result.attrs["num_gradient_evaluations"] == 35
    assert result.attrs["algorithm"] == "flow"
    assert get_group(result, "posterior")["x"].shape == (3, 4, 1)


def test_nuts_reports_the_cost_of_both_phases(monkeypatch):
    run = SimpleNamespace(
        positions=np.ones((2, 3, 1)), num_gradients=50, warmup_gradients=20, statistics={}
    )
    given = {}
    monkeypatch.setattr(
        density_methods, "run_nuts", lambda *args, **options: given.update(options) or run
    )
    options = {"tune": 11, "covariance": np.eye(1), "target_accept": 0.7}
    result = density_methods.nuts(quadratic(), 4, 3, 2, **options)
    assert given == {**options, "draws": 3, "seed": 4}
    kept = ("num_gradient_evaluations", "num_warmup_gradient_evaluations", "tuning_steps")
    assert [result.attrs[name] for name in kept] == [50, 20, 11]


def test_one_draw_that_is_not_finite_is_an_error():
    positions = np.zeros((1, 3, 1))
    positions[0, 1] = np.nan
    with pytest.raises(OptionError, match="svgd diverged"):
        finite_result(make_target(normal, 1), positions, 0, {"algorithm": "svgd"})

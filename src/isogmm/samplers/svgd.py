"""Stein variational gradient descent."""

import time

import jax
import numpy as np

from isogmm.errors import OptionError, require
from isogmm.model.target import Target
from isogmm.results.groups import Result
from isogmm.samplers.finite_result import finite_result
from isogmm.samplers.jax_density import jax_density, starting_points


def svgd(
    target: Target,
    seed: int,
    draws: int,
    chains: int,
    *,
    num_steps: int = 2000,
    step_size: float = 0.5,
    num_particles: int = 100,
) -> Result:
    """Stein variational gradient descent (Liu and Wang 2016) with BlackJAX.

    Draws are particles, chosen at random with replacement.

    Parameters
    ----------
    target, seed, draws, chains
        The target, the seed, and the shape of the result.
    num_steps
        Steps of AdaGrad.
    step_size
        Step size of AdaGrad.
    num_particles
        Number of particles.

    Raises
    ------
    OptionError
        If there is only one particle: the width of the kernel is a distance between particles.
    """
    if num_particles < 2:
        raise OptionError(f"num_particles must be at least 2, not {num_particles}")
    blackjax = require("blackjax", extra="blackjax")
    optimizer = require("optax", extra="blackjax").adagrad(step_size)
    algorithm = blackjax.svgd(jax.grad(jax_density(target)), optimizer)
    starts = starting_points(target, seed, num_particles)
    begin = time.perf_counter()
    with target.precision():
        first = algorithm.init(jax.numpy.asarray(starts, dtype=float))
        run = jax.jit(
            lambda state: jax.lax.fori_loop(0, num_steps, lambda _, s: algorithm.step(s), state)
        )
        particles = np.asarray(run(first).particles)
    choice = np.random.default_rng(seed).integers(num_particles, size=(chains, draws))
    attributes = {
        "algorithm": "svgd",
        "sampling_time": time.perf_counter() - begin,
        # One gradient per particle and step is needed; BlackJAX computes one per pair.
        "num_gradient_evaluations": num_steps * num_particles,
    }
    return finite_result(target, particles[choice], seed, attributes)

"""Adaptive tempering of particles from a mixture to a target, with BlackJAX."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from isogmm.errors import OptionError, require
from isogmm.mixtures.abstract import AbstractMixture
from isogmm.model.target import Target
from isogmm.progress.progress import Progress, percent
from isogmm.samplers.jax_density import jax_density

#: Temperatures after which a run is stopped with an error.
MAX_TEMPERATURES = 200
#: Leapfrog steps of each transition.
NUM_LEAPFROG_STEPS = 8
#: Acceptance rates below and above which the step size changes, and the factors by which it does.
MIN_ACCEPTANCE, MAX_ACCEPTANCE = 0.6, 0.9
DECREASE, INCREASE = 0.6, 1.3
#: A run ends at inverse temperatures above one minus this tolerance.
TOLERANCE = 1e-9
#: Finite log density in place of minus infinity.  Such a particle never survives resampling.
LOG_ZERO = -1e30


@runtime_checkable
class State(Protocol):
    """The particles and the inverse temperature in BlackJAX."""

    particles: jax.Array
    tempering_param: jax.Array


#: ``(key, state, step_size) -> (state, log mean weight, acceptance)``.
Step: TypeAlias = Callable[[jax.Array, State, jax.Array], tuple[State, jax.Array, jax.Array]]


@dataclass(frozen=True)
class TemperedRun:
    """The particles of one run at the posterior.

    Parameters
    ----------
    positions
        (n, d), equally weighted.
    log_evidence
        Log of the product of the mean weights.
    num_temperatures
        Number of temperatures.
    acceptance
        Mean acceptance rate.
    num_gradients
        Number of gradient evaluations.
    """

    positions: Float[np.ndarray, "n d"]
    log_evidence: float
    num_temperatures: int
    acceptance: float
    num_gradients: int


def tempered(
    target: Target,
    mixture: AbstractMixture,
    covariance: Float[np.ndarray, "d d"],
    *,
    target_ess: float,
    num_moves: int,
    shape: tuple[int, int],
    generator: np.random.Generator,
    progress: Progress,
) -> list[TemperedRun]:
    """Independent runs from draws of a mixture to a target.

    Parameters
    ----------
    target, mixture
        The target, and a single normalized mixture.
    covariance
        Inverse mass matrix.
    target_ess
        Relative effective sample size that determines the next temperature.
    num_moves
        Transitions of each particle at each temperature.
    shape
        Number of runs and of particles.
    generator
        Random numbers.
    progress
        Shows the run and its temperature.

    Raises
    ------
    OptionError
        If a run does not reach the target.
    """
    step = _step(target, mixture, covariance, target_ess, num_moves)
    num_runs, num_particles = shape
    runs = []
    for number in range(1, num_runs + 1):

        def show(temperature: float, number: int = number) -> None:
            share = percent((number - 1 + temperature) / num_runs)
            progress.show(
                f"running SMC from the fit, run {number} of {num_runs}, inverse temperature "
                f"{temperature:.3g}, {share} done"
            )

        runs.append(_run(step, mixture, num_particles, num_moves, generator, show))
    return runs


def _step(
    target: Target,
    mixture: AbstractMixture,
    covariance: Float[np.ndarray, "d d"],
    target_ess: float,
    num_moves: int,
) -> Step:
    """The compiled change of the temperature, followed by resampling and moves."""
    blackjax = require("blackjax", extra="blackjax")
    adaptive = require("blackjax.smc.adaptive_tempered", extra="blackjax")
    resampling = require("blackjax.smc.resampling", extra="blackjax")
    density = jax_density(target)
    on_device = mixture.mapped(jnp.asarray)

    def log_ratio(position: jax.Array) -> jax.Array:
        value = density(position)
        value = jnp.where(jnp.isfinite(value), value, LOG_ZERO)
        return value - on_device.log_prob(position)

    kernel = adaptive.build_kernel(
        on_device.log_prob,
        log_ratio,
        functools.partial(blackjax.hmc.build_kernel(), num_integration_steps=NUM_LEAPFROG_STEPS),
        blackjax.hmc.init,
        resampling.systematic,
        target_ess,
    )
    inverse_mass = jnp.asarray(covariance)[None]

    def step(
        key: jax.Array, state: State, step_size: jax.Array
    ) -> tuple[State, jax.Array, jax.Array]:
        parameters = {"step_size": step_size[None], "inverse_mass_matrix": inverse_mass}
        state, info = kernel(key, state, num_moves, parameters)
        return state, info.log_likelihood_increment, jnp.mean(info.update_info.acceptance_rate)

    return jax.jit(step)


def _run(
    step: Step,
    mixture: AbstractMixture,
    num_particles: int,
    num_moves: int,
    generator: np.random.Generator,
    show: Callable[[float], None],
) -> TemperedRun:
    """One run; ``show`` is called with every inverse temperature.

    Raises
    ------
    OptionError
        If it does not reach the target.
    """
    particles, _ = mixture.sample(generator, num_particles)
    state = require("blackjax.smc.tempered", extra="blackjax").init(jnp.asarray(particles))
    state = state._replace(tempering_param=jnp.zeros_like(state.particles[0, 0]))
    key = jax.random.key(int(generator.integers(2**31)))
    # The stability limit of the leapfrog steps is proportional to d^(-1/4).
    step_size = 1.0 / particles.shape[-1] ** 0.25
    log_evidence, num_temperatures, acceptances = 0.0, 0, []
    is_last = False
    while True:
        key, step_key = jax.random.split(key)
        state, increment, acceptance = step(step_key, state, jnp.asarray(step_size))
        acceptances.append(float(acceptance))
        step_size *= _step_size_factor(acceptances[-1])
        num_temperatures += 1
        if is_last:  # resampled and moved at the posterior itself
            break
        log_evidence += float(increment)
        temperature = float(state.tempering_param)
        show(temperature)
        is_last = temperature >= 1.0 - TOLERANCE
        if num_temperatures > MAX_TEMPERATURES or not np.isfinite(log_evidence):
            raise OptionError(
                f"smc_from stopped at inverse temperature {temperature:.3g} (1 is the posterior) "
                f"after {num_temperatures} steps: the mixture is too far from the posterior. "
                "Use isogmm.nuts_from(idata, model)."
            )
    return TemperedRun(
        positions=np.asarray(state.particles, np.float64),
        log_evidence=log_evidence,
        num_temperatures=num_temperatures,
        acceptance=float(np.mean(acceptances)),
        num_gradients=num_temperatures * num_particles * num_moves * (NUM_LEAPFROG_STEPS + 1),
    )


def _step_size_factor(acceptance: float) -> float:
    """The factor by which the step size changes after moves with this acceptance rate."""
    if acceptance < MIN_ACCEPTANCE:
        return DECREASE
    return INCREASE if acceptance > MAX_ACCEPTANCE else 1.0

"""BlackJAX's No-U-Turn sampler on the log density of a target, vectorized over chains."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Protocol, TypeAlias, runtime_checkable

import jax
import numpy as np
from jaxtyping import Float

from isogmm.errors import require
from isogmm.model.target import Target
from isogmm.samplers.jax_density import JaxDensity, jax_density

#: Step size with which the adaptation of the step size alone begins.
INITIAL_STEP_SIZE = 0.5
#: Acceptance rate that the step size is adapted to: the default of Stan.
TARGET_ACCEPTANCE = 0.8


@runtime_checkable
class State(Protocol):
    """The state of one chain in BlackJAX."""

    position: jax.Array


@runtime_checkable
class Averaging(Protocol):
    """The state of BlackJAX's dual averaging."""

    log_step_size: jax.Array


#: After the warm-up: state, step size, inverse mass matrix and number of leapfrog steps.
Adapted: TypeAlias = tuple[State, jax.Array, jax.Array, jax.Array]
#: Positions, statistics of each draw, and number of leapfrog steps of the warm-up.
Chain: TypeAlias = tuple[jax.Array, dict[str, jax.Array], jax.Array]


@dataclass(frozen=True)
class NutsRun:
    """Draws of all chains.

    Parameters
    ----------
    positions
        (c, n, d), unconstrained.
    statistics
        ``diverging``, ``n_steps``, ``acceptance_rate``, ``energy``, ``step_size``: each (c, n).
    warmup_gradients
        Leapfrog steps of the warm-up of all chains.
    """

    positions: Float[np.ndarray, "c n d"]
    statistics: dict[str, np.ndarray]
    warmup_gradients: int

    @property
    def num_gradients(self) -> int:
        """Leapfrog steps of all chains, warm-up included."""
        return self.warmup_gradients + int(self.statistics["n_steps"].sum())


def run_nuts(
    target: Target,
    starts: Float[np.ndarray, "c d"],
    *,
    draws: int,
    tune: int,
    seed: int,
    covariance: Float[np.ndarray, "..."] | None = None,
    target_accept: float = TARGET_ACCEPTANCE,
) -> NutsRun:
    """One chain from each starting point.

    Parameters
    ----------
    target
        The target.
    starts
        Starting points.
    draws, tune
        Recorded transitions and transitions of the warm-up, of each chain.
    seed
        Seed of the random numbers.
    covariance
        The inverse mass matrix ``(d, d)`` or its diagonal ``(d,)``; the warm-up then adapts only
        the step size, by dual averaging.  Without it, the warm-up is that of Stan, which adapts a
        diagonal mass matrix too.
    target_accept
        Acceptance rate that the step size is adapted to.

    Raises
    ------
    MissingPackageError
        If BlackJAX is not installed.
    """
    blackjax = require("blackjax", extra="blackjax")
    density = jax_density(target)
    if covariance is None:
        adapt = partial(_adapt_all, blackjax, density, tune=tune, target_accept=target_accept)
    else:
        adapt = partial(
            _adapt_step_size,
            blackjax,
            density,
            covariance,
            tune=tune,
            target_accept=target_accept,
        )
    chain = partial(_run_chain, blackjax, density, adapt, draws)
    with target.precision():
        keys = jax.random.split(jax.random.key(seed), len(starts))
        found = jax.jit(jax.vmap(chain))(keys, jax.numpy.asarray(starts, dtype=float))
        positions, statistics, warmup_steps = jax.tree.map(np.asarray, found)
    return NutsRun(positions, statistics, int(warmup_steps.sum()))


def _adapt_all(
    blackjax: ModuleType,
    density: JaxDensity,
    key: jax.Array,
    start: jax.Array,
    *,
    tune: int,
    target_accept: float,
) -> Adapted:
    """Stan's warm-up: step size and a diagonal mass matrix."""
    warmup = blackjax.window_adaptation(
        blackjax.nuts, density, target_acceptance_rate=target_accept
    )
    (state, found), info = warmup.run(key, start, num_steps=tune)
    steps = info.info.num_integration_steps.sum()
    return state, found["step_size"], found["inverse_mass_matrix"], steps


def _adapt_step_size(
    blackjax: ModuleType,
    density: JaxDensity,
    covariance: Float[np.ndarray, "..."],
    key: jax.Array,
    start: jax.Array,
    *,
    tune: int,
    target_accept: float,
) -> Adapted:
    """A warm-up that adapts only the step size, by dual averaging."""
    adaptation = require("blackjax.adaptation.step_size", extra="blackjax")
    kernel = blackjax.nuts.build_kernel()
    begin, update, finish = adaptation.dual_averaging_adaptation(target_accept)
    inverse_mass = jax.numpy.asarray(covariance, start.dtype)

    def step(
        carry: tuple[State, Averaging], key: jax.Array
    ) -> tuple[tuple[State, Averaging], jax.Array]:
        state, averaging = carry
        size = jax.numpy.exp(averaging.log_step_size)
        state, info = kernel(key, state, density, size, inverse_mass)
        return (state, update(averaging, info.acceptance_rate)), info.num_integration_steps

    averaging = begin(INITIAL_STEP_SIZE)
    # Updates change types of the averages, which must not change inside the loop.
    types = jax.eval_shape(update, averaging, jax.numpy.zeros((), start.dtype))
    averaging = jax.tree.map(
        lambda value, after: jax.numpy.asarray(value, after.dtype), averaging, types
    )
    first = blackjax.nuts.init(start, density), averaging
    (state, averaging), steps = jax.lax.scan(step, first, jax.random.split(key, tune))
    return state, finish(averaging), inverse_mass, steps.sum()


def _run_chain(
    blackjax: ModuleType,
    density: JaxDensity,
    adapt: Callable[[jax.Array, jax.Array], Adapted],
    draws: int,
    key: jax.Array,
    start: jax.Array,
) -> Chain:
    """Warm-up and recorded transitions of one chain."""
    kernel = blackjax.nuts.build_kernel()
    warmup_key, draw_key = jax.random.split(key)
    state, step_size, inverse_mass, warmup_steps = adapt(warmup_key, start)

    def step(state: State, key: jax.Array) -> tuple[State, tuple[jax.Array, dict[str, jax.Array]]]:
        state, info = kernel(key, state, density, step_size, inverse_mass)
        statistics = {
            "diverging": info.is_divergent,
            "n_steps": info.num_integration_steps,
            "acceptance_rate": info.acceptance_rate,
            "energy": info.energy,
        }
        return state, (state.position, statistics)

    _, (positions, statistics) = jax.lax.scan(step, state, jax.random.split(draw_key, draws))
    statistics["step_size"] = jax.numpy.full(draws, step_size)
    return positions, statistics, warmup_steps

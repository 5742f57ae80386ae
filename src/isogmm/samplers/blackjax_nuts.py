"""BlackJAX's No-U-Turn sampler on the log density of a target, chains vectorized."""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from isogmm.errors import require
from isogmm.model.target import Target
from isogmm.samplers.jax_density import jax_density


@dataclass(frozen=True)
class NutsRun:
    """What the chains leave behind.

    Parameters
    ----------
    positions
        (c, n, d), unconstrained.
    statistics
        ``diverging``, ``n_steps``, ``acceptance_rate``, ``energy``, ``step_size``: each (c, n).
    warmup_gradients
        Leapfrog steps of the warm-up, all chains together.
    """

    positions: Float[np.ndarray, "c n d"]
    statistics: dict[str, np.ndarray]
    warmup_gradients: int


def run_nuts(
    target: Target,
    starts: Float[np.ndarray, "c d"],
    *,
    draws: int,
    tune: int,
    seed: int,
    covariance: Float[np.ndarray, "..."] | None = None,
    target_accept: float = 0.8,
) -> NutsRun:
    """One chain from each start.

    Without a covariance the warm-up is Stan's, which learns a diagonal mass matrix.  With one,
    ``(d, d)`` or its diagonal ``(d,)``, it is the inverse mass matrix and the warm-up adapts
    the step size alone, by dual averaging.

    Raises
    ------
    MissingPackageError
        If BlackJAX is not installed.
    """
    blackjax = require("blackjax", extra="blackjax")
    density = jax_density(target)
    kernel = blackjax.nuts.build_kernel()

    def adapt_all(key: Any, start: Any) -> Any:
        warmup = blackjax.window_adaptation(
            blackjax.nuts, density, target_acceptance_rate=target_accept
        )
        (state, found), info = warmup.run(key, start, num_steps=tune)
        steps = info.info.num_integration_steps.sum()
        return state, found["step_size"], found["inverse_mass_matrix"], steps

    def adapt_step_size(key: Any, start: Any) -> Any:
        adaptation = require("blackjax.adaptation.step_size", extra="blackjax")
        begin, update, finish = adaptation.dual_averaging_adaptation(target_accept)
        inverse_mass = jax.numpy.asarray(covariance, start.dtype)

        def step(carry: Any, key: Any) -> Any:
            state, averaging = carry
            size = jax.numpy.exp(averaging.log_step_size)
            state, info = kernel(key, state, density, size, inverse_mass)
            return (state, update(averaging, info.acceptance_rate)), info.num_integration_steps

        first = blackjax.nuts.init(start, density), begin(0.5)
        keys = jax.random.split(key, tune)
        # One update fixes the types of the averages before the loop asks for them to be stable.
        first, one = step(first, keys[0])
        (state, averaging), steps = jax.lax.scan(step, first, keys[1:])
        return state, finish(averaging), inverse_mass, one + steps.sum()

    def chain(key: Any, start: Any) -> Any:
        warm_key, draw_key = jax.random.split(key)
        adapt = adapt_all if covariance is None else adapt_step_size
        state, step_size, inverse_mass, warm_steps = adapt(warm_key, start)

        def step(state: Any, key: Any) -> Any:
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
        return positions, statistics, warm_steps

    with target.precision():
        keys = jax.random.split(jax.random.key(seed), len(starts))
        found = jax.jit(jax.vmap(chain))(keys, jax.numpy.asarray(starts, dtype=float))
        positions, statistics, warm_steps = jax.tree.map(np.asarray, found)
    return NutsRun(positions, statistics, int(warm_steps.sum()))

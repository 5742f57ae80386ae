"""One Gaussian fitted by stochastic gradients of the ELBO, with BlackJAX."""

import time
from dataclasses import dataclass

import jax
import numpy as np

from isogmm.errors import require
from isogmm.model.target import Target
from isogmm.results.groups import Result
from isogmm.samplers.finite_result import finite_result
from isogmm.samplers.jax_density import jax_density, starting_points


@dataclass(frozen=True)
class GaussianVI:
    """A function that fits one Gaussian and draws from it.

    Parameters
    ----------
    algorithm
        Name of the method.
    module
        Module of ``blackjax.vi`` that has the Gaussian family.
    """

    algorithm: str
    module: str

    def __call__(
        self,
        target: Target,
        seed: int,
        draws: int,
        chains: int,
        *,
        num_steps: int = 20_000,
        step_size: float = 0.01,
        num_samples: int = 1,
    ) -> Result:
        """Draws of the Gaussian fitted to a target.

        Parameters
        ----------
        target, seed, draws, chains
            The target, the seed, and the shape of the result.
        num_steps
            Steps of Adam.
        step_size
            Step size of Adam.
        num_samples
            Draws by which each gradient is estimated.
        """
        family = require(f"blackjax.vi.{self.module}", extra="blackjax")
        optimizer = require("optax", extra="blackjax").adam(step_size)
        density = jax_density(target)

        def run(key: jax.Array, start: jax.Array) -> jax.Array:
            def step(state: tuple, key: jax.Array) -> tuple[tuple, None]:
                state, _ = family.step(key, state, density, optimizer, num_samples=num_samples)
                return state, None

            fit_key, draw_key = jax.random.split(key)
            # BlackJAX takes the shape of the starting point, but not its value, as the mean.
            first = family.init(start, optimizer)._replace(mu=start)
            state, _ = jax.lax.scan(step, first, jax.random.split(fit_key, num_steps))
            return family.sample(draw_key, state, chains * draws)

        start = starting_points(target, seed, 1)[0]
        begin = time.perf_counter()
        with target.precision():
            found = jax.jit(run)(jax.random.key(seed), jax.numpy.asarray(start, dtype=float))
            positions = np.asarray(found).reshape(chains, draws, target.dim)
        attributes = {
            "algorithm": self.algorithm,
            "sampling_time": time.perf_counter() - begin,
            "num_gradient_evaluations": num_steps * num_samples,
        }
        return finite_result(target, positions, seed, attributes)

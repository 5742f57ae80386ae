"""Multi-path Pathfinder."""

import time

import jax
import numpy as np

from isogmm.draws.importance import chosen
from isogmm.errors import require
from isogmm.model.target import Target
from isogmm.results.arviz.versions import psis
from isogmm.results.building.from_draws import result_of_draws
from isogmm.results.groups import Result
from isogmm.samplers.jax_density import jax_density, starting_points

#: Fewest draws of each path from which draws are resampled.
MIN_POOL = 1000


def pathfinder(
    target: Target,
    seed: int,
    draws: int,
    chains: int,
    *,
    num_paths: int = 4,
    num_elbo_draws: int = 200,
    maxiter: int = 100,
) -> Result:
    """Multi-path Pathfinder (Zhang et al. 2022) with BlackJAX.

    Draws are resampled from the draws of all paths by Pareto smoothed importance weights.  Every
    chain has its own paths and starting points.

    Parameters
    ----------
    target, seed, draws, chains
        The target, the seed, and the shape of the result.
    num_paths
        Paths of each chain.
    num_elbo_draws
        Draws by which the ELBO is estimated at each point of a path.
    maxiter
        Most iterations of L-BFGS on each path.
    """
    blackjax = require("blackjax.vi.pathfinder", extra="blackjax")
    density = jax_density(target)
    starts = starting_points(target, seed, chains * num_paths)
    pool = max(draws, MIN_POOL)

    def path(key: jax.Array, start: jax.Array) -> tuple[jax.Array, jax.Array]:
        fit_key, draw_key = jax.random.split(key)
        state, _ = blackjax.approximate(fit_key, density, start, num_elbo_draws, maxiter=maxiter)
        return blackjax.sample(draw_key, state, pool)

    begin = time.perf_counter()
    with target.precision():
        keys = jax.random.split(jax.random.key(seed), len(starts))
        # Paths run one after the other: a single program of all paths can hang inside XLA.
        program = jax.jit(path)
        found = [program(*one) for one in zip(keys, np.asarray(starts, float), strict=True)]
        positions, log_q = (np.asarray(parts, np.float64) for parts in zip(*found, strict=True))
    positions = positions.reshape(chains, num_paths * pool, target.dim)
    log_q = log_q.reshape(chains, num_paths * pool)
    log_ratios = target.evaluate(np.nan_to_num(positions))[0] - log_q
    rows, pareto_k = _resampled(log_ratios, draws, np.random.default_rng(seed))
    attributes = {
        "algorithm": "pathfinder",
        "sampling_time": time.perf_counter() - begin,
        "pareto_k": pareto_k,
    }
    return result_of_draws(
        target,
        np.take_along_axis(positions, rows[..., None], axis=1),
        library="blackjax",
        seed=seed,
        attributes=attributes,
        sample_stats={"log_q": np.take_along_axis(log_q, rows, axis=1)},
    )


def _resampled(
    log_ratios: np.ndarray, draws: int, generator: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Indices (c, n) drawn by the weights of each chain (c, m), and the largest Pareto k."""
    index, shapes = [], []
    for ratios in np.where(np.isnan(log_ratios), -np.inf, log_ratios):
        log_weights, k = psis(ratios)
        index.append(chosen(log_weights, draws, generator))
        shapes.append(k)
    return np.stack(index), float(np.max(shapes))

"""Laplace approximation."""

import time

import numpy as np
from scipy.optimize import minimize

from isogmm.locate.gaussian.curvature import dense_at
from isogmm.model.fit_target import FitTarget
from isogmm.model.target import Target
from isogmm.results.building.from_draws import result_of_draws
from isogmm.results.groups import Result
from isogmm.samplers.jax_density import starting_points

#: Most iterations of each optimization.
MAX_ITERATIONS = 2000
#: Negative log density that the optimizer sees where the density is zero; it must be finite.
NEGATIVE_LOG_ZERO = 1e300


def laplace(target: Target, seed: int, draws: int, chains: int, *, num_starts: int = 8) -> Result:
    """Draws of the Gaussian with the curvature of the log density at its highest optimum.

    The optimum is the best of several found by SciPy's L-BFGS.

    Parameters
    ----------
    target, seed, draws, chains
        The target, the seed, and the shape of the result.
    num_starts
        Number of starting points of the optimization.
    """
    begin, target = time.perf_counter(), FitTarget.of(target)
    generator = np.random.default_rng(seed)

    def objective(position: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = target.evaluate(position)
        if not np.isfinite(value):
            return NEGATIVE_LOG_ZERO, gradient
        return -float(value), -gradient

    optima = [
        minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": MAX_ITERATIONS})
        for start in starting_points(target, seed, num_starts)
    ]
    affine_map = dense_at(target, min(optima, key=lambda optimum: optimum.fun).x)
    noise = generator.standard_normal((chains, draws, target.dim))
    attributes = {
        "algorithm": "laplace",
        "sampling_time": time.perf_counter() - begin,
        "num_gradient_evaluations": target.num_gradient_evaluations,
    }
    return result_of_draws(
        target, affine_map.forward(noise), library="scipy", seed=seed, attributes=attributes
    )

"""The result of a factorized fit: no array is larger than its draws or its means."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from isogmm.mixtures.factorized_chains import FactorizedChains
from isogmm.optimize.loop import OptimizeResult
from isogmm.recipe.context import FitContext
from isogmm.results.building.fit_result import FitResult
from isogmm.results.interruption import interruptible
from isogmm.results.labeling.labels import Stage

#: Fresh draws of each chain for the ELBO where the result stores fewer.
MIN_ELBO_DRAWS = 50
#: How the values of the chains, which run one after another, are combined in the history.
COMBINED: Mapping[str, Callable[..., np.ndarray]] = {
    "iteration": np.max,
    "step_size": np.max,
    "gradient_evaluations": np.sum,
    "seconds": np.sum,
}


def fit_result(context: FitContext, results: Sequence[OptimizeResult], draws: int) -> FitResult:
    """Draw from every chain, evaluate the draws and summarize.

    Parameters
    ----------
    context
        What all stages share.
    results
        The optimization of each chain.
    draws
        Draws of each chain that are kept.
    """
    target, num_draws = context.target, max(draws, MIN_ELBO_DRAWS)
    context.costs.begin(Stage.DELIVER)
    generators = context.generators(len(results))
    positions = np.stack(
        [
            result.mixture.sample(generator, num_draws)
            for result, generator in zip(results, generators, strict=True)
        ]
    )
    log_density = np.full(positions.shape[:2], np.nan)
    with interruptible(target, has_result=True), target.limit.extended():
        # One at a time: a batch of them may not fit into memory.
        for draw, chain in np.ndindex(num_draws, len(results)):
            log_density[chain, draw] = target.evaluate(positions[chain, draw])[0]
    log_q = np.stack(
        [result.mixture.log_prob(chain) for result, chain in zip(results, positions, strict=True)]
    )
    ratios = (log_density - log_q)[np.isfinite(log_density)]
    return FitResult(
        target=target,
        mixture=FactorizedChains(tuple(result.mixture for result in results)),
        positions=positions[:, :draws],
        log_density=log_density[:, :draws],
        log_q=log_q[:, :draws],
        history=_history(results),
        attributes={
            "algorithm": "factorized",
            "elbo": float(ratios.mean()) if len(ratios) else float("nan"),
            "elbo_se": float(ratios.std() / np.sqrt(len(ratios))) if len(ratios) else float("nan"),
            "num_nonfinite": int(log_density.size - len(ratios)),
            "stop_reason": ", ".join(dict.fromkeys(item.stop_reason.value for item in results)),
            "iterations": max(result.iterations for result in results),
            "num_gradient_evaluations": target.num_gradient_evaluations,
        },
        group_defaults={
            "log_likelihood": False,
            "log_prior": False,
            "include_transformed": False,
            "data": False,
        },
    )


def _history(results: Sequence[OptimizeResult]) -> dict[str, np.ndarray]:
    """What the checks saw as long as all chains ran; costs are those of all chains."""
    length = min(len(result.history["elbo"]) for result in results)
    history = {}
    for name in results[0].history:
        each = np.stack([result.history[name][:length].reshape(length) for result in results], 1)
        history[name] = COMBINED[name](each, axis=1) if name in COMBINED else each
    return history

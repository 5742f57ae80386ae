"""The ArviZ object of a factorized fit: no array larger than its draws or its means."""

import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from isogmm.model.target import Target
from isogmm.optimize.loop import OptimizeResult
from isogmm.results.arviz_versions import from_groups
from isogmm.results.fit_group import history_group
from isogmm.results.groups import SAMPLE_DIMS, arviz_name, dataset

#: Fresh draws of each chain for the ELBO where the result stores fewer.
ELBO_DRAWS = 50
#: Columns of the history with one value a check: the chains run one after the other.
TOGETHER: dict[str, Callable[..., Any]] = {
    "iteration": np.max,
    "step_size": np.max,
    "gradient_evaluations": np.sum,
    "seconds": np.sum,
}
#: Numbers constrained at a time.
CHUNK = 2**24


def to_result(
    target: Target,
    results: list[OptimizeResult],
    generators: list[np.random.Generator],
    draws: int,
    seed: int,
    begin: float,
) -> Any:
    """Draw, evaluate and name; see :func:`isogmm.fit_factorized` for what comes back.

    Parameters
    ----------
    target
        The target of the fit.
    results, generators
        Of each chain.
    draws
        Draws of each chain that are kept.
    seed
        That of the fit.
    begin
        When it began, on ``time.perf_counter``.
    """
    positions, log_density, log_q = [], [], []
    for result, generator in zip(results, generators, strict=True):
        drawn = result.mixture.sample(generator, max(draws, ELBO_DRAWS))
        values = [target.evaluate(row)[0] for row in drawn]
        positions.append(drawn[:draws])
        log_density.append(np.array(values))
        log_q.append(result.mixture.log_prob(drawn))
    lp, log_mixture = np.stack(log_density), np.stack(log_q)
    ratios = (lp - log_mixture)[np.isfinite(lp)]
    attrs = {
        "inference_library": "isogmm",
        "inference_library_version": version("isogmm"),
        "modeling_library": target.library,
        "modeling_library_version": target.library_version,
        "algorithm": "factorized",
        "elbo": float(ratios.mean()) if len(ratios) else float("nan"),
        "elbo_se": float(ratios.std() / np.sqrt(len(ratios))) if len(ratios) else float("nan"),
        "num_nonfinite": int(lp.size - len(ratios)),
        "stop_reason": ", ".join(dict.fromkeys(result.stop_reason.value for result in results)),
        "iterations": max(result.iterations for result in results),
        "num_gradient_evaluations": target.num_gradient_evaluations,
        "random_seed": seed,
        "sampling_time": time.perf_counter() - begin,
    }
    groups = {}
    if draws:
        posterior = _constrained(target, np.stack(positions), seed)
        groups["posterior"] = dataset(
            posterior, SAMPLE_DIMS, dims=target.dims, coords=target.coords, attrs=attrs
        )
        statistics = {"lp": lp[:, :draws], "log_q": log_mixture[:, :draws]}
        groups["sample_stats"] = dataset(statistics, SAMPLE_DIMS)
    axes = ("chain", "component", "coordinate")
    groups["fit"] = dataset(
        {
            "means": np.stack([result.mixture.means for result in results]),
            "variances": np.stack([result.mixture.variances for result in results]),
        },
        (),
        dims={"means": axes, "variances": axes},
        coords={"coordinate": [arviz_name(name) for name in target.coordinate_names]},
        attrs={"family": "factorized"},
    )
    groups["fit_stats"] = history_group(_history(results), {})
    return from_groups(groups, attrs)


def _history(results: Sequence[OptimizeResult]) -> dict[str, np.ndarray]:
    """What each check saw, as long as all chains went on; costs are those of all of them."""
    length = min(len(result.history["elbo"]) for result in results)
    history = {}
    for name in results[0].history:
        each = np.stack([result.history[name][:length].reshape(length) for result in results], 1)
        history[name] = TOGETHER[name](each, axis=1) if name in TOGETHER else each
    return history


def _constrained(target: Target, positions: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """The variables of the model on the user's scale, in the type of the draws."""
    chains, draws, dim = positions.shape
    flat = positions.reshape(-1, dim)
    rows = max(1, CHUNK // dim)
    parts = []
    for first in range(0, len(flat), rows):
        chunk = target.constrain(flat[first : first + rows], seed % 2**31)["posterior"]
        parts.append({name: _narrow(np.asarray(a), flat.dtype) for name, a in chunk.items()})
    return {
        name: np.concatenate([part[name] for part in parts]).reshape(
            chains, draws, *parts[0][name].shape[1:]
        )
        for name in parts[0]
    }


def _narrow(array: np.ndarray, dtype: Any) -> np.ndarray:
    return array.astype(dtype) if array.dtype.kind == "f" else array

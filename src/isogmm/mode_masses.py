"""Which mode a component or a draw belongs to, and how much mass each mode has."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from isogmm.diagnostics.judge import Pool
from isogmm.refine.bridge import Evidence, bridge
from isogmm.refine.refine import Refined


def modes_of_components(
    mixture: Any, centers: Float[np.ndarray, "m d"] | None
) -> Int[np.ndarray, "c k"]:
    """The mode whose center lies nearest, in the coordinates of the mixture; 0 without centers."""
    chains, count, dim = mixture.means.shape
    if centers is None or len(centers) < 2:
        return np.zeros((chains, count), dtype=int)
    centers = mixture.affine_map.inverse(centers)
    flat = mixture.means.reshape(-1, dim)
    distances = (flat**2).sum(1)[:, None] + (centers**2).sum(1)[None] - 2.0 * flat @ centers.T
    return distances.argmin(axis=1).reshape(chains, count)


def evidence_by_mode(
    pool: Pool,
    pool_modes: np.ndarray,
    refined: Refined | None,
    mixture: Any,
    component_modes: np.ndarray,
) -> Evidence:
    """Mass of every mode and the evidence: bridge sampling, or importance where no chains ran."""
    num_modes = int(component_modes.max()) + 1
    finite = np.isfinite(pool.log_ratios)
    ratios, regions = pool.log_ratios[finite], pool_modes[finite]
    if not finite.any():
        nothing = np.full(num_modes, np.nan)
        return Evidence(nothing, nothing, float("nan"), float("nan"))
    pooled = mixture.pooled()
    flat = component_modes.ravel()
    if num_modes > 1:
        regions = regions_of(pool.positions.reshape(-1, mixture.dim)[finite], pooled, flat)
    if refined is None:
        empty = np.zeros(0)
        found = bridge(ratios, regions, empty, empty.astype(int), num_modes, 1.0)
        return _with_outside(found, finite)
    every = max(1, refined.draws.shape[1] // 10)
    draws = refined.draws[:, ::every].reshape(-1, mixture.dim)
    chain_ratios = refined.log_density[:, ::every].ravel() - _log_prob(pooled, draws)
    chain_regions = regions_of(draws, pooled, flat) if num_modes > 1 else np.zeros(len(draws), int)
    found = bridge(ratios, regions, chain_ratios, chain_regions, num_modes, 4.0)
    return _with_outside(found, finite)


def _with_outside(evidence: Evidence, finite: Bool[np.ndarray, " n"]) -> Evidence:
    """Count the draws of q outside the support, where π is zero."""
    share = float(np.log(finite.mean()))
    return evidence._replace(
        log_masses=evidence.log_masses + share, log_evidence=evidence.log_evidence + share
    )


def _log_prob(mixture: Any, draws: np.ndarray) -> np.ndarray:
    parts = np.array_split(draws, max(1, len(draws) // 1000))
    return np.concatenate([mixture.log_prob(part) for part in parts])


def regions_of(draws: np.ndarray, pooled: Any, modes: np.ndarray) -> np.ndarray:
    """The mode of the component most responsible for each draw."""
    parts = np.array_split(draws, max(1, len(draws) // 1000))
    return np.concatenate([modes[pooled.responsibilities(part).argmax(axis=1)] for part in parts])

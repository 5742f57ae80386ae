"""The mass of every mode and the evidence, by bridge sampling or importance sampling."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from isogmm.draws.pool import Pool
from isogmm.draws.refine import Refined


class Evidence(NamedTuple):
    """log ∫π over each region and over all, with standard errors of the logs.

    ``log_masses`` (r,), ``log_masses_se`` (r,), ``log_evidence``, ``log_evidence_se``.
    """

    log_masses: Float[np.ndarray, " r"]
    log_masses_se: Float[np.ndarray, " r"]
    log_evidence: float
    log_evidence_se: float


def bridge(
    ratios_q: Float[np.ndarray, " n"],
    regions_q: Int[np.ndarray, " n"],
    ratios_chains: Float[np.ndarray, " n2"],
    regions_chains: Int[np.ndarray, " n2"],
    num_regions: int,
    inefficiency: float,
) -> Evidence:
    """Evidence by regions, from log π - log q at draws of q and at draws of chains.

    In each region the optimal bridge of Meng and Wong (1996, Statistica Sinica 6) solves

    r = mean_q[l/(s₁ l + s₂ r)] / mean_chains[1/(s₁ l + s₂ r)],   l = π/q,

    with s₁, s₂ the shares of (effective) draws; the mass is r times the share of q's draws in
    the region.  Chains that never leave their mode still give the right mass of each, because
    only q ties the regions together.  Standard errors follow Frühwirth-Schnatter (2004,
    Econometrics Journal 7), with the chains' draws counted 1/``inefficiency`` each, plus the
    binomial error of q's shares.
    """
    log_masses = np.full(num_regions, -np.inf)
    variances = np.zeros(num_regions)
    for region in range(num_regions):
        from_q = ratios_q[regions_q == region]
        from_chains = ratios_chains[regions_chains == region]
        if len(from_q) == 0:
            continue
        share = len(from_q) / len(ratios_q)
        if len(from_chains) < 10:
            top = from_q.max()
            weights = np.exp(from_q - top)
            log_ratio = top + np.log(weights.mean())
            variance = weights.var() / weights.mean() ** 2 / len(from_q)
        else:
            log_ratio, variance = _region(from_q, from_chains, inefficiency)
        log_masses[region] = log_ratio + np.log(share)
        variances[region] = variance + (1.0 - share) / (share * len(ratios_q))
    top = log_masses.max()
    masses = np.exp(log_masses - top)
    total = masses.sum()
    # Shares of q sum to one: only the regions' own errors reach the total.
    own = variances - np.array(
        [
            (1.0 - s) / (s * len(ratios_q)) if s > 0 else 0.0
            for s in np.bincount(regions_q, minlength=num_regions) / len(ratios_q)
        ]
    )
    total_variance = float(((masses / total) ** 2 * np.maximum(own, 0.0)).sum())
    return Evidence(
        log_masses, np.sqrt(variances), float(top + np.log(total)), float(np.sqrt(total_variance))
    )


def _region(
    from_q: np.ndarray, from_chains: np.ndarray, inefficiency: float
) -> tuple[float, float]:
    center = float(np.median(from_chains))
    log_q, log_chains = from_q - center, from_chains - center
    effective = max(len(log_chains) / inefficiency, 1.0)
    s1 = effective / (effective + len(log_q))
    s2 = 1.0 - s1
    log_r = 0.0
    for _ in range(1000):
        # 1/(s₁ l + s₂ r) in logs: l spans hundreds of nats.
        down_q = -np.logaddexp(np.log(s1) + log_q, np.log(s2) + log_r)
        down_chains = -np.logaddexp(np.log(s1) + log_chains, np.log(s2) + log_r)
        new = _log_mean(log_q + down_q) - _log_mean(down_chains)
        if abs(new - log_r) < 1e-10:
            break
        log_r = new
    f_q = np.exp(log_q + down_q - (log_q + down_q).max())
    f_chains = np.exp(down_chains - down_chains.max())
    variance = f_q.var() / f_q.mean() ** 2 / len(f_q)
    variance += f_chains.var() / f_chains.mean() ** 2 / effective
    return float(new + center), float(variance)


def _log_mean(values: np.ndarray) -> float:
    top = values.max()
    return float(top + np.log(np.exp(values - top).mean()))


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

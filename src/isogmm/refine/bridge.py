"""Bridge sampling: masses of modes and the evidence, from draws of q and draws of chains."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int


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

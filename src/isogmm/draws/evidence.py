"""Mass of every mode and the evidence, by bridge sampling or importance sampling."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import logsumexp

from isogmm.draws.pool import Pool
from isogmm.draws.refine import Refined
from isogmm.draws.sampling_errors import Strata, of_chains, of_independent, of_stratified
from isogmm.mixtures.abstract import AbstractMixture

#: Chains in a region below which its mass is estimated by importance sampling.
MIN_BRIDGE_CHAINS = 5
#: Draws of each chain that enter the bridge.
BRIDGE_DRAWS_PER_CHAIN = 10
#: Number of these draws that count as one independent draw in the weights of the bridge.  Any
#: number gives a consistent estimate.
BRIDGE_INEFFICIENCY = 4.0
#: Largest number of iterations of the bridge, and the change of the log mass that ends them.
MAX_BRIDGE_ITERATIONS, BRIDGE_TOLERANCE = 1000, 1e-10

#: From values of all draws (n, r) to the covariance (r, r) of their means.
CovarianceOfMeans = Callable[[np.ndarray], np.ndarray]


class Evidence(NamedTuple):
    """log ∫π over each region, and the covariance of the errors of these logs.

    Parameters
    ----------
    log_masses
        (r,): -inf where a region has no mass.
    covariance
        (r, r): covariance of the errors of ``log_masses``.
    """

    log_masses: Float[np.ndarray, " r"]
    covariance: Float[np.ndarray, "r r"]

    @property
    def log_evidence(self) -> float:
        """log Σ m_r, the log evidence."""
        return float(logsumexp(self.log_masses))

    @property
    def log_evidence_se(self) -> float:
        """Standard error of the log evidence: √(pᵀ C p), with p the shares and C the covariance."""
        return float(np.sqrt(self.shares @ self.covariance @ self.shares))

    @property
    def shares(self) -> Float[np.ndarray, " r"]:
        """p_r = m_r / Σ m, the posterior probability of each region."""
        return np.exp(self.log_masses - self.log_evidence)

    @property
    def shares_se(self) -> Float[np.ndarray, " r"]:
        """Standard errors of the shares: the gradient of p_r by the log masses is p_r (e_r - p)."""
        gradients = np.diag(self.shares) - np.outer(self.shares, self.shares)
        return np.sqrt(np.einsum("rs,st,rt->r", gradients, self.covariance, gradients))


def bridge(
    ratios_q: Float[np.ndarray, " n"],
    regions_q: Int[np.ndarray, " n"],
    ratios_chains: Float[np.ndarray, "m t"],
    regions_chains: Int[np.ndarray, "m t"],
    num_regions: int,
    inefficiency: float,
    covariance_of_means: CovarianceOfMeans = of_independent,
) -> Evidence:
    """Evidence by regions, from log π - log q at draws of q and at draws of chains.

    In each region the optimal bridge of Meng and Wong (1996, Statistica Sinica 6) solves

    r = mean_q[l/(s₁ l + s₂ r)] / mean_chains[1/(s₁ l + s₂ r)],   l = π/q,

    with s₁, s₂ the shares of (effective) draws.  The mass of a region is r times the share of
    q's draws in it.  The masses are correct even if no chain leaves its mode, because only q
    determines their proportions.

    The errors follow from the delta method, as in Frühwirth-Schnatter (2004, Econometrics Journal
    7): r does not change with the r on the right, to first order.  With f = 1[region] l/(s₁ l +
    s₂ r), the relative error of the mean of f over all draws of q is that of the numerator and of
    the share together.  The denominator is a ratio of two sums over independent chains.

    Parameters
    ----------
    ratios_q, regions_q
        log π - log q (-inf outside the support) and the region of each draw of q.
    ratios_chains, regions_chains
        The same for t draws of each of m chains.
    num_regions
        Number of regions.
    inefficiency
        Number of draws of the chains that count as one independent draw in s₁ and s₂.
    covariance_of_means
        How the errors of means over the draws of q are estimated; by default the draws are
        independent.
    """
    log_masses = np.full(num_regions, -np.inf)
    values = np.zeros((len(ratios_q), num_regions))
    residuals = np.zeros((len(ratios_chains), num_regions))
    for region in range(num_regions):
        is_inside = regions_q == region
        from_q = ratios_q[is_inside]
        if not np.isfinite(from_q).any():
            continue
        terms_q = from_q
        log_r = _log_mean(from_q)
        in_chains = regions_chains == region
        if in_chains.any(axis=1).sum() >= MIN_BRIDGE_CHAINS:
            log_r, terms_q, terms_chains = _bridge_terms(
                from_q, ratios_chains[in_chains], inefficiency
            )
            residuals[:, region] = _residuals(terms_chains, in_chains)
        share = is_inside.mean()
        log_masses[region] = log_r + np.log(share)
        values[is_inside, region] = np.exp(terms_q - _log_mean(terms_q)) / share
    return Evidence(log_masses, covariance_of_means(values) + of_chains(residuals))


def _bridge_terms(
    from_q: Float[np.ndarray, " n"], from_chains: Float[np.ndarray, " n2"], inefficiency: float
) -> tuple[float, Float[np.ndarray, " n"], Float[np.ndarray, " n2"]]:
    """log r of one region, and the logs of the terms in the two means."""
    center = float(np.median(from_chains))
    log_q, log_chains = from_q - center, from_chains - center
    effective = max(len(log_chains) / inefficiency, 1.0)
    s1 = effective / (effective + len(log_q))
    s2 = 1.0 - s1
    log_r = 0.0
    for _ in range(MAX_BRIDGE_ITERATIONS):
        # Logs of 1/(s₁ l + s₂ r), because l spans hundreds of nats.
        inverse_q = -np.logaddexp(np.log(s1) + log_q, np.log(s2) + log_r)
        inverse_chains = -np.logaddexp(np.log(s1) + log_chains, np.log(s2) + log_r)
        new = _log_mean(log_q + inverse_q) - _log_mean(inverse_chains)
        if abs(new - log_r) < BRIDGE_TOLERANCE:
            break
        log_r = new
    return new + center, log_q + inverse_q, inverse_chains


def _residuals(
    log_terms: Float[np.ndarray, " n2"], is_inside: Bool[np.ndarray, "m t"]
) -> Float[np.ndarray, " m"]:
    """What each chain adds to the relative error of the mean of the terms in one region."""
    terms = np.zeros(is_inside.shape)
    terms[is_inside] = np.exp(log_terms - _log_mean(log_terms))
    counts = is_inside.sum(axis=1)
    return (terms.sum(axis=1) - counts) / counts.sum()


def _log_mean(log_values: Float[np.ndarray, " n"]) -> float:
    """log of the mean of exp(log_values)."""
    largest = log_values.max()
    return float(largest + np.log(np.exp(log_values - largest).mean()))


def modes_of_components(
    mixture: AbstractMixture, centers: Float[np.ndarray, "m d"] | None
) -> Int[np.ndarray, "c k"]:
    """The mode with the nearest center, in the coordinates of the mixture; 0 without centers."""
    chains, count, dim = mixture.means.shape
    if centers is None or len(centers) < 2:
        return np.zeros((chains, count), dtype=int)
    centers = mixture.affine_map.inverse(centers)
    flat = mixture.means.reshape(-1, dim)
    distances = (flat**2).sum(1)[:, None] + (centers**2).sum(1)[None] - 2.0 * flat @ centers.T
    return distances.argmin(axis=1).reshape(chains, count)


def evidence_by_mode(
    pool: Pool,
    refined: Refined | None,
    mixture: AbstractMixture,
    component_modes: Int[np.ndarray, "c k"],
) -> Evidence:
    """Mass of every mode and the evidence.

    Parameters
    ----------
    pool
        Draws of the mixture.
    refined
        The chains, for bridge sampling; None for importance sampling.
    mixture
        The mixture of every chain of the fit.
    component_modes
        The mode of every component.
    """
    num_modes = int(component_modes.max()) + 1
    known = pool.is_evaluated
    ratios = pool.log_ratios[known]
    if not np.isfinite(ratios).any():
        return Evidence(np.full(num_modes, np.nan), np.full((num_modes, num_modes), np.nan))
    pooled, modes = mixture.pooled(), component_modes.ravel()

    def regions_at(positions: Float[np.ndarray, "n d"]) -> Int[np.ndarray, " n"]:
        if num_modes < 2:
            return np.zeros(len(positions), dtype=int)
        return regions_of(positions, pooled, modes)

    regions = regions_at(pool.positions.reshape(-1, mixture.dim)[known])
    draws, log_density = np.zeros((0, mixture.dim)), np.zeros((0, 1))
    if refined is not None:
        thinning = max(1, refined.draws.shape[1] // BRIDGE_DRAWS_PER_CHAIN)
        draws = refined.draws[:, ::thinning].reshape(-1, mixture.dim)
        log_density = refined.log_density[:, ::thinning]
    shape = log_density.shape
    weights = np.exp(mixture.log_weights)
    strata = Strata(_numbered_components(pool, weights.shape[1])[known], weights)
    return bridge(
        ratios,
        regions,
        log_density - pooled.log_prob(draws).reshape(shape),
        regions_at(draws).reshape(shape),
        num_modes,
        BRIDGE_INEFFICIENCY,
        lambda values: of_stratified(values, strata),
    )


def _numbered_components(pool: Pool, num_components: int) -> Int[np.ndarray, " cn"]:
    """The component of each draw, numbered over all chains."""
    offsets = np.arange(len(pool.components))[:, None] * num_components
    return (pool.components + offsets).ravel()


def regions_of(
    draws: Float[np.ndarray, "n d"], pooled: AbstractMixture, modes: Int[np.ndarray, " ck"]
) -> Int[np.ndarray, " n"]:
    """The mode of the component with the largest responsibility for each draw."""
    return modes[pooled.most_responsible(draws)]

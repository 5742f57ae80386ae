"""More components where the mixture fits worst, for as long as the ELBO gains from them."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from isogmm.draws.pool import Pool
from isogmm.mixtures.isotropic import IsotropicMixture

#: Growth is tried where the importance weights leave less than this share of the draws.
NEEDED_BELOW = 0.5


@dataclass(frozen=True)
class Growth:
    """When to stop adding components.

    Parameters
    ----------
    max_components
        Cost bound: no chain gets more.
    least_gain
        Nats of ELBO that a round must gain, besides twice its standard error.
    """

    max_components: int = 64
    least_gain: float = 0.1

    def is_worth_trying(self, pool: Pool, mixture: Any) -> bool:
        """Whether the fit leaves something to gain and the bound allows more components."""
        share = pool.importance_ess() / pool.log_ratios.size
        return share < NEEDED_BELOW and mixture.num_components * 3 // 2 <= self.max_components

    def has_gained(self, before: Pool, after: Pool) -> bool:
        """Whether a round was worth its cost."""
        (old, old_se), (new, new_se) = before.pooled_elbo(), after.pooled_elbo()
        return new - old > max(self.least_gain, 2.0 * float(np.hypot(old_se, new_se)))


def split_worst(mixture: IsotropicMixture, pool: Pool) -> IsotropicMixture:
    """Split the worse half of the components of every chain in two: K becomes K + K // 2.

    A component is bad in proportion to w_k Var_k[log q - log π], the part of the local misfit
    that moving it as a whole cannot mend.  Its halves go to both sides of its mean along
    E_k[(y - m_k)(log π - log q)], the direction in which the misfit grows, by half a standard
    deviation, with three quarters of the variance and half the weight each: together they have
    its mean and, in that direction, its variance.
    """
    chains, count, dim = mixture.means.shape
    points = mixture.affine_map.inverse(pool.positions)
    ratios = np.where(np.isfinite(pool.log_density), pool.log_density - pool.log_q_own, np.nan)
    extra = count // 2
    means = np.empty((chains, count + extra, dim))
    variances = np.empty((chains, count + extra))
    log_weights = np.empty((chains, count + extra))
    for chain in range(chains):
        misfit, directions = _local_misfit(
            points[chain], ratios[chain], pool.components[chain], mixture.means[chain]
        )
        worst = np.argsort(-misfit * np.exp(mixture.log_weights[chain]))[:extra]
        shift = 0.5 * np.sqrt(mixture.variances[chain][worst])[:, None] * directions[worst]
        means[chain, :count], means[chain, count:] = mixture.means[chain], 0.0
        means[chain, worst] += shift
        means[chain, count:] = mixture.means[chain][worst] - shift
        variances[chain, :count] = mixture.variances[chain]
        variances[chain, worst] *= 0.75
        variances[chain, count:] = variances[chain, worst]
        log_weights[chain, :count] = mixture.log_weights[chain]
        log_weights[chain, worst] -= np.log(2.0)
        log_weights[chain, count:] = log_weights[chain, worst]
    return replace(mixture, means=means, variances=variances, log_weights=log_weights)


def _local_misfit(
    points: Float[np.ndarray, "n d"],
    ratios: Float[np.ndarray, " n"],
    components: np.ndarray,
    means: Float[np.ndarray, "k d"],
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, "k d"]]:
    """Variance of the log ratio under each component, and the unit direction it varies in."""
    count, dim = means.shape
    misfit = np.zeros(count)
    directions = np.zeros((count, dim))
    directions[:, 0] = 1.0
    for component in range(count):
        members = (components == component) & np.isfinite(ratios)
        if members.sum() < 4:
            continue
        local = ratios[members] - ratios[members].mean()
        misfit[component] = local.var()
        direction = local @ (points[members] - means[component])
        length = np.sqrt(direction @ direction)
        if length > 0:
            directions[component] = direction / length
    return misfit, directions

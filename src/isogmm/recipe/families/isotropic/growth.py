"""More components where the mixture fits worst, as long as the ELBO gains from them."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from isogmm.draws.pool import Pool
from isogmm.mixtures.isotropic import IsotropicMixture

#: Relative ESS of the importance weights below which more components are tried.
MAX_RELATIVE_ESS = 0.5
#: Draws of a component from which its misfit is estimated, at least.
MIN_DRAWS = 4
#: The halves of a component are shifted by this many of its standard deviations to either side, and
#: have this share of its variance.  Together they have its mean and, along the shift, its variance.
SHIFT_SD, VARIANCE_SHARE = 0.5, 0.75


@dataclass(frozen=True)
class Growth:
    """When to stop adding components.

    Parameters
    ----------
    max_components
        Largest number of components of a chain.
    min_gain
        Nats of ELBO that a round must gain; it must also exceed two standard errors.
    """

    max_components: int = 64
    min_gain: float = 0.1

    def is_worth_trying(self, pool: Pool, mixture: IsotropicMixture) -> bool:
        """Whether the weights vary enough to gain, and the bound allows more components."""
        relative_ess = pool.importance_ess() / pool.log_ratios.size
        grown = mixture.num_components + mixture.num_components // 2
        return relative_ess < MAX_RELATIVE_ESS and grown <= self.max_components

    def has_gained(self, before: Pool, after: Pool) -> bool:
        """Whether a round was worth its cost."""
        (old, old_se), (new, new_se) = before.pooled_elbo(), after.pooled_elbo()
        return new - old > max(self.min_gain, 2.0 * float(np.hypot(old_se, new_se)))


def split_worst(mixture: IsotropicMixture, pool: Pool) -> IsotropicMixture:
    """Split the worse half of the components of every chain in two: K becomes K + K // 2.

    The misfit of a component is w_k Var_k[log q - log π], the part that a shift of the component
    cannot reduce.  Its halves are shifted to either side of its mean along
    E_k[(y - m_k)(log π - log q)], the direction in which the misfit grows.  Each has half of its
    weight.
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
        shift = SHIFT_SD * np.sqrt(mixture.variances[chain][worst])[:, None] * directions[worst]
        means[chain, :count], means[chain, count:] = mixture.means[chain], 0.0
        means[chain, worst] += shift
        means[chain, count:] = mixture.means[chain][worst] - shift
        variances[chain, :count] = mixture.variances[chain]
        variances[chain, worst] *= VARIANCE_SHARE
        variances[chain, count:] = variances[chain, worst]
        log_weights[chain, :count] = mixture.log_weights[chain]
        log_weights[chain, worst] -= np.log(2.0)
        log_weights[chain, count:] = log_weights[chain, worst]
    return replace(mixture, means=means, variances=variances, log_weights=log_weights)


def _local_misfit(
    points: Float[np.ndarray, "n d"],
    ratios: Float[np.ndarray, " n"],
    components: Int[np.ndarray, " n"],
    means: Float[np.ndarray, "k d"],
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, "k d"]]:
    """Variance of the log ratio under each component, and the direction in which it varies."""
    count, dim = means.shape
    misfit = np.zeros(count)
    directions = np.zeros((count, dim))
    directions[:, 0] = 1.0
    for component in range(count):
        members = (components == component) & np.isfinite(ratios)
        if members.sum() < MIN_DRAWS:
            continue
        local = ratios[members] - ratios[members].mean()
        misfit[component] = local.var()
        direction = local @ (points[members] - means[component])
        length = np.sqrt(direction @ direction)
        if length > 0:
            directions[component] = direction / length
    return misfit, directions

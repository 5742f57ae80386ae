"""Whether a mixture of one family replaces a mixture of another, judged by fresh draws of both."""

import numpy as np
from jaxtyping import Float

from isogmm.draws.pool import Pool
from isogmm.draws.weigh import weigh
from isogmm.recipe.thresholds import (
    FLAT_RELATIVE_ESS,
    MAX_GOOD_K,
    MAX_PARETO_K,
    MIN_REWEIGHT_RELATIVE_ESS,
)

#: Smallest ratio of the effective sample sizes of importance weights, after and before, where the
#: weights are unreliable.  On a robot arm with eleven modes GMMVI raised the ELBO by 1.4 nats, but
#: the ratio was 0.09 and the masses of the modes became uncertain.  On a Student mixture, where it
#: raised the ELBO by 0.6 nats, the ratio was 1.0.
MIN_ESS_RATIO = 0.5
#: Standard errors by which the ELBO of full covariances must exceed that of isotropic ones.
NUM_STANDARD_ERRORS = 2.0


def is_better(before: Pool, after: Pool) -> bool:
    """Whether the ELBO is higher by more than its noise, and the draws are no worse.

    The estimates of the ELBO leave out draws outside the support: there must not be more of them.
    Importance weights that are unreliable must not have a much smaller effective sample size,
    because the masses of the modes depend on them.  Weights that correct the draws must not become
    unreliable.
    """
    if after.num_nonfinite > before.num_nonfinite:
        return False
    if not (_has_higher_elbo(before, after) or _has_lower_divergence(before, after)):
        return False
    old, new = weigh(before), weigh(after)
    if new.relative_ess > FLAT_RELATIVE_ESS or new.pareto_k <= MAX_PARETO_K:
        return True
    if old.relative_ess > MIN_REWEIGHT_RELATIVE_ESS and old.pareto_k <= MAX_PARETO_K:
        return False
    return new.relative_ess >= MIN_ESS_RATIO * old.relative_ess


def _has_higher_elbo(before: Pool, after: Pool) -> bool:
    (old, old_se), (new, new_se) = before.pooled_elbo(), after.pooled_elbo()
    return new - old > NUM_STANDARD_ERRORS * float(np.hypot(old_se, new_se))


def _has_lower_divergence(before: Pool, after: Pool) -> bool:
    """Whether the divergence is lower by more than its noise, if all weights are reliable.

    The divergence does not include what a mixture misses, so the ELBO must be higher too.
    """
    if after.pooled_elbo()[0] <= before.pooled_elbo()[0]:
        return False
    if not (_has_reliable_weights(before) and _has_reliable_weights(after)):
        return False
    (old, old_se), (new, new_se) = divergence(before.log_ratios), divergence(after.log_ratios)
    return old - new > NUM_STANDARD_ERRORS * float(np.hypot(old_se, new_se))


def _has_reliable_weights(pool: Pool) -> bool:
    """Whether all draws are in the support, and the variance of the weights exists."""
    if not np.isfinite(pool.log_ratios).all():
        return False
    weights = weigh(pool)
    return weights.relative_ess > FLAT_RELATIVE_ESS or weights.pareto_k <= MAX_GOOD_K


def divergence(log_ratios: Float[np.ndarray, " n"]) -> tuple[float, float]:
    """KL(q ‖ π) from log w = log π - log q at draws of q, and its standard error (delta method).

    It is log mean w - mean log w.  The errors of the two terms nearly cancel: for mixtures on 40
    modes with a divergence of 0.005 the standard error was 0.0003, that of the ELBO 0.0015.
    """
    log_mean = np.logaddexp.reduce(log_ratios) - np.log(len(log_ratios))
    centered = log_ratios - log_mean
    influence = np.exp(centered) - centered
    return float(-centered.mean()), float(influence.std(ddof=1) / np.sqrt(len(log_ratios)))

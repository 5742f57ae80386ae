"""How importance weights change the moments and quantiles of variables on their own scale."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from jaxtyping import Float

from isogmm.draws.differences import STATISTICS, differences_of
from isogmm.results.arviz.versions import psis

#: Difference that is ignored, in Monte Carlo standard errors of the weighted estimate.  A bias of
#: this size adds at most 41 % to the error of an estimate from the draws.
MIN_DIFFERENCE = 1.0
#: Probability that any difference counts although the weights do not depend on the variables.
FALSE_ALARM_PROBABILITY = 0.01
#: Largest number of scalars for which Pareto k is computed, those with the largest differences.
MAX_PARETO_SCALARS = 20
#: Ratio of two sds from which it is shown as a multiple and not in percent.
MIN_MULTIPLE = 2.0


@dataclass(frozen=True)
class WeightEffect:
    """The scalar whose estimates change most by the weights, if any change is significant.

    Parameters
    ----------
    name, statistic
        The scalar, ``x`` or ``x[1, 2]``, and the estimate with the largest change in standard
        errors: ``mean``, ``sd`` or a quantile.
    num_errors
        This change in Monte Carlo standard errors; infinite if only draws with almost no weight
        have values that are not finite.
    mean_shift, log_sd_shift
        Estimate without weights minus the one with weights: of the mean in standard deviations,
        and of the log standard deviation.
    pareto_k, tail_name
        Largest Pareto k of w(x - m)^2 and its scalar, of those whose change is significant and
        whose tail the weights make heavier; 0 and an empty string if there are none.
    """

    name: str
    statistic: str
    num_errors: float
    mean_shift: float
    log_sd_shift: float
    pareto_k: float = 0.0
    tail_name: str = ""

    @property
    def shift(self) -> float:
        """The larger of the two shifts; infinite if values are not finite."""
        shifts = abs(self.mean_shift), abs(self.log_sd_shift)
        return np.inf if np.isinf(self.num_errors) else max(shifts)

    def describe(self) -> str:
        """The estimate that changes most, and its error without weights."""
        if np.isinf(self.num_errors):
            return f"the {self.statistic} of {self.name} would not be finite"
        subject = f"the {self.statistic} of {self.name} would be"
        if self.statistic == "mean":
            side = "large" if self.mean_shift > 0 else "small"
            return f"{subject} {abs(self.mean_shift):.2f} sd too {side}"
        if self.statistic == "sd":
            side = "large" if self.log_sd_shift > 0 else "small"
            ratio = np.exp(abs(self.log_sd_shift))
            size = f"{ratio - 1:.0%} too" if ratio < MIN_MULTIPLE else f"{ratio:.3g} times too"
            return f"{subject} {size} {side}"
        return f"{subject} inaccurate"


def weight_effect(
    variables: Mapping[str, np.ndarray],
    log_weights: Float[np.ndarray, " n"],
    log_ratios: Float[np.ndarray, " n"],
) -> WeightEffect | None:
    r"""Compare estimates from the same draws with and without importance weights.

    Draws in a far tail of q can have almost no weight.  Neither the effective sample size nor
    Pareto k of the weights depends on them, but a transform such as exp makes them dominate the
    moments.  For each scalar this function compares the mean, the log standard deviation and the
    shares of draws below five quantiles.  A difference is significant if it exceeds

    .. math:: \max(1, z \, c_w) \text{ Monte Carlo standard errors of the weighted estimate},

    with c_w the coefficient of variation of the weights.  If the weights do not depend on the
    variables, a difference has a standard deviation of c_w standard errors.  z is the quantile of
    the normal distribution for which the probability of any false alarm is at most
    ``FALSE_ALARM_PROBABILITY``, by Bonferroni's inequality.

    Parameters
    ----------
    variables
        Draws (n, ...) of each variable on its own scale.
    log_weights
        Smoothed weights, normalized.
    log_ratios
        The ratios before they were smoothed.

    Returns
    -------
    WeightEffect or None
        None if no difference is significant.

    References
    ----------
    Vehtari, Simpson, Gelman, Yao and Gabry (2024), Pareto smoothed importance sampling, JMLR 25:
    Pareto k of h(x) w for the estimate of the expectation of h.
    """
    weights = np.exp(log_weights)
    num_draws = len(weights)
    differences = differences_of(variables, weights)
    if not differences:
        return None
    num_tests = len(differences) * len(STATISTICS)
    z = NormalDist().inv_cdf(1.0 - 0.5 * FALSE_ALARM_PROBABILITY / num_tests)
    variation = np.sqrt(max(num_draws * (weights**2).sum() - 1.0, 0.0))
    limit = max(MIN_DIFFERENCE, z * variation)
    significant = [found for found in differences if found.num_errors > limit]
    if not significant:
        return None
    significant.sort(key=lambda found: -found.num_errors)
    tails = {
        found.name: _tail_shape(found.values, weights, log_ratios)
        for found in significant[:MAX_PARETO_SCALARS]
    }
    heaviest = max(tails, key=tails.__getitem__)
    worst = significant[0]
    return WeightEffect(
        worst.name,
        STATISTICS[worst.statistic],
        worst.num_errors,
        worst.mean_shift,
        worst.log_sd_shift,
        tails[heaviest],
        heaviest if tails[heaviest] > 0.0 else "",
    )


def _tail_shape(
    values: Float[np.ndarray, " n"],
    weights: Float[np.ndarray, " n"],
    log_ratios: Float[np.ndarray, " n"],
) -> float:
    """Pareto k of w(x - m)^2; 0 if the tail of (x - m)^2 alone is at least as heavy.

    The weights make such a tail lighter, and the weighted estimate is then at least as reliable
    as one from draws of q.
    """
    values = np.asarray(values, dtype=np.float64)
    if not np.isfinite(values).all():
        return 0.0
    with np.errstate(divide="ignore"):
        log_squares = 2.0 * np.log(np.abs(values - weights @ values))
    weighted, alone = psis(log_squares + log_ratios)[1], psis(log_squares)[1]
    return weighted if weighted > alone else 0.0

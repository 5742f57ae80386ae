"""How importance weights change the moments and quantiles of variables on their own scale."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from jaxtyping import Float, Shaped

from isogmm.draws.blocks import coordinate_blocks
from isogmm.results.arviz_versions import psis

#: Levels of the quantiles that are compared.
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
#: Difference that is ignored, in Monte Carlo standard errors of the weighted estimate.  A bias of
#: this size adds at most 41 % to the error of an estimate from the draws.
MIN_DIFFERENCE = 1.0
#: Probability that any difference counts although the weights do not depend on the variables.
FALSE_ALARM_PROBABILITY = 0.01
#: Largest number of entries of a variable that are compared, evenly spaced.
MAX_ENTRIES = 2000
#: Largest number of scalars for which Pareto k is computed, those with the largest differences.
MAX_PARETO_SCALARS = 20
#: Standard deviation, in units of the rounding error of the mean, below which a scalar is constant,
#: for example the diagonal of a correlation matrix.
MAX_ROUNDING = 100.0
#: Largest weight, in multiples of the weight of one draw, of draws whose value is not finite, for
#: which weights would remove these draws.
MAX_NONFINITE_WEIGHT = 0.5


@dataclass(frozen=True)
class WeightEffect:
    """The scalar whose estimates change most by the weights, if any change is significant.

    Parameters
    ----------
    name
        The scalar: ``x`` or ``x[1, 2]``.
    mean_shift, log_sd_shift
        Estimate without weights minus the one with weights: of the mean in standard deviations,
        and of the log standard deviation.
    num_errors
        The largest difference, in Monte Carlo standard errors.
    pareto_k, tail_name
        Largest Pareto k of w(x - m)^2 and its scalar, of those whose difference is significant and
        whose tail the weights make heavier; 0 and an empty string if there are none.
    """

    name: str
    mean_shift: float
    log_sd_shift: float
    num_errors: float
    pareto_k: float = 0.0
    tail_name: str = ""

    @property
    def shift(self) -> float:
        """The larger of the two shifts."""
        shifts = abs(self.mean_shift), abs(self.log_sd_shift)
        return np.inf if np.isinf(self.num_errors) else max(shifts)

    def describe(self, verb: str = "would be") -> str:
        """The estimate that is wrong without weights, and by how much."""
        if np.isinf(self.num_errors):
            return f"the sd of {self.name} {verb} not finite"
        if abs(self.log_sd_shift) > abs(self.mean_shift):
            side = "large" if self.log_sd_shift > 0 else "small"
            change = abs(np.expm1(self.log_sd_shift))
            return f"the sd of {self.name} {verb} {change:.0%} too {side}"
        side = "large" if self.mean_shift > 0 else "small"
        return f"the mean of {self.name} {verb} {abs(self.mean_shift):.2f} sd too {side}"


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
    differences = _differences(variables, weights)
    if not differences:
        return None
    num_tests = len(differences) * (2 + len(LEVELS))
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
        worst.mean_shift,
        worst.log_sd_shift,
        worst.num_errors,
        tails[heaviest],
        heaviest if tails[heaviest] > 0.0 else "",
    )


@dataclass(frozen=True)
class _Difference:
    """The differences of one scalar; its values (n,) are a view of the variable."""

    name: str
    values: np.ndarray
    mean_shift: float
    log_sd_shift: float
    num_errors: float


def _differences(
    variables: Mapping[str, np.ndarray], weights: Float[np.ndarray, " n"]
) -> list[_Difference]:
    """The differences of all scalars that vary."""
    found = []
    for name, array in variables.items():
        if array.dtype.kind not in "fiub":
            continue
        flat = array.reshape(len(weights), -1)
        shape = array.shape[1:]
        entries = np.unique(np.linspace(0, flat.shape[1] - 1, MAX_ENTRIES).round().astype(int))
        entries = entries if flat.shape[1] > MAX_ENTRIES else np.arange(flat.shape[1])
        for block in coordinate_blocks(len(entries)):
            columns = entries[block]
            compared = _compare(flat[:, columns], weights)
            for column, *numbers in zip(columns, *compared, strict=True):
                if not np.isnan(numbers[-1]):
                    label = _label(name, np.unravel_index(column, shape) if shape else ())
                    found.append(_Difference(label, flat[:, column], *map(float, numbers)))
    return found


def _compare(
    draws: Shaped[np.ndarray, "n b"], weights: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " b"], Float[np.ndarray, " b"], Float[np.ndarray, " b"]]:
    """Shifts of means and log sds, and the largest difference in standard errors.

    The last is NaN for a scalar that does not vary, and infinite if values are not finite only
    where the weights are zero.
    """
    num_draws = len(draws)
    is_finite = np.isfinite(draws)
    lost = weights @ ~is_finite
    spoiled = ~is_finite.all(axis=0)
    values = np.where(spoiled, 0.0, draws.astype(np.float64))
    rounding = np.finfo(draws.dtype if draws.dtype.kind == "f" else np.float64).eps
    with np.errstate(all="ignore"):
        mean = weights @ values
        sd = np.sqrt(weights @ (values - mean) ** 2)
        scaled = (values - mean) / sd
        mean_shift = scaled.mean(axis=0)
        log_sd_shift = 0.5 * np.log((scaled**2).mean(axis=0) - mean_shift**2)
        # The variance of a squared standardized value; at least that of a nearly even coin.
        variance = np.maximum(weights @ scaled**4 - 1.0, 1e-3)
        num_errors = np.abs(mean_shift) * np.sqrt(num_draws)
        num_errors = np.fmax(num_errors, np.abs(log_sd_shift) * np.sqrt(4 * num_draws / variance))
        for level, quantile in zip(LEVELS, np.quantile(values, LEVELS, axis=0), strict=True):
            below = values <= quantile
            share = below.mean(axis=0)
            spread = np.sqrt(np.maximum(share * (1.0 - share), level * (1.0 - level)) / num_draws)
            num_errors = np.fmax(num_errors, np.abs(share - weights @ below) / spread)
    num_errors = np.where(sd > MAX_ROUNDING * rounding * np.abs(mean), num_errors, np.nan)
    is_removed = spoiled & (lost * num_draws < MAX_NONFINITE_WEIGHT)
    return mean_shift, log_sd_shift, np.where(is_removed, np.inf, num_errors)


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


def _label(name: str, index: tuple[int, ...]) -> str:
    return f"{name}[{', '.join(map(str, index))}]" if index else name

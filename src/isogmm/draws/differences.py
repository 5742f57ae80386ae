"""Differences between estimates from the same draws without and with importance weights."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from isogmm.draws.blocks import coordinate_blocks

#: Levels of the quantiles that are compared.
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
#: The statistics that are compared.
STATISTICS = ("mean", "sd", *(f"{level:.0%} quantile" for level in LEVELS))
#: Largest number of entries of a variable that are compared, evenly spaced.  A thousand scalars of
#: 4,000 draws take about half a second.
MAX_ENTRIES = 1000
#: Smallest variance of squared standardized values: that of a nearly even coin.
MIN_VARIANCE_OF_SQUARES = 1e-3
#: Standard deviation, in units of the rounding error of the mean, below which a scalar is constant,
#: for example the diagonal of a correlation matrix.
MAX_ROUNDING = 100.0
#: Weight of draws whose value is not finite, in multiples of the weight of one draw, below which
#: weights would remove these draws.
MAX_NONFINITE_WEIGHT = 0.5


class Difference(NamedTuple):
    """The differences between estimates of one scalar without and with weights.

    Parameters
    ----------
    name, values
        The scalar and its values (n,), a view of the variable.
    statistic, num_errors
        Index of the statistic with the largest difference, and this difference in standard errors.
    mean_shift, log_sd_shift
        Estimate without weights minus the one with weights: of the mean in standard deviations,
        and of the log standard deviation.
    """

    name: str
    values: np.ndarray
    statistic: int
    num_errors: float
    mean_shift: float
    log_sd_shift: float


def differences_of(
    variables: Mapping[str, np.ndarray], weights: Float[np.ndarray, " n"]
) -> list[Difference]:
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
            errors, mean_shift, log_sd_shift = _compare(flat[:, columns], weights)
            worst = np.argmax(errors, axis=0)
            for i in np.flatnonzero(errors.max(axis=0) > 0.0):
                found.append(
                    Difference(
                        _label(name, int(columns[i]), shape),
                        flat[:, columns[i]],
                        int(worst[i]),
                        float(errors[worst[i], i]),
                        float(mean_shift[i]),
                        float(log_sd_shift[i]),
                    )
                )
    return found


def _compare(
    draws: Shaped[np.ndarray, "n b"], weights: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, "t b"], Float[np.ndarray, " b"], Float[np.ndarray, " b"]]:
    """Differences of all statistics in standard errors, and the shifts of means and log sds.

    The differences are 0 for a scalar that does not vary or has values that are not finite.  They
    are infinite if draws with almost no weight have all values that are not finite.
    """
    num_draws = len(draws)
    is_finite = np.isfinite(draws)
    has_others = ~is_finite.all(axis=0)
    is_removed = has_others & (weights @ ~is_finite * num_draws < MAX_NONFINITE_WEIGHT)
    values = np.where(has_others, 0.0, draws.astype(np.float64))
    rounding = np.finfo(draws.dtype if draws.dtype.kind == "f" else np.float64).eps
    errors = np.zeros((len(STATISTICS), draws.shape[1]))
    with np.errstate(all="ignore"):
        mean = weights @ values
        sd = np.sqrt(weights @ (values - mean) ** 2)
        scaled = (values - mean) / sd
        mean_shift = scaled.mean(axis=0)
        log_sd_shift = 0.5 * np.log((scaled**2).mean(axis=0) - mean_shift**2)
        variance = np.maximum(weights @ scaled**4 - 1.0, MIN_VARIANCE_OF_SQUARES)
        errors[0] = np.abs(mean_shift) * np.sqrt(num_draws)
        errors[1] = np.abs(log_sd_shift) * np.sqrt(4.0 * num_draws / variance)
        quantiles = np.quantile(values, LEVELS, axis=0)
        for row, level, quantile in zip(errors[2:], LEVELS, quantiles, strict=True):
            below = values <= quantile
            share = below.mean(axis=0)
            spread = np.sqrt(np.maximum(share * (1.0 - share), level * (1.0 - level)) / num_draws)
            row[:] = np.abs(share - weights @ below) / spread
    is_constant = ~(sd > MAX_ROUNDING * rounding * np.abs(mean))
    errors[:, is_constant] = 0.0
    errors[1, is_removed] = np.inf
    return np.nan_to_num(errors, nan=0.0, posinf=np.inf), mean_shift, log_sd_shift


def _label(name: str, entry: int, shape: tuple[int, ...]) -> str:
    """The name of an entry of a variable: ``x[1, 2]``, or ``x`` for a scalar."""
    index = ", ".join(str(i) for i in np.unravel_index(entry, shape))
    return f"{name}[{index}]" if index else name

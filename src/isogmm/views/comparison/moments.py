"""Errors of means, standard deviations and quantiles, and their sizes for an exact method.

Every error is in units of the reference, scalar by scalar:

``mean``      (mean - mean of the reference) / sd of the reference
``log_sd``    log(sd / sd of the reference)
``quantile``  at 5, 25, 50, 75 and 95 %, in units of (q95 - q5) / 3.29, which is the sd of a
              normal distribution and exists for heavy tails too

A reference made of draws has a Monte Carlo error.  For a statistic T of n independent draws,
Var T ≈ τ²/n.  An exact method with effective size n' therefore differs from the reference by about
τ √(1/n + 1/n').  The joint distribution of these differences over all scalars is estimated by a
bootstrap of the reference.  The maximum over correlated scalars thus has a floor of its own.
"""

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from isogmm.results.arviz.versions import ess

#: Levels of the quantiles.
LEVELS = np.array([0.05, 0.25, 0.50, 0.75, 0.95])
#: q95 - q5 of a standard normal distribution.
NORMAL_RANGE = 3.2897072539029435
#: Number of bootstrap samples.
REPLICATES = 100
#: Largest number of draws of the reference from which bootstrap samples are taken.
BOOTSTRAP_ROWS = 1000
#: Fewest draws of a chain from which an autocorrelation is estimated.
MIN_CHAIN = 8
#: Smallest standard deviation, relative to the mean, of a scalar that varies.
MIN_RELATIVE_SD = 1e-10

#: ``mean`` and ``log_sd`` have shape (..., p), ``quantile`` has shape (..., 5, p).
Statistics: TypeAlias = dict[str, np.ndarray]


def statistics(rows: Float[np.ndarray, "m p"]) -> Statistics:
    """Mean, log standard deviation and quantiles of every scalar."""
    with np.errstate(divide="ignore", invalid="ignore"):
        log_sd = np.log(rows.std(axis=0, ddof=1))
    return {
        "mean": rows.mean(axis=0),
        "log_sd": log_sd,
        "quantile": np.quantile(rows, LEVELS, axis=0),
    }


def varies(reference: Statistics) -> np.ndarray:
    """Which scalars vary; entries that the model fixes (diagonal of a Cholesky factor) do not."""
    sd = np.exp(reference["log_sd"])
    has_sd = np.isfinite(sd) & (sd > MIN_RELATIVE_SD * np.abs(reference["mean"]))
    return has_sd & (_width(reference) > 0)


def errors(found: Statistics, reference: Statistics) -> Statistics:
    """Differences from the reference in its units, as the docstring of the module defines them."""
    return {
        "mean": (found["mean"] - reference["mean"]) / np.exp(reference["log_sd"]),
        "log_sd": found["log_sd"] - reference["log_sd"],
        "quantile": (found["quantile"] - reference["quantile"]) / _width(reference),
    }


def _width(reference: Statistics) -> np.ndarray:
    """(q95 - q5) / 3.29 of every scalar."""
    quantile = reference["quantile"]
    return (quantile[-1] - quantile[0]) / NORMAL_RANGE


def effective_draws(values: Float[np.ndarray, "c n p"]) -> Statistics:
    """Effective sample size of each statistic, from autocorrelations (Vehtari et al. 2021).

    Each statistic is a function of means: of the draws, of squared deviations, or of the
    indicators x ≤ q.  Its effective sample size is that of this mean.
    """
    rows = values.reshape(-1, values.shape[-1])
    below = [values <= quantile for quantile in np.quantile(rows, LEVELS, axis=0)]
    return {
        "mean": _effective(values),
        "log_sd": _effective((values - rows.mean(axis=0)) ** 2),
        "quantile": np.stack([_effective(indicator.astype(np.float64)) for indicator in below]),
    }


def _effective(values: Float[np.ndarray, "c n p"]) -> Float[np.ndarray, " p"]:
    num_draws = values.shape[0] * values.shape[1]
    if values.shape[1] < MIN_CHAIN:
        return np.full(values.shape[-1], float(num_draws))
    size = ess(values, method="mean")
    # The effective sample size of a constant scalar is NaN.
    return np.where(np.isfinite(size), np.maximum(size, 1.0), num_draws)


def sampling_noise(rows: Float[np.ndarray, "m p"], generator: np.random.Generator) -> Statistics:
    """Errors of bootstrap samples, multiplied by √n; the leading axis is the replicates."""
    keep = np.linspace(0, len(rows) - 1, min(len(rows), BOOTSTRAP_ROWS)).round().astype(int)
    rows = rows[keep]
    center = statistics(rows)
    samples = [
        errors(statistics(rows[generator.integers(len(rows), size=len(rows))]), center)
        for _ in range(REPLICATES)
    ]
    root = np.sqrt(len(rows))
    return {name: root * np.stack([sample[name] for sample in samples]) for name in center}


def exact_errors(noise: Statistics, *sizes: Mapping[str, np.ndarray]) -> Statistics:
    """Errors of exact methods: the noise scaled by √(1/n + 1/n') for these effective sizes."""
    return {
        name: values * np.sqrt(sum(1.0 / size[name] for size in sizes))
        for name, values in noise.items()
    }


def rms(error: np.ndarray, axis: tuple[int, ...]) -> np.ndarray | np.floating:
    """Root mean square."""
    return np.sqrt(np.mean(error**2, axis=axis))


def scores(error: Statistics) -> dict[str, float]:
    """Root mean square and maximum over scalars: ``mean_rms``, ``mean_max``, ``log_sd_rms``, ..."""
    found = {}
    for name, values in error.items():
        axes = tuple(range(values.ndim))
        found[f"{name}_rms"] = float(rms(values, axes))
        found[f"{name}_max"] = float(np.abs(values).max())
    return found


def floors(exact: Statistics) -> dict[str, float]:
    """Typical values of :func:`scores` for an exact method: medians over the replicates."""
    found = {}
    for name, values in exact.items():
        axes = tuple(range(1, values.ndim))
        found[f"{name}_rms"] = float(np.median(rms(values, axes)))
        found[f"{name}_max"] = float(np.median(np.abs(values).max(axis=axes)))
    return found

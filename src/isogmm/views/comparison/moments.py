"""Errors of means, spreads and quantiles, and how large they are for an exact method.

Every error is in the reference's own units, scalar by scalar:

``mean``      (mean - mean of the reference) / sd of the reference
``log_sd``    log(sd / sd of the reference)
``quantile``  at 5, 25, 50, 75 and 95 %, in units of (q95 - q5) / 3.29, which is the sd of a
              normal distribution and exists for heavy tails too

A reference made of draws is itself uncertain.  For a statistic T of n independent draws,
Var T ≈ τ²/n; an exact method with effective size n' then differs from the reference by about
τ √(1/n + 1/n').  The joint distribution of these differences over all scalars is taken from a
bootstrap of the reference, so that a maximum over correlated scalars has its own floor.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from isogmm.results.arviz_versions import ess

LEVELS = np.array([0.05, 0.25, 0.50, 0.75, 0.95])
#: q95 - q5 of a standard normal.
NORMAL_RANGE = 3.2897072539029435
#: Bootstrap samples, and rows of the reference they are taken from.
REPLICATES, BOOTSTRAP_ROWS = 100, 1000
#: Chains shorter than this are too short to show autocorrelation.
MIN_CHAIN = 8

#: ``mean`` and ``log_sd``: (..., p); ``quantile``: (..., 5, p).
Statistics = dict[str, np.ndarray]


def statistics(rows: Float[np.ndarray, "m p"]) -> Statistics:
    """Mean, log sd and quantiles of every scalar."""
    with np.errstate(divide="ignore", invalid="ignore"):
        log_sd = np.log(rows.std(axis=0, ddof=1))
    return {
        "mean": rows.mean(axis=0),
        "log_sd": log_sd,
        "quantile": np.quantile(rows, LEVELS, axis=0),
    }


def varies(reference: Statistics) -> np.ndarray:
    """Scalars that have a spread; entries fixed by the model (a factor's diagonal) have none."""
    sd = np.exp(reference["log_sd"])
    return np.isfinite(sd) & (sd > 1e-10 * np.abs(reference["mean"])) & (_width(reference) > 0)


def errors(found: Statistics, reference: Statistics) -> Statistics:
    """Differences from the reference in its own units (see the module's text)."""
    return {
        "mean": (found["mean"] - reference["mean"]) / np.exp(reference["log_sd"]),
        "log_sd": found["log_sd"] - reference["log_sd"],
        "quantile": (found["quantile"] - reference["quantile"]) / _width(reference),
    }


def _width(reference: Statistics) -> np.ndarray:
    quantile = reference["quantile"]
    return (quantile[-1] - quantile[0]) / NORMAL_RANGE


def effective_draws(values: Float[np.ndarray, "c n p"]) -> Statistics:
    """Effective sample size behind each statistic, by autocorrelation (Vehtari et al. 2021).

    Each statistic is a function of means: of the draws, of squared deviations, of the
    indicators x ≤ q; the sizes are those of these means.
    """
    rows = values.reshape(-1, values.shape[-1])
    below = [values <= quantile for quantile in np.quantile(rows, LEVELS, axis=0)]
    return {
        "mean": _effective(values),
        "log_sd": _effective((values - rows.mean(axis=0)) ** 2),
        "quantile": np.stack([_effective(indicator.astype(np.float64)) for indicator in below]),
    }


def _effective(values: Float[np.ndarray, "c n p"]) -> np.ndarray:
    number = values.shape[0] * values.shape[1]
    if values.shape[1] < MIN_CHAIN:
        return np.full(values.shape[-1], float(number))
    size = ess(values, method="mean")
    # Scalars that never move have no autocorrelation.
    return np.where(np.isfinite(size), np.maximum(size, 1.0), number)


def sampling_noise(rows: Float[np.ndarray, "m p"], generator: np.random.Generator) -> Statistics:
    """√n times the errors of bootstrap samples: leading axis replicates."""
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
    """Errors of exact methods: noise scaled by √(1/n + 1/n') for the effective sizes given."""
    return {
        name: values * np.sqrt(sum(1.0 / size[name] for size in sizes))
        for name, values in noise.items()
    }


def rms(error: np.ndarray, axis: tuple[int, ...]) -> Any:
    """Root mean square."""
    return np.sqrt(np.mean(error**2, axis=axis))


def scores(error: Statistics) -> dict[str, float]:
    """``mean_rms``, ``mean_max`` and the same of ``log_sd`` and ``quantile``, over scalars."""
    found = {}
    for name, values in error.items():
        axes = tuple(range(values.ndim))
        found[f"{name}_rms"] = float(rms(values, axes))
        found[f"{name}_max"] = float(np.abs(values).max())
    return found


def floors(exact: Statistics) -> dict[str, float]:
    """What :func:`scores` typically gives for an exact method: medians over the replicates."""
    found = {}
    for name, values in exact.items():
        axes = tuple(range(1, values.ndim))
        found[f"{name}_rms"] = float(np.median(rms(values, axes)))
        found[f"{name}_max"] = float(np.median(np.abs(values).max(axis=axes)))
    return found

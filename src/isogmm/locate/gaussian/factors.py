"""Factors of covariances: lower triangular matrices L (d, d), or standard deviations (d,)."""

import numpy as np
from jaxtyping import Float

from isogmm.errors import OptionError
from isogmm.mixtures.affine_map import AffineMap

#: Smallest eigenvalue of the correlation matrix that is kept, relative to the largest one.
MIN_RELATIVE_EIGENVALUE = 1e-10
#: Smallest variance that is kept: relative to the largest one, and in absolute terms.
MIN_RELATIVE_VARIANCE, MIN_VARIANCE = 1e-30, 1e-300
#: A pair of step s and gradient change z enters the BFGS estimate if s·z exceeds the first number
#: times max(s·s, second number times z·z).
MIN_CURVATURE, MIN_STEP_TO_CHANGE = 1e-10, 1e-12

#: L of shape (d, d) with covariance L Lᵀ, or the standard deviations (d,) of a diagonal one.
Factor = Float[np.ndarray, "d d"] | Float[np.ndarray, " d"]


def standardize(factor: Factor, shift: Float[np.ndarray, " d"]) -> Float[np.ndarray, " d"]:
    """L⁻¹ s for a shift s: its length in standard deviations along each axis."""
    return shift / factor if factor.ndim == 1 else np.linalg.solve(factor, shift)


def map_of(mean: Float[np.ndarray, " d"], factor: Factor) -> AffineMap:
    """The coordinates in which the Gaussian N(mean, L Lᵀ) is standard normal.

    Only its standard deviations if L is singular to working precision.
    """
    if factor.ndim == 1:
        return AffineMap(mean, factor)
    try:
        return AffineMap(mean, np.ones(len(mean)), factor)
    except OptionError:
        return AffineMap(mean, np.sqrt((factor**2).sum(axis=1)))


def log_det(factor: Factor) -> float:
    """log det L of a triangular or diagonal factor with a positive diagonal."""
    diagonal = factor if factor.ndim == 1 else np.diag(factor)
    return float(np.log(diagonal).sum())


def lower_triangular(root: Float[np.ndarray, "d r"]) -> Float[np.ndarray, "d d"]:
    """The lower triangular L with L Lᵀ = R Rᵀ and a non-negative diagonal."""
    _, upper = np.linalg.qr(root.T)
    return (upper * np.where(np.diag(upper) < 0, -1.0, 1.0)[:, None]).T


def factor_of(covariance: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "d d"]:
    """Lower triangular L with L Lᵀ the covariance, after its eigenvalues are made positive.

    The identity if the covariance is not finite, has no positive variance, or has no eigenvalues in
    floating point.  A kink of the log density can produce infinite estimates of its curvature.
    Near scale zero of a hierarchy, rounding errors can make all variances of an estimate negative.
    """
    variances = np.diag(covariance)
    if not np.all(np.isfinite(covariance)) or variances.max() <= 0.0:
        return np.eye(len(covariance))
    smallest = max(MIN_RELATIVE_VARIANCE * variances.max(), MIN_VARIANCE)
    scale = np.sqrt(np.maximum(variances, smallest))
    try:
        values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    except np.linalg.LinAlgError:
        return np.eye(len(covariance))
    values = np.maximum(values, MIN_RELATIVE_EIGENVALUE * values.max())
    return lower_triangular(vectors * np.sqrt(values)) * scale[:, None]


def inverse_hessian(
    positions: Float[np.ndarray, "t d"], gradients: Float[np.ndarray, "t d"]
) -> Float[np.ndarray, "d d"]:
    """BFGS estimate of (-∇² log π)⁻¹ at the last iterate of an optimization path.

    H ← (I - ρ s zᵀ) H (I - ρ z sᵀ) + ρ s sᵀ for every pair of iterates, with s the step, z the
    change of -∇ log π and ρ = 1/(s·z).  H starts as a multiple of the identity.  Pairs without
    positive curvature are left out.  The estimate is symmetric positive definite.
    """
    dim = positions.shape[-1]
    steps, changes = np.diff(positions, axis=0), -np.diff(gradients, axis=0)
    estimate = None
    for step, change in zip(steps, changes, strict=True):
        curvature, length = step @ change, change @ change
        shortest = max(MIN_STEP_TO_CHANGE * length, step @ step)
        if not length > 0 or curvature <= MIN_CURVATURE * shortest:
            continue
        if estimate is None:
            estimate = np.eye(dim) * curvature / (change @ change)
        product = estimate @ change
        estimate = (
            estimate
            + np.outer(step, step) * (1.0 + change @ product / curvature) / curvature
            - (np.outer(product, step) + np.outer(step, product)) / curvature
        )
    return np.eye(dim) if estimate is None else 0.5 * (estimate + estimate.T)


def inverse_hessian_scales(
    positions: Float[np.ndarray, "t d"], gradients: Float[np.ndarray, "t d"]
) -> Float[np.ndarray, " d"]:
    """Square roots of the diagonal of :func:`inverse_hessian`, with O(t d) memory.

    The estimate is kept as γ I + Σ (a s sᵀ - (p sᵀ + s pᵀ) / c), with one term for each pair.
    """
    dim = positions.shape[-1]
    level: float | None = None
    terms: list[tuple[np.ndarray, np.ndarray, float, float]] = []
    for step, change in zip(np.diff(positions, axis=0), -np.diff(gradients, axis=0), strict=True):
        curvature, length = float(step @ change), float(change @ change)
        shortest = max(MIN_STEP_TO_CHANGE * length, float(step @ step))
        if not length > 0 or curvature <= MIN_CURVATURE * shortest:
            continue
        if level is None:
            level = curvature / length
        product = level * change
        for s, p, a, c in terms:
            along = float(s @ change)
            product += s * (a * along - float(p @ change) / c) - p * (along / c)
        factor = (1.0 + float(change @ product) / curvature) / curvature
        terms.append((step, product, factor, curvature))
    if level is None:
        return np.ones(dim)
    variances = np.full(dim, level)
    for s, p, a, c in terms:
        variances += a * s**2 - 2.0 * p * s / c
    if not np.all(np.isfinite(variances)) or variances.max() <= 0.0:  # as in factor_of
        return np.ones(dim)
    smallest = max(MIN_RELATIVE_VARIANCE * float(variances.max()), MIN_VARIANCE)
    return np.sqrt(np.maximum(variances, smallest))

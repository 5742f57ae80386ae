"""Curvature of the log density at one point, from differences of batched gradients."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from isogmm.errors import OptionError
from isogmm.locate.gaussian.factors import lower_triangular
from isogmm.mixtures.affine_map import AffineMap, dense_map, diagonal_map
from isogmm.model.target import Target

#: Step of the second pass of ``hessian_at``, in units of the curvature scale of each coordinate.
#: It is far above the rounding error of single-precision gradients, and far below the scale on
#: which the curvature changes.
RELATIVE_STEP = 1e-2
#: Passes of ``hessian_at``, and tries of a difference, each with a tenth of the step before.
NUM_PASSES, NUM_TRIES, STEP_REDUCTION = 2, 4, 10.0
#: Steps in standard deviations: of ``laplace_factor``, and of ``laplace_scales``.
FACTOR_STEP, SCALES_STEP = 1e-3, 1e-4
#: Smallest eigenvalue kept, relative to the largest, of the Hessian with unit diagonal.
MIN_RELATIVE_EIGENVALUE = 1e-8
#: Rounds of ``laplace_factor``, and the ratio of eigenvalues below which no further one follows.
NUM_FACTOR_ROUNDS, MAX_EIGENVALUE_RATIO = 4, 100.0
#: Bounds of the eigenvalues in a round of ``laplace_factor``: one round widens a direction by a
#: factor of 100 at most.
MIN_EIGENVALUE, MAX_EIGENVALUE = 1e-4, 1e12
#: Rounds of ``laplace_scales``, its probes, and the bounds of the curvature in a round.
NUM_SCALES_ROUNDS, NUM_PROBES, MIN_CURVATURE, MAX_CURVATURE = 3, 16, 1e-6, 1e12


class GradientChanges(NamedTuple):
    """Changes of -∇ log π along some shifts s.

    Parameters
    ----------
    values
        (k, d): ∇ log π(x - s) - ∇ log π(x + s), about 2 H s with the Hessian H of -log π.
    num_finite
        (k,): number of neighbors x ± s with a finite log density, 2, 1 or 0.
    """

    values: Float[np.ndarray, "k d"]
    num_finite: Int[np.ndarray, " k"]


def gradient_changes(
    target: Target,
    position: Float[np.ndarray, " d"],
    shifts: Float[np.ndarray, "k d"],
    center_gradient: Float[np.ndarray, " d"] | None = None,
) -> GradientChanges:
    """Differences of the gradient at x - s and at x + s, for every row s of the shifts.

    All curvature estimates of this package use these differences: 2 k evaluations in one batch.
    The gradient of a neighbor without a finite log density is replaced by ``center_gradient``,
    that at x, which makes the difference one-sided (zero where it is None).
    """
    log_density, gradients = target.evaluate(np.stack([position + shifts, position - shifts]))
    finite = np.isfinite(log_density)
    if center_gradient is not None:
        gradients = np.where(finite[..., None], gradients, center_gradient)
    return GradientChanges(gradients[1] - gradients[0], finite.sum(axis=0))


def hessian_at(target: Target, point: Float[np.ndarray, " d"]) -> Float[np.ndarray, "d d"]:
    """Hessian of -log π by central differences along the coordinates, 4 d evaluations.

    The steps of the first pass are relative to the coordinates; it estimates the curvature of
    each one.  The steps of the second pass are relative to the scales of these curvatures.  The
    difference is one-sided if one neighbor has no finite log density.  A tenth of the step is
    tried if neither has one.

    Raises
    ------
    OptionError
        If the log density is not finite at the point.
    """
    point = np.asarray(point, dtype=np.float64)
    log_density, gradient = target.evaluate(point)
    if not np.isfinite(log_density):
        raise OptionError(
            "whitening cannot be estimated where the log density is not finite "
            f"({log_density}): give another point"
        )
    steps = np.cbrt(np.finfo(np.float64).eps) * np.maximum(1.0, np.abs(point))
    for _ in range(NUM_PASSES):
        hessian = _hessian_rows(target, point, gradient, steps)
        curvature = np.abs(np.diag(hessian))
        known = curvature > 0
        steps = np.where(known, RELATIVE_STEP / np.sqrt(np.where(known, curvature, 1.0)), steps)
    return (hessian + hessian.T) / 2.0


def _hessian_rows(
    target: Target, point: np.ndarray, gradient: np.ndarray, steps: np.ndarray
) -> Float[np.ndarray, "d d"]:
    """Row i is the derivative of -∇ log π along coordinate i; zero where nothing is finite."""
    dim = len(point)
    rows = np.zeros((dim, dim))
    missing = np.arange(dim)
    for _ in range(NUM_TRIES):
        shifts = np.zeros((len(missing), dim))
        shifts[np.arange(len(missing)), missing] = steps[missing]
        change = gradient_changes(target, point, shifts, gradient)
        distance = steps[missing] * change.num_finite
        usable = distance > 0
        rows[missing[usable]] = change.values[usable] / distance[usable, None]
        missing = missing[~usable]
        if not len(missing):
            break
        is_missing = np.isin(np.arange(dim), missing)
        steps = np.where(is_missing, steps / STEP_REDUCTION, steps)
    return rows


def positive_inverse(hessian: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "d d"]:
    """Inverse of |H|: the eigenvalues of the Hessian are replaced by their absolute values.

    The Hessian is scaled to unit diagonal first, so that scales from 0.01 to 10,000 cost no
    digits.  Coordinates with zero curvature are left unscaled.
    """
    curvature = np.abs(np.diag(hessian))
    scale = np.where(curvature > 0, 1.0 / np.sqrt(np.where(curvature > 0, curvature, 1.0)), 1.0)
    values, vectors = np.linalg.eigh(hessian * np.outer(scale, scale))
    values = np.abs(values)
    values = np.maximum(values, MIN_RELATIVE_EIGENVALUE * max(values.max(), 1.0))
    inverse = (vectors / values) @ vectors.T
    return inverse * np.outer(scale, scale)


def dense_at(target: Target, point: Float[np.ndarray, " d"]) -> AffineMap:
    """x = point + L y with L Lᵀ the inverse Hessian of -log π at the point, made positive."""
    return dense_map(np.asarray(point, np.float64), positive_inverse(hessian_at(target, point)))


def diagonal_at(target: Target, point: Float[np.ndarray, " d"]) -> AffineMap:
    """x = point + diag(scale) y with the marginal standard deviations of the same Gaussian."""
    covariance = positive_inverse(hessian_at(target, point))
    return diagonal_map(np.asarray(point, np.float64), np.sqrt(np.diag(covariance)))


def laplace_factor(
    target: Target, position: Float[np.ndarray, " d"], guess: Float[np.ndarray, "d d"]
) -> Float[np.ndarray, "d d"]:
    """A factor L of (-∇² log π)⁻¹ at a point, refined from a first guess.

    The differences are taken along the columns of the current L.  The Hessian is near the identity
    in these coordinates, so that scales from 0.01 to 10,000 lose no digits.  Eigenvalues are
    replaced by their absolute values and bounded.  Further rounds follow while the eigenvalues
    differ much: a path that stopped on a narrow ridge, such as that of a regression on
    uncentered years, does not contain the length of the ridge, and needs three rounds.
    """
    factor = guess
    for _ in range(NUM_FACTOR_ROUNDS):
        change = gradient_changes(target, position, FACTOR_STEP * factor.T)
        hessian = change.values @ factor / (2.0 * FACTOR_STEP)
        if not np.all(np.isfinite(hessian)):
            break
        try:
            values, vectors = np.linalg.eigh(0.5 * (hessian + hessian.T))
        except np.linalg.LinAlgError:  # entries near the largest floating point number
            break
        values = np.clip(np.abs(values), MIN_EIGENVALUE, MAX_EIGENVALUE)
        factor = lower_triangular(factor @ (vectors / np.sqrt(values)))
        if values.max() / values.min() < MAX_EIGENVALUE_RATIO:
            break
    return factor


def laplace_scales(
    target: Target, position: Float[np.ndarray, " d"], num_probes: int = NUM_PROBES
) -> Float[np.ndarray, " d"]:
    """Standard deviations from the diagonal of -∇² log π, for dimensions without dense matrices.

    The diagonal is estimated as E[z ∘ (H z)] over random signs z (Bekas, Kokiopoulou and Saad
    2007).
    """
    dim = len(position)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(num_probes, dim))
    scale = np.ones(dim)
    for _ in range(NUM_SCALES_ROUNDS):
        change = gradient_changes(target, position, SCALES_STEP * signs * scale)
        products = change.values * signs * scale / (2.0 * SCALES_STEP)
        curvature = np.clip(np.abs(products.mean(axis=0)), MIN_CURVATURE, MAX_CURVATURE)
        scale = scale / np.sqrt(curvature)
    return scale

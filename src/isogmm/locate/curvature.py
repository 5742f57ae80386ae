"""Whitening estimated at one point: the inverse Hessian there, made positive."""

import numpy as np
from jaxtyping import Float

from isogmm.errors import OptionError
from isogmm.mixtures.affine_map import AffineMap, dense_map, diagonal_map
from isogmm.model.target import Target

#: Step of the differences in units of each coordinate's own curvature scale: far above the
#: rounding of single-precision gradients, far below the scale on which the curvature changes.
RELATIVE_STEP = 1e-2

#: Finite differences move this many standard deviations.
_STEP = 1e-3

#: Smallest eigenvalue kept, relative to the largest, of the Hessian with unit diagonal.
SMALLEST_EIGENVALUE = 1e-8


def hessian_at(target: Target, point: Float[np.ndarray, " d"]) -> Float[np.ndarray, "d d"]:
    """Hessian of −log π by central differences of the batched gradient, 4 d evaluations.

    Two passes: the first, with steps relative to the coordinates, finds the curvature of each
    one, the second takes steps relative to that.  Where a neighbor has no finite log density
    the difference is taken on the other side alone, or with a tenth of the step.

    Raises
    ------
    OptionError
        If the log density is not finite at the point.
    """
    point = np.asarray(point, dtype=np.float64)
    value, center = target.evaluate(point)
    if not np.isfinite(value):
        raise OptionError(
            f"whitening cannot be estimated where the log density is not finite ({value}): give "
            "another point"
        )
    steps = np.cbrt(np.finfo(np.float64).eps) * np.maximum(1.0, np.abs(point))
    for _ in range(2):
        hessian = _differences(target, point, center, steps)
        curvature = np.abs(np.diag(hessian))
        known = curvature > 0
        steps = np.where(known, RELATIVE_STEP / np.sqrt(np.where(known, curvature, 1.0)), steps)
    return (hessian + hessian.T) / 2.0


def _differences(
    target: Target, point: np.ndarray, center: np.ndarray, steps: np.ndarray
) -> np.ndarray:
    """Row i is the change of −∇log π along coordinate i; zero where nothing is finite."""
    rows = np.zeros((len(point), len(point)))
    todo = np.arange(len(point))
    for _ in range(4):
        moves = np.zeros((len(todo), len(point)))
        moves[np.arange(len(todo)), todo] = steps[todo]
        values, gradients = target.evaluate(np.stack([point + moves, point - moves]))
        finite = np.isfinite(values)
        gradients = np.where(finite[..., None], gradients, center)
        distance = steps[todo] * finite.sum(axis=0)
        usable = distance > 0
        change = gradients[1] - gradients[0]
        rows[todo[usable]] = change[usable] / distance[usable, None]
        todo = todo[~usable]
        if not len(todo):
            break
        steps = np.where(np.isin(np.arange(len(point)), todo), steps / 10.0, steps)
    return rows


def positive_inverse(hessian: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "d d"]:
    """Inverse of |H|: eigenvalues of the Hessian scaled to unit diagonal, made positive.

    The scaling first: scales from 0.01 to 10,000 must not cost digits.  Coordinates without any
    curvature get scale 1.
    """
    curvature = np.abs(np.diag(hessian))
    scale = np.where(curvature > 0, 1.0 / np.sqrt(np.where(curvature > 0, curvature, 1.0)), 1.0)
    values, vectors = np.linalg.eigh(hessian * np.outer(scale, scale))
    values = np.abs(values)
    values = np.maximum(values, SMALLEST_EIGENVALUE * max(values.max(), 1.0))
    inverse = (vectors / values) @ vectors.T
    return inverse * np.outer(scale, scale)


def dense_at(target: Target, point: Float[np.ndarray, " d"]) -> AffineMap:
    """x = point + L y with L Lᵀ the inverse Hessian of −log π at the point, made positive."""
    return dense_map(np.asarray(point, np.float64), positive_inverse(hessian_at(target, point)))


def diagonal_at(target: Target, point: Float[np.ndarray, " d"]) -> AffineMap:
    """x = point + diag(scale) y with the marginal standard deviations of the same Gaussian."""
    covariance = positive_inverse(hessian_at(target, point))
    return diagonal_map(np.asarray(point, np.float64), np.sqrt(np.diag(covariance)))


def laplace_factor(
    target: Target, position: Float[np.ndarray, " d"], guess: Float[np.ndarray, "d d"]
) -> Float[np.ndarray, "d d"]:
    """A factor of (-∇² log π)⁻¹ at a point, from central differences of batched gradients.

    The differences are taken along the columns of ``guess``, where the Hessian is near the
    identity, so that scales from 0.01 to 10,000 lose no digits.  Eigenvalues are replaced by
    their absolute values, bounded away from zero: each round makes a direction at most 100 times
    as wide.  A path that stopped on a narrow ridge (a regression on years that nobody centered)
    knows nothing of its length, and needs three.
    """
    for _ in range(4):
        shifts = _STEP * guess.T
        _, gradients = target.evaluate(np.concatenate([position + shifts, position - shifts]))
        dim = len(position)
        hessian = -(gradients[:dim] - gradients[dim:]) @ guess / (2.0 * _STEP)
        if not np.all(np.isfinite(hessian)):
            break
        values, vectors = np.linalg.eigh(0.5 * (hessian + hessian.T))
        values = np.clip(np.abs(values), 1e-4, 1e12)
        _, upper = np.linalg.qr((guess @ (vectors / np.sqrt(values))).T)
        guess = (upper * np.where(np.diag(upper) < 0, -1.0, 1.0)[:, None]).T
        if values.max() / values.min() < 100.0:
            break
    return guess


def laplace_scales(
    target: Target, position: Float[np.ndarray, " d"], num_probes: int = 16
) -> Float[np.ndarray, " d"]:
    """Standard deviations from a diagonal estimate of -∇² log π, for dimensions too many for a
    matrix: E[z ∘ (H z)] over random signs z (Bekas, Kokiopoulou and Saad 2007)."""
    dim = len(position)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(num_probes, dim))
    scale = np.ones(dim)
    for _ in range(3):
        shifts = 1e-4 * signs * scale
        _, gradients = target.evaluate(np.concatenate([position + shifts, position - shifts]))
        products = -(gradients[:num_probes] - gradients[num_probes:]) * signs * scale / 2e-4
        scale = scale / np.sqrt(np.clip(np.abs(products.mean(axis=0)), 1e-6, 1e12))
    return scale

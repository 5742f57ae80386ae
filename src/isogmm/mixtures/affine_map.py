"""Affine maps x = c + L y between the user's unconstrained space and the engine's coordinates."""

import contextlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from isogmm.errors import OptionError

#: What a map is made of.
PARTS = ("center", "scale", "factor", "vectors", "values")
#: Largest dimension d with dense maps and full covariances.  A dense matrix costs d² numbers and d²
#: operations for each position, its factorization d³; beyond, maps are diagonal or low-rank.
MAX_DENSE_DIM = 500


@dataclass(frozen=True)
class AffineMap:
    """x = c + L y with L = diag(scale) · (I + U diag(values - 1) Uᵀ) or a dense matrix.

    Parameters
    ----------
    center
        c, shape (d,).
    scale
        Positive scales, shape (d,); ignored where ``factor`` is given.
    factor
        A dense invertible L, shape (d, d), or None.
    vectors, values
        Orthonormal columns U (d, r) and their multipliers (r,), or None for r = 0.

    Raises
    ------
    OptionError
        If a part is not finite or L is singular.
    """

    center: Float[Any, " d"]
    scale: Float[Any, " d"]
    factor: Float[Any, "d d"] | None = None
    vectors: Float[Any, "d r"] | None = None
    values: Float[Any, " r"] | None = None
    _inverse: Any = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        xp = self.center.__array_namespace__()
        if xp is not np:
            if self.factor is not None:
                object.__setattr__(self, "_inverse", xp.linalg.inv(self.factor))
            return
        for name in PARTS:
            part = getattr(self, name)
            if part is not None and not np.all(np.isfinite(part)):
                raise OptionError(f"the whitening map has entries of {name} that are not finite")
        if not np.all(self.scale > 0) or (self.values is not None and not np.all(self.values > 0)):
            raise OptionError("the whitening map is singular: its scales must be positive")
        if self.factor is not None:
            object.__setattr__(self, "_inverse", _inverse_of(self.factor))

    @property
    def kind(self) -> str:
        """``dense``, ``low_rank`` or ``diagonal``."""
        if self.factor is not None:
            return "dense"
        return "diagonal" if self.vectors is None else "low_rank"

    def _low_rank(self, points: Any, power: int) -> Any:
        vectors: Any = self.vectors
        values: Any = self.values
        return points + ((points @ vectors) * (values**power - 1.0)) @ vectors.T

    def linear(self, points: Float[Any, "*n d"]) -> Float[Any, "*n d"]:
        """L y."""
        if self.factor is not None:
            return points @ self.factor.T
        if self.vectors is not None:
            points = self._low_rank(points, 1)
        return points * self.scale

    def forward(self, points: Float[Any, "*n d"]) -> Float[Any, "*n d"]:
        """x = c + L y."""
        return self.center + self.linear(points)

    def inverse(self, positions: Float[Any, "*n d"]) -> Float[Any, "*n d"]:
        """y = L⁻¹ (x - c)."""
        shifted = positions - self.center
        if self.factor is not None:
            return shifted @ self._inverse.T
        shifted = shifted / self.scale
        return shifted if self.vectors is None else self._low_rank(shifted, -1)

    def pull_back(self, gradients: Float[Any, "*n d"]) -> Float[Any, "*n d"]:
        """∇_y f = Lᵀ ∇_x f."""
        if self.factor is not None:
            return gradients @ self.factor
        gradients = gradients * self.scale
        return gradients if self.vectors is None else self._low_rank(gradients, 1)

    def pull_back_inverse(self, gradients: Float[Any, "*n d"]) -> Float[Any, "*n d"]:
        """∇_x f = L⁻ᵀ ∇_y f."""
        if self.factor is not None:
            return gradients @ self._inverse
        if self.vectors is not None:
            gradients = self._low_rank(gradients, -1)
        return gradients / self.scale

    def log_det(self) -> Any:
        """log |det L|."""
        xp = self.center.__array_namespace__()
        if self.factor is not None:
            return xp.linalg.slogdet(self.factor)[1]
        total = xp.sum(xp.log(self.scale))
        return total if self.values is None else total + xp.sum(xp.log(self.values))

    def row_norm(self, coordinate: int) -> Any:
        """Euclidean norm of a row of L: how far one unit of y moves that coordinate of x."""
        xp = self.center.__array_namespace__()
        unit = xp.zeros_like(self.center)
        unit = xp.where(xp.arange(unit.shape[0]) == coordinate, xp.ones_like(unit), unit)
        row = self.pull_back(unit)
        return xp.sqrt(xp.sum(row * row))


def _inverse_of(factor: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "d d"]:
    """L⁻¹, or an error where L is singular to working precision.

    Rows are divided by their norms first: scales from 0.01 to 10,000 are not ill-conditioning.
    The reciprocal condition number is 1 / (‖R‖₁ ‖R⁻¹‖₁) of what remains.
    """
    norms = np.sqrt((factor * factor).sum(axis=1))
    reciprocal = 0.0
    with np.errstate(all="ignore"), contextlib.suppress(np.linalg.LinAlgError):
        rows = factor / norms[:, None]
        inverse = np.linalg.inv(rows)
        reciprocal = 1.0 / float(np.linalg.norm(rows, 1) * np.linalg.norm(inverse, 1))
    if not reciprocal > 10.0 * np.finfo(factor.dtype).eps:
        raise OptionError(
            "the whitening matrix is singular to working precision: the reciprocal condition "
            f"number of its rows, each of unit length, is {reciprocal:.3g}. Give a matrix of "
            'full rank, or whitening="diagonal".'
        )
    return inverse / norms


def identity_map(dim: int, dtype: Any = np.float64) -> AffineMap:
    """The map that changes nothing."""
    return AffineMap(center=np.zeros(dim, dtype), scale=np.ones(dim, dtype))


def dense_map(center: Float[np.ndarray, " d"], covariance: Float[np.ndarray, "d d"]) -> AffineMap:
    """The map whose image of a standard normal has this covariance: L its Cholesky factor.

    Raises
    ------
    OptionError
        If the covariance is not positive definite.
    """
    scale = np.sqrt(np.clip(np.diag(covariance), np.finfo(covariance.dtype).tiny, None))
    try:
        # Correlations first: scales from 0.01 to 10,000 must not cost digits.
        factor = np.linalg.cholesky(covariance / np.outer(scale, scale)) * scale[:, None]
    except np.linalg.LinAlgError as error:
        raise OptionError("the whitening covariance is not positive definite") from error
    return AffineMap(center=center, scale=np.ones_like(center), factor=factor)


def diagonal_map(center: Float[np.ndarray, " d"], scale: Float[np.ndarray, " d"]) -> AffineMap:
    """The map with one scale per coordinate."""
    return AffineMap(center=center, scale=scale)

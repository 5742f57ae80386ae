"""Affine maps x = c + L y from the coordinates y of a mixture to the unconstrained space x."""

import contextlib
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from numpy.typing import DTypeLike

from isogmm.arrays import Array
from isogmm.errors import OptionError

#: Names of the arrays that define a map.
PARTS = ("center", "scale", "factor", "vectors", "values")

#: Largest dimension d with dense maps and full covariances.  A dense matrix costs d² numbers, d²
#: operations for each position and d³ for its factorization.  Maps of larger dimension are
#: diagonal or low-rank.
MAX_DENSE_DIM = 500

#: Smallest reciprocal condition number of a dense matrix, in units of the machine epsilon.
MIN_RECIPROCAL_CONDITION = 10.0


@dataclass(frozen=True, repr=False)
class AffineMap:
    """x = c + L y with L = diag(scale) · (I + U diag(values - 1) Uᵀ) or a dense matrix.

    Parameters
    ----------
    center
        c, shape (d,).
    scale
        Positive scales, shape (d,); ignored if ``factor`` is given.
    factor
        A dense invertible L, shape (d, d), or None.
    vectors, values
        Orthonormal columns U (d, r) and their multipliers (r,), or None for r = 0.

    Raises
    ------
    OptionError
        If a part is not finite or L is singular.
    """

    center: Float[Array, " d"]
    scale: Float[Array, " d"]
    factor: Float[Array, "d d"] | None = None
    vectors: Float[Array, "d r"] | None = None
    values: Float[Array, " r"] | None = None
    #: L⁻¹; set only if ``factor`` is given.
    _inverse: Array = field(init=False, repr=False, compare=False)

    def __repr__(self) -> str:
        return f"AffineMap: {self.form} in {self.center.shape[-1]} dimensions"

    @property
    def form(self) -> str:
        """The form of L, in words."""
        if self.factor is not None:
            return "dense affine map"
        if self.vectors is not None:
            return f"diagonal affine map with {self.vectors.shape[-1]} further directions"
        return "diagonal affine map"

    def __post_init__(self) -> None:
        xp = self.center.__array_namespace__()
        if xp is not np:
            if self.factor is not None:
                object.__setattr__(self, "_inverse", xp.linalg.inv(self.factor))
            return
        for name in PARTS:
            part = getattr(self, name)
            if part is not None and not np.all(np.isfinite(part)):
                raise OptionError(f"the whitening has entries of {name} that are not finite")
        if not np.all(self.scale > 0) or (self.values is not None and not np.all(self.values > 0)):
            raise OptionError("the whitening scales must be positive")
        if self.factor is not None:
            object.__setattr__(self, "_inverse", _inverse_of(self.factor))

    @property
    def kind(self) -> str:
        """``dense``, ``low_rank`` or ``diagonal``."""
        if self.factor is not None:
            return "dense"
        return "diagonal" if self.vectors is None else "low_rank"

    def _low_rank(self, points: Array, power: int) -> Array:
        """(I + U diag(valuesᵖ - 1) Uᵀ) y, with p the power."""
        assert self.vectors is not None
        assert self.values is not None
        return points + ((points @ self.vectors) * (self.values**power - 1.0)) @ self.vectors.T

    def linear(self, points: Float[Array, "*n d"]) -> Float[Array, "*n d"]:
        """L y."""
        if self.factor is not None:
            return points @ self.factor.T
        if self.vectors is not None:
            points = self._low_rank(points, 1)
        return points * self.scale

    def forward(self, points: Float[Array, "*n d"]) -> Float[Array, "*n d"]:
        """x = c + L y."""
        return self.center + self.linear(points)

    def inverse(self, positions: Float[Array, "*n d"]) -> Float[Array, "*n d"]:
        """y = L⁻¹ (x - c)."""
        shifted = positions - self.center
        if self.factor is not None:
            return shifted @ self._inverse.T
        shifted = shifted / self.scale
        return shifted if self.vectors is None else self._low_rank(shifted, -1)

    def pull_back(self, gradients: Float[Array, "*n d"]) -> Float[Array, "*n d"]:
        """∇_y f = Lᵀ ∇_x f."""
        if self.factor is not None:
            return gradients @ self.factor
        gradients = gradients * self.scale
        return gradients if self.vectors is None else self._low_rank(gradients, 1)

    def pull_back_inverse(self, gradients: Float[Array, "*n d"]) -> Float[Array, "*n d"]:
        """∇_x f = L⁻ᵀ ∇_y f."""
        if self.factor is not None:
            return gradients @ self._inverse
        if self.vectors is not None:
            gradients = self._low_rank(gradients, -1)
        return gradients / self.scale

    def log_det(self) -> Float[Array, ""] | np.floating:
        """log |det L|."""
        xp = self.center.__array_namespace__()
        if self.factor is not None:
            return xp.linalg.slogdet(self.factor)[1]
        total = xp.sum(xp.log(self.scale))
        return total if self.values is None else total + xp.sum(xp.log(self.values))

    def row_norm(self, coordinate: int) -> Float[Array, ""] | np.floating:
        """Euclidean norm of a row of L: the change of this coordinate of x per unit of y."""
        xp = self.center.__array_namespace__()
        unit = xp.zeros_like(self.center)
        unit = xp.where(xp.arange(unit.shape[0]) == coordinate, xp.ones_like(unit), unit)
        row = self.pull_back(unit)
        return xp.sqrt(xp.sum(row * row))


def _inverse_of(factor: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "d d"]:
    """L⁻¹, or an error if L is singular to working precision.

    Each row is divided by its norm first, because scales from 0.01 to 10,000 are no sign of a
    singular matrix.  The reciprocal condition number of the scaled matrix R is
    1 / (‖R‖₁ ‖R⁻¹‖₁).
    """
    norms = np.sqrt((factor * factor).sum(axis=1))
    reciprocal = 0.0
    with np.errstate(all="ignore"), contextlib.suppress(np.linalg.LinAlgError):
        rows = factor / norms[:, None]
        inverse = np.linalg.inv(rows)
        reciprocal = 1.0 / float(np.linalg.norm(rows, 1) * np.linalg.norm(inverse, 1))
    if not reciprocal > MIN_RECIPROCAL_CONDITION * np.finfo(factor.dtype).eps:
        raise OptionError(
            "the whitening matrix is singular to working precision: its reciprocal condition "
            f"number is {reciprocal:.3g}. If you passed whitening=, pass a matrix of full rank. "
            "Otherwise the posterior may be improper: give every parameter a proper prior."
        )
    return inverse / norms


def identity_map(dim: int, dtype: DTypeLike = np.float64) -> AffineMap:
    """The identity map, x = y."""
    return AffineMap(center=np.zeros(dim, dtype), scale=np.ones(dim, dtype))


def dense_map(center: Float[np.ndarray, " d"], covariance: Float[np.ndarray, "d d"]) -> AffineMap:
    """The map that turns a standard normal y into x with this mean and covariance.

    L is the Cholesky factor of the covariance.

    Raises
    ------
    OptionError
        If the covariance is not positive definite.
    """
    scale = np.sqrt(np.clip(np.diag(covariance), np.finfo(covariance.dtype).tiny, None))
    try:
        # The correlation matrix is factorized, so that scales from 0.01 to 10,000 cost no digits.
        factor = np.linalg.cholesky(covariance / np.outer(scale, scale)) * scale[:, None]
    except np.linalg.LinAlgError as error:
        raise OptionError("the covariance for the whitening is not positive definite") from error
    return AffineMap(center=center, scale=np.ones_like(center), factor=factor)


def diagonal_map(center: Float[np.ndarray, " d"], scale: Float[np.ndarray, " d"]) -> AffineMap:
    """The map with one scale for each coordinate."""
    return AffineMap(center=center, scale=scale)

"""A partially non-centered form of any density, which removes the dependence on scales."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from isogmm.model.target import Target


@dataclass(frozen=True)
class NonCentering:
    """x_R = z_R and x_C = (I - W)⁻¹ (m + V z_R + exp(A (z_R - r)) ∘ z_C), roots R, children C.

    The location of every child is linear in the roots and in earlier children, and its scale is
    log-linear in the roots.  This is the partially non-centered parameterization of
    Papaspiliopoulos, Roberts and Sköld (2007, Statistical Science 22), for any density on R^d.

    Parameters
    ----------
    roots, children
        Indices of coordinates.  Coordinates that are neither are equal in x and z.
    location
        m, shape (c,).
    from_roots, from_children
        V (c, r), and the first k columns of W, (c, k), strictly lower triangular; the others are
        zero.
    exponents
        A (c, r).
    center
        r, shape (r,): the values of the roots at which the scales of z and x are equal.
    """

    roots: Int[np.ndarray, " r"]
    children: Int[np.ndarray, " c"]
    location: Float[np.ndarray, " c"]
    from_roots: Float[np.ndarray, "c r"]
    from_children: Float[np.ndarray, "c k"]
    exponents: Float[np.ndarray, "c r"]
    center: Float[np.ndarray, " r"]
    #: (I - W)⁻¹ of the first k children, which the locations of all children may depend on.
    _mixing: np.ndarray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        first = self.from_children[: self._num_parents]
        object.__setattr__(self, "_mixing", np.linalg.inv(np.eye(len(first)) - first))

    @property
    def _num_parents(self) -> int:
        return self.from_children.shape[1]

    def _log_scales(self, points: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n c"]:
        """A (z_R - r), at points z or at their positions x; both have the same roots."""
        return (points[:, self.roots] - self.center) @ self.exponents.T

    def forward(self, points: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """The positions x of points z."""
        inner = self.location + points[:, self.roots] @ self.from_roots.T
        inner = inner + np.exp(self._log_scales(points)) * points[:, self.children]
        k = self._num_parents
        inner[:, :k] = inner[:, :k] @ self._mixing.T
        inner[:, k:] += inner[:, :k] @ self.from_children[k:].T
        positions = points.copy()
        positions[:, self.children] = inner
        return positions

    def inverse(self, positions: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """The points z of positions x."""
        children = positions[:, self.children]
        from_children = children[:, : self._num_parents] @ self.from_children.T
        inner = children - from_children - self.location
        inner = inner - positions[:, self.roots] @ self.from_roots.T
        points = positions.copy()
        points[:, self.children] = inner * np.exp(-self._log_scales(positions))
        return points

    def linear_part(self) -> Float[np.ndarray, "d d"]:
        """∂z/∂x at z_R = r and z_C = 0, where every coordinate is a root or a child."""
        matrix = np.eye(len(self.roots) + len(self.children))
        matrix[np.ix_(self.children, self.children[: self._num_parents])] -= self.from_children
        matrix[np.ix_(self.children, self.roots)] = -self.from_roots
        return matrix

    def log_det(self, points: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """log |det ∂x/∂z| at points z, or at their positions x."""
        return self._log_scales(points).sum(axis=1)

    def pull_back(
        self, points: Float[np.ndarray, "n d"], gradients: Float[np.ndarray, "n d"]
    ) -> Float[np.ndarray, "n d"]:
        """∇_z (log π(x(z)) + log |det ∂x/∂z|), from ∇_x log π."""
        k, inner = self._num_parents, gradients[:, self.children]
        inner[:, :k] = (inner[:, :k] + inner[:, k:] @ self.from_children[k:]) @ self._mixing
        scaled = inner * np.exp(self._log_scales(points))
        result = gradients.copy()
        result[:, self.children] = scaled
        result[:, self.roots] += inner @ self.from_roots + self.exponents.sum(axis=0)
        result[:, self.roots] += (scaled * points[:, self.children]) @ self.exponents
        return result


class NonCenteredTarget:
    """The density of z for which x(z) has the density of a target.

    Parameters
    ----------
    target
        The target.
    noncentering
        The map x(z).
    """

    def __init__(self, target: Target, noncentering: NonCentering) -> None:
        self.target, self.noncentering = target, noncentering

    def evaluate(
        self, points: Float[np.ndarray, "n d"]
    ) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "n d"]]:
        """log π(x(z)) + log |det ∂x/∂z| (n,) and its gradient (n, d).

        As for a target, -inf and zeros where either is not finite.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            log_density, gradients = self.target.evaluate(self.noncentering.forward(points))
            log_density = log_density + self.noncentering.log_det(points)
            gradients = self.noncentering.pull_back(points, gradients)
            is_finite = np.isfinite(log_density) & np.isfinite(gradients.sum(axis=1))
        log_density = np.where(is_finite, log_density, -np.inf)
        return log_density, np.where(is_finite[:, None], gradients, 0.0)

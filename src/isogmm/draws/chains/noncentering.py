"""Coordinates in which funnels are straight: a partially non-centered form of any density."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from isogmm.model.target import Target


@dataclass(frozen=True)
class NonCentering:
    """x_R = z_R and x_C = (I - W)⁻¹ (m + V z_R + exp(A (z_R - r)) ∘ z_C), roots R, children C.

    Every child has a location linear in the roots and in children before it, and a scale
    log-linear in the roots: the partially non-centered parameterization of Papaspiliopoulos,
    Roberts and Sköld (2007, Statistical Science 22), for any density on R^d.

    Parameters
    ----------
    roots, children
        Indices of coordinates, all d together.
    location
        m, shape (c,).
    from_roots, from_children
        V (c, r) and W (c, c), strictly lower triangular.
    exponents
        A (c, r).
    center
        r, shape (r,): there the scales are those of x.
    """

    roots: Int[np.ndarray, " r"]
    children: Int[np.ndarray, " c"]
    location: Float[np.ndarray, " c"]
    from_roots: Float[np.ndarray, "c r"]
    from_children: Float[np.ndarray, "c c"]
    exponents: Float[np.ndarray, "c r"]
    center: Float[np.ndarray, " r"]
    _unmix: np.ndarray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        unmix = np.linalg.inv(np.eye(len(self.children)) - self.from_children)
        object.__setattr__(self, "_unmix", unmix)

    def _log_scales(self, points: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n c"]:
        """A (z_R - r): at points z or at their positions x, whose roots are the same."""
        return (points[:, self.roots] - self.center) @ self.exponents.T

    def forward(self, points: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """The positions x of points z."""
        inner = self.location + points[:, self.roots] @ self.from_roots.T
        inner = inner + np.exp(self._log_scales(points)) * points[:, self.children]
        positions = points.copy()
        positions[:, self.children] = inner @ self._unmix.T
        return positions

    def inverse(self, positions: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """The points z of positions x."""
        children = positions[:, self.children]
        inner = children - children @ self.from_children.T - self.location
        inner = inner - positions[:, self.roots] @ self.from_roots.T
        points = positions.copy()
        points[:, self.children] = inner * np.exp(-self._log_scales(positions))
        return points

    def linear_part(self) -> Float[np.ndarray, "d d"]:
        """∂z/∂x where the roots are at their center and z_C = 0."""
        matrix = np.eye(len(self.roots) + len(self.children))
        matrix[np.ix_(self.children, self.children)] -= self.from_children
        matrix[np.ix_(self.children, self.roots)] = -self.from_roots
        return matrix

    def log_det(self, points: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """log |det ∂x/∂z| at points z, or at their positions x."""
        return self._log_scales(points).sum(axis=1)

    def pull_back(
        self, points: Float[np.ndarray, "n d"], gradients: Float[np.ndarray, "n d"]
    ) -> Float[np.ndarray, "n d"]:
        """∇_z (log π(x(z)) + log |det ∂x/∂z|), from ∇_x log π."""
        inner = gradients[:, self.children] @ self._unmix
        scaled = inner * np.exp(self._log_scales(points))
        result = gradients.copy()
        result[:, self.children] = scaled
        result[:, self.roots] += inner @ self.from_roots + self.exponents.sum(axis=0)
        result[:, self.roots] += (scaled * points[:, self.children]) @ self.exponents
        return result


class NonCenteredTarget:
    """The density of z where x(z) has that of a target.

    Parameters
    ----------
    target, noncentering
        The target and the map.
    """

    def __init__(self, target: Target, noncentering: NonCentering) -> None:
        self.target, self.noncentering = target, noncentering

    def evaluate(
        self, points: Float[np.ndarray, "n d"]
    ) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "n d"]]:
        """log π(x(z)) + log |det ∂x/∂z| (n,) and its gradient (n, d).

        As of a target: -inf and zeros where they are not finite.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            log_density, gradients = self.target.evaluate(self.noncentering.forward(points))
            log_density = log_density + self.noncentering.log_det(points)
            gradients = self.noncentering.pull_back(points, gradients)
            good = np.isfinite(log_density) & np.isfinite(gradients.sum(axis=1))
        return np.where(good, log_density, -np.inf), np.where(good[:, None], gradients, 0.0)

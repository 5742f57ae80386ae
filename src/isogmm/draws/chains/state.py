"""The positions of parallel chains, in the coordinates of an affine map."""

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int

from isogmm.mixtures.affine_map import AffineMap


@runtime_checkable
class Density(Protocol):
    """The part of a target that the chains use."""

    def evaluate(
        self, positions: Float[np.ndarray, "m d"], /
    ) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, "m d"]]:
        """log π (m,) and its gradient (m, d)."""


@dataclass(frozen=True)
class Chains:
    """Positions of the chains, in the coordinates y of an affine map x = c + L y.

    Parameters
    ----------
    points, gradients
        (m, d), (m, d): positions y and ∇_y log π.
    log_density
        (m,): log π(x), without the constant log |det L|.
    affine_map
        The map; unit mass in y is the mass matrix (L Lᵀ)⁻¹ in x.
    """

    points: Float[np.ndarray, "m d"]
    log_density: Float[np.ndarray, " m"]
    gradients: Float[np.ndarray, "m d"]
    affine_map: AffineMap

    @property
    def positions(self) -> Float[np.ndarray, "m d"]:
        """The unconstrained positions x."""
        return self.affine_map.forward(self.points)

    def moved_to(self, affine_map: AffineMap) -> "Chains":
        """The same positions in the coordinates of another map."""
        gradients = self.affine_map.pull_back_inverse(self.gradients)
        return Chains(
            points=affine_map.inverse(self.positions),
            log_density=self.log_density,
            gradients=affine_map.pull_back(gradients),
            affine_map=affine_map,
        )

    def take(self, rows: Int[np.ndarray, " r"]) -> "Chains":
        """The chains with these indices."""
        return replace(
            self,
            points=self.points[rows],
            log_density=self.log_density[rows],
            gradients=self.gradients[rows],
        )

    def accept(self, proposal: "Chains", accepted: Bool[np.ndarray, " m"]) -> "Chains":
        """The proposal where it is accepted, the present state elsewhere."""
        rows = accepted[:, None]
        return replace(
            self,
            points=np.where(rows, proposal.points, self.points),
            log_density=np.where(accepted, proposal.log_density, self.log_density),
            gradients=np.where(rows, proposal.gradients, self.gradients),
        )


def start_chains(
    target: Density, positions: Float[np.ndarray, "m d"], affine_map: AffineMap
) -> Chains:
    """Chains at these starting points.

    A starting point without a finite log density is replaced by one of the others, in turn.
    """
    log_density, gradients = target.evaluate(positions)
    finite = np.flatnonzero(np.isfinite(log_density))
    if len(finite) < len(positions):
        index = np.arange(len(positions))
        is_bad = ~np.isfinite(log_density)
        if len(finite):
            index[is_bad] = finite[np.arange(is_bad.sum()) % len(finite)]
        else:
            index[is_bad] = 0
        positions, log_density, gradients = positions[index], log_density[index], gradients[index]
    return Chains(
        points=affine_map.inverse(positions),
        log_density=log_density,
        gradients=affine_map.pull_back(gradients),
        affine_map=affine_map,
    )

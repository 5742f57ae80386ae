"""Hamiltonian Monte Carlo with hundreds of parallel chains over a batched target."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from isogmm.target import Target
from isogmm.whitening.base import AffineMap

#: A transition that loses more energy than this has diverged.
DIVERGENCE = 1000.0


@dataclass(frozen=True)
class Chains:
    """Where the chains are, in the coordinates y of an affine map x = c + L y.

    Parameters
    ----------
    points, gradients
        (m, d), (m, d): positions and ∇_y log π.
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


def start_chains(
    target: Target, positions: Float[np.ndarray, "m d"], affine_map: AffineMap
) -> Chains:
    """Chains at these positions; those without a finite density take the place of others."""
    log_density, gradients = target.evaluate(positions)
    good = np.flatnonzero(np.isfinite(log_density))
    if len(good) < len(positions):
        index = np.arange(len(positions))
        bad = ~np.isfinite(log_density)
        index[bad] = good[np.arange(bad.sum()) % max(len(good), 1)] if len(good) else 0
        positions, log_density, gradients = positions[index], log_density[index], gradients[index]
    return Chains(
        points=affine_map.inverse(positions),
        log_density=log_density,
        gradients=affine_map.pull_back(gradients),
        affine_map=affine_map,
    )


def _trajectory(
    target: Target,
    chains: Chains,
    momenta: Float[np.ndarray, "m d"],
    step_sizes: Float[np.ndarray, " m"],
    num_steps: int,
) -> tuple[Chains, Float[np.ndarray, "m d"], Float[np.ndarray, " m"]]:
    """Leapfrog: the end, its momenta, and the energy lost (infinite where it left the support)."""
    step = step_sizes[:, None]
    points, gradients = chains.points, chains.gradients
    energy = chains.log_density - 0.5 * (momenta**2).sum(axis=1)
    momenta = momenta + 0.5 * step * gradients
    log_density = chains.log_density
    lost = np.zeros(len(points), dtype=bool)
    for index in range(num_steps):
        points = points + step * momenta
        with np.errstate(over="ignore", invalid="ignore"):
            positions = chains.affine_map.forward(points)
        log_density, gradients = target.evaluate(positions)
        gradients = chains.affine_map.pull_back(gradients)
        lost |= ~np.isfinite(log_density)
        momenta = momenta + (1.0 if index < num_steps - 1 else 0.5) * step * gradients
    with np.errstate(over="ignore", invalid="ignore"):
        change = log_density - 0.5 * (momenta**2).sum(axis=1) - energy
    change = np.where(lost | ~np.isfinite(change), -np.inf, change)
    return (
        replace(chains, points=points, log_density=log_density, gradients=gradients),
        momenta,
        change,
    )


def _where(accept: Bool[np.ndarray, " m"], new: Chains, old: Chains) -> Chains:
    return replace(
        old,
        points=np.where(accept[:, None], new.points, old.points),
        log_density=np.where(accept, new.log_density, old.log_density),
        gradients=np.where(accept[:, None], new.gradients, old.gradients),
    )


def _take(chains: Chains, index: np.ndarray) -> Chains:
    return replace(
        chains,
        points=chains.points[index],
        log_density=chains.log_density[index],
        gradients=chains.gradients[index],
    )


def hmc_transition(
    target: Target,
    chains: Chains,
    generator: np.random.Generator,
    step_size: float,
    length: float,
    max_steps: int = 64,
    retry: float = 4.0,
    step_factors: Float[np.ndarray, " m"] | None = None,
) -> tuple[Chains, Float[np.ndarray, " m"], Bool[np.ndarray, " m"]]:
    """One transition of all chains; returns them, their acceptance probabilities, who moved.

    Trajectories of the given length in whitened coordinates, unit mass.  A chain whose proposal
    is rejected tries once more with a step ``retry`` times smaller over the same length (delayed
    rejection, Modi, Barnett and Carpenter 2023, arXiv 2110.00610): the necks of funnels need
    small steps, the rest does not pay for them.  With ghost trajectories z' from the second
    proposal z₂, its acceptance probability is

    min(1, π(z₂) (1 - α₁(z₂, z')) / (π(z₀) (1 - α₁(z₀, z₁)))).

    ``retry=0`` switches the second try off.  ``step_factors`` (drawn without regard to the
    chains' positions) give each chain a step of its own, over the same number of steps; there
    is no second try then.
    """
    count, dim = chains.points.shape
    momenta = generator.standard_normal((count, dim))
    uniforms = generator.uniform(size=(2, count))
    steps = np.full(count, step_size) if step_factors is None else step_size * step_factors
    num_steps = int(np.clip(round(length / step_size), 1, max_steps))
    proposal, _, change = _trajectory(target, chains, momenta, steps, num_steps)
    with np.errstate(over="ignore"):
        probability = np.minimum(1.0, np.exp(np.minimum(change, 0.0)))
    accept = uniforms[0] < probability
    result = _where(accept, proposal, chains)
    rejected = np.flatnonzero(~accept)
    if retry and len(rejected) and step_factors is None:
        old = _take(chains, rejected)
        small = np.full(len(rejected), step_size / retry)
        second, end_momenta, second_change = _trajectory(
            target, old, momenta[rejected], small, round(num_steps * retry)
        )
        alive = np.isfinite(second_change)
        if alive.any():
            index = np.flatnonzero(alive)
            _, _, ghost_change = _trajectory(
                target,
                _take(second, index),
                -end_momenta[index],
                np.full(len(index), step_size),
                num_steps,
            )
            with np.errstate(divide="ignore", over="ignore"):
                ghost = np.log1p(-np.exp(np.minimum(ghost_change, -1e-300)))
                first = np.log1p(-np.exp(np.minimum(change[rejected][index], -1e-300)))
                log_probability = second_change[index] + ghost - first
            moved = np.zeros(len(rejected), dtype=bool)
            moved[index] = np.log(uniforms[1][rejected][index]) < log_probability
            accept = accept.copy()
            accept[rejected] = moved
            partial = _where(moved, second, old)
            result.points[rejected] = partial.points
            result.log_density[rejected] = partial.log_density
            result.gradients[rejected] = partial.gradients
    return result, probability, accept

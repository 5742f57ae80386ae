"""Hamiltonian Monte Carlo with hundreds of parallel chains over a batched target."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from isogmm.mixtures.affine_map import AffineMap

#: Acceptance probability below which a try is all but hopeless.
HOPELESS = 0.1


@runtime_checkable
class Density(Protocol):
    """What chains need of a target."""

    def evaluate(
        self, positions: Float[np.ndarray, "m d"], /
    ) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, "m d"]]:
        """log π (m,) and its gradient (m, d)."""


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
    target: Density, positions: Float[np.ndarray, "m d"], affine_map: AffineMap
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
    target: Density,
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


class Transition(NamedTuple):
    """What one transition did: the chains after it, and for each of them (m,) the acceptance
    probability of the first try, whether it moved, and whether all tries were all but hopeless."""

    chains: Chains
    probability: Float[np.ndarray, " m"]
    moved: Bool[np.ndarray, " m"]
    hopeless: Bool[np.ndarray, " m"]


def hmc_transition(
    target: Density,
    chains: Chains,
    generator: np.random.Generator,
    step_size: float,
    length: float,
    max_steps: int = 64,
    retry: float = 4.0,
    tries: int = 2,
    step_factors: Float[np.ndarray, " m"] | None = None,
) -> Transition:
    """One transition of all chains.

    Trajectories of the given length in whitened coordinates, unit mass.  A chain whose proposal
    is rejected tries again with a step ``retry`` times smaller over the same length, up to
    ``tries`` times in all (delayed rejection, Modi, Barnett and Carpenter 2023, arXiv
    2110.00610): the necks of funnels need small steps, the rest does not pay for them.  The
    proposal z_j of try j is accepted with probability

    α_j(z₀) = min(1, π(z_j) Π_{i<j} (1 - α_i(z_j)) / (π(z₀) Π_{i<j} (1 - α_i(z₀)))),

    the tries from z_j being made from its reversed momentum.  ``retry=0`` leaves one try.
    ``step_factors`` (drawn without regard to the chains' positions) give each chain a step of
    its own, over the same number of steps; there is one try then.
    """
    count, dim = chains.points.shape
    momenta = generator.standard_normal((count, dim))
    single = not retry or step_factors is not None
    uniforms = generator.uniform(size=(2 if single else tries, count))
    steps = np.full(count, step_size) if step_factors is None else step_size * step_factors
    num_steps = int(np.clip(round(length / step_size), 1, max_steps))
    proposal, _, change = _trajectory(target, chains, momenta, steps, num_steps)
    with np.errstate(over="ignore"):
        probability = np.minimum(1.0, np.exp(np.minimum(change, 0.0)))
    moved = uniforms[0] < probability
    hopeless = change < np.log(HOPELESS)
    result = _where(moved, proposal, chains)
    rejected = np.flatnonzero(~moved)
    plan = [(step_size, num_steps)]
    before = _log_rejection(change[rejected])
    for attempt in range(1, 1 if single else tries):
        if not len(rejected):
            break
        shrink = retry**attempt
        plan.append((step_size / shrink, round(num_steps * shrink)))
        old = _take(chains, rejected)
        end, end_momenta, change = _try(target, old, momenta[rejected], plan[-1])
        ratio = np.full(len(rejected), -np.inf)
        alive = np.flatnonzero(np.isfinite(change))
        if len(alive):
            there = _log_rejected(target, _take(end, alive), -end_momenta[alive], plan[:-1])
            ratio[alive] = change[alive] + there - before[alive]
        accept = np.log(uniforms[attempt][rejected]) < ratio
        partial = _where(accept, end, old)
        result.points[rejected] = partial.points
        result.log_density[rejected] = partial.log_density
        result.gradients[rejected] = partial.gradients
        moved[rejected] = accept
        hopeless[rejected] &= change < np.log(HOPELESS)
        before = (before + _log_rejection(ratio))[~accept]
        rejected = rejected[~accept]
    return Transition(result, probability, moved, hopeless & ~moved)


def _try(
    target: Density, chains: Chains, momenta: np.ndarray, one: tuple[float, int]
) -> tuple[Chains, np.ndarray, np.ndarray]:
    return _trajectory(target, chains, momenta, np.full(len(momenta), one[0]), one[1])


def _log_rejection(log_ratio: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
    """log(1 - min(1, exp(log ratio)))."""
    with np.errstate(divide="ignore"):
        return np.log1p(-np.exp(np.minimum(log_ratio, -1e-300)))


def _log_rejected(
    target: Density,
    chains: Chains,
    momenta: Float[np.ndarray, "m d"],
    plan: Sequence[tuple[float, int]],
) -> Float[np.ndarray, " m"]:
    """Σ_j log(1 - α_j): the chance that all the tries of a plan are rejected from here."""
    total = np.zeros(len(momenta))
    for index, one in enumerate(plan):
        end, end_momenta, ratio = _try(target, chains, momenta, one)
        alive = np.flatnonzero(np.isfinite(ratio))
        if index and len(alive):
            there = _log_rejected(target, _take(end, alive), -end_momenta[alive], plan[:index])
            with np.errstate(invalid="ignore"):
                ratio[alive] = ratio[alive] + there - total[alive]
        # Nothing is left to reject where an earlier try is sure to be accepted.
        total = np.where(np.isneginf(total), total, total + _log_rejection(ratio))
    return total

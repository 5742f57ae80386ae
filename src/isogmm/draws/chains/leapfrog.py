"""The leapfrog integrator for many chains at once."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from isogmm.draws.chains.state import Chains, Density


class Trajectory(NamedTuple):
    """Trajectories of m chains.

    ``energy_decrease`` and ``middle_decrease`` (m,) are the decreases of the Hamiltonian
    -log π + |p|² / 2 until the end and until the middle state.  They are -inf where a trajectory
    left the support or overflowed.  ``momenta`` (m, d) are those of the end.
    """

    end: Chains
    momenta: Float[np.ndarray, "m d"]
    energy_decrease: Float[np.ndarray, " m"]
    middle: Chains
    middle_decrease: Float[np.ndarray, " m"]


def middle_step(num_steps: int) -> int:
    """The number of steps to the middle state of a trajectory."""
    return (num_steps + 1) // 2


def leapfrog(
    target: Density,
    chains: Chains,
    momenta: Float[np.ndarray, "m d"],
    step_sizes: Float[np.ndarray, " m"],
    num_steps: int,
) -> Trajectory:
    """Trajectories of Hamiltonian dynamics with unit mass, one for each chain."""
    step = step_sizes[:, None]
    log_joint = chains.log_density - 0.5 * (momenta**2).sum(axis=1)
    momenta = momenta + 0.5 * step * chains.gradients
    has_left = np.zeros(len(momenta), dtype=bool)
    middle: tuple[Chains, np.ndarray] | None = None
    end, decrease = chains, np.zeros(len(momenta))
    for number in range(1, num_steps + 1):
        points = end.points + step * momenta
        with np.errstate(over="ignore", invalid="ignore"):
            positions = chains.affine_map.forward(points)
        log_density, gradients = target.evaluate(positions)
        gradients = chains.affine_map.pull_back(gradients)
        has_left |= ~np.isfinite(log_density)
        end = replace(chains, points=points, log_density=log_density, gradients=gradients)
        if number in (middle_step(num_steps), num_steps):
            # The momenta at the time of the positions, half a step later.
            now = momenta + 0.5 * step * gradients
            with np.errstate(over="ignore", invalid="ignore"):
                decrease = log_density - 0.5 * (now**2).sum(axis=1) - log_joint
            decrease = np.where(has_left | ~np.isfinite(decrease), -np.inf, decrease)
            if middle is None:
                middle = end, decrease
            if number == num_steps:
                momenta = now
                break
        momenta = momenta + step * gradients
    return Trajectory(end, momenta, decrease, *(middle or (end, decrease)))

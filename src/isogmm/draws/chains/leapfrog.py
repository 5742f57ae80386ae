"""The leapfrog integrator for many chains at once."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from isogmm.draws.chains.state import Chains, Density


def leapfrog(
    target: Density,
    chains: Chains,
    momenta: Float[np.ndarray, "m d"],
    step_sizes: Float[np.ndarray, " m"],
    num_steps: int,
) -> tuple[Chains, Float[np.ndarray, "m d"], Float[np.ndarray, " m"]]:
    """Trajectories of Hamiltonian dynamics with unit mass, one for each chain.

    Returns
    -------
    end, momenta, energy_decrease
        The ends of the trajectories, their momenta (m, d), and the decrease (m,) of the
        Hamiltonian -log π + |p|² / 2.  The decrease is -inf where a trajectory left the support
        or overflowed.
    """
    step = step_sizes[:, None]
    points, gradients = chains.points, chains.gradients
    log_joint = chains.log_density - 0.5 * (momenta**2).sum(axis=1)
    momenta = momenta + 0.5 * step * gradients
    log_density = chains.log_density
    has_left = np.zeros(len(points), dtype=bool)
    for index in range(num_steps):
        points = points + step * momenta
        with np.errstate(over="ignore", invalid="ignore"):
            positions = chains.affine_map.forward(points)
        log_density, gradients = target.evaluate(positions)
        gradients = chains.affine_map.pull_back(gradients)
        has_left |= ~np.isfinite(log_density)
        momenta = momenta + (1.0 if index < num_steps - 1 else 0.5) * step * gradients
    with np.errstate(over="ignore", invalid="ignore"):
        decrease = log_density - 0.5 * (momenta**2).sum(axis=1) - log_joint
    decrease = np.where(has_left | ~np.isfinite(decrease), -np.inf, decrease)
    end = replace(chains, points=points, log_density=log_density, gradients=gradients)
    return end, momenta, decrease

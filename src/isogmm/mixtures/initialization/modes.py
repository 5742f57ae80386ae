"""Modes of a posterior as Gaussians with masses, and the components that start in each of them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int


@dataclass(frozen=True, eq=False)
class Modes:
    """One Gaussian with a mass for each mode.

    Parameters
    ----------
    means
        (m, d), in the unconstrained space.
    factors
        Factors F of the covariances F Fᵀ, (m, d, d), or standard deviations (m, d).
    masses
        (m,), positive; their scale is arbitrary.
    """

    means: Float[np.ndarray, "m d"]
    factors: Float[np.ndarray, "m d d"] | Float[np.ndarray, "m d"]
    masses: Float[np.ndarray, " m"]


@dataclass(frozen=True, eq=False)
class Placement:
    """The components of the modes.

    Parameters
    ----------
    owner
        (k,): index of the mode of each component.
    is_alone
        (k,): whether the component is the only one of its mode.
    noise
        (c, k, d): standard normal draws.  For each chain and mode they have mean 0 and mean
        square 1; a component that is alone has zeros.
    log_weights
        (k,): log of the mass of the mode divided by its number of components; not normalized.
    """

    owner: Int[np.ndarray, " k"]
    is_alone: Bool[np.ndarray, " k"]
    noise: Float[np.ndarray, "c k d"]
    log_weights: Float[np.ndarray, " k"]


def place(
    modes: Modes, generator: np.random.Generator, chains: int, num_components: int
) -> Placement:
    """Distribute components over the modes by their masses, with noise for their means."""
    masses = modes.masses / modes.masses.sum()
    counts = allocate(masses, num_components)
    owner = np.repeat(np.arange(len(masses)), counts)
    noise = generator.standard_normal((chains, num_components, modes.means.shape[1]))
    for mode in np.unique(owner):  # modes of small mass may have no component
        members = owner == mode
        noise[:, members] -= noise[:, members].mean(axis=1, keepdims=True)
        spread = np.sqrt((noise[:, members] ** 2).mean(axis=(1, 2), keepdims=True))
        noise[:, members] /= np.where(spread > 0, spread, 1.0)
    return Placement(owner, counts[owner] == 1, noise, np.log(masses[owner] / counts[owner]))


def allocate(masses: Float[np.ndarray, " m"], num_components: int) -> Int[np.ndarray, " m"]:
    """Number of components of each mode: at least one, the others by largest remainder.

    If there are more modes than components, the modes with the smallest masses have none.
    """
    counts = np.zeros(len(masses), dtype=int)
    counts[np.argsort(-masses)[:num_components]] = 1
    shares = masses * (counts > 0)
    ideal = shares / shares.sum() * num_components
    while counts.sum() < num_components:
        counts[np.argmax(np.where(counts > 0, ideal - counts, -np.inf))] += 1
    return counts

"""Components with the covariances of the modes that the search found, by their masses."""

import numpy as np
from jaxtyping import Float

from isogmm.mixtures.affine_map import AffineMap
from isogmm.mixtures.gaussian import GaussianMixture
from isogmm.mixtures.initialization.over_modes import allocate


def over_modes(
    means: Float[np.ndarray, "m d"],
    factors: np.ndarray,
    masses: Float[np.ndarray, " m"],
    generator: np.random.Generator,
    chains: int,
    num_components: int,
    affine_map: AffineMap,
    *,
    diagonal: bool,
    share: float = 0.25,
) -> GaussianMixture:
    """A few components around each mode, with its covariance.

    The components of a mode start at its mean, moved by draws that carry ``share`` of its
    covariance, and have (1 − share) of it each; a component that is alone has all of it.

    Parameters
    ----------
    means, factors
        (m, d) and (m, d, d) or (m, d), in the unconstrained space.
    masses
        (m,), positive.
    generator
        Source of the draws.
    chains, num_components
        Sizes of the start.
    affine_map
        The map behind which the mixture lives.
    diagonal
        Whether the components have diagonal covariances.
    share
        Share of the covariance of a mode that the places of its components carry.
    """
    dim = means.shape[1]
    masses = masses / masses.sum()
    counts = allocate(masses, num_components)
    owner = np.repeat(np.arange(len(masses)), counts)
    centers = affine_map.inverse(means)
    matrices = factors if factors.ndim == 3 else factors[:, None, :] * np.eye(dim)
    # Columns of L⁻¹ F: the inverse of the map without its center.
    local = np.stack([affine_map.inverse(f.T + affine_map.center).T for f in matrices])
    covariances = local @ np.swapaxes(local, 1, 2)
    alone = (counts[owner] == 1)[:, None]
    noise = generator.standard_normal((chains, num_components, dim))
    for mode in range(len(masses)):
        members = owner == mode
        noise[:, members] -= noise[:, members].mean(axis=1, keepdims=True)
        spread = np.sqrt((noise[:, members] ** 2).mean(axis=(1, 2), keepdims=True))
        noise[:, members] /= np.where(spread > 0, spread, 1.0)
    shift = (local[owner] @ noise[..., None])[..., 0]
    shift = np.where(alone, 0.0, np.sqrt(share)) * shift
    left = np.where(alone[:, 0], 1.0, 1.0 - share)
    if diagonal:
        own = np.einsum("mii->mi", covariances)[owner] * left[:, None]
    else:
        own = covariances[owner] * left[:, None, None]
    log_weights = np.log(masses[owner] / counts[owner])
    log_weights -= np.logaddexp.reduce(log_weights)
    return GaussianMixture(
        means=centers[owner] + shift,
        covariances=np.broadcast_to(own, (chains, *own.shape)).copy(),
        log_weights=np.broadcast_to(log_weights, (chains, num_components)).copy(),
        affine_map=affine_map,
    )

"""Components with the covariances of the modes that the search found."""

import numpy as np

from isogmm.mixtures.affine_map import AffineMap
from isogmm.mixtures.gaussian import GaussianMixture
from isogmm.mixtures.initialization.base import MEANS_SHARE
from isogmm.mixtures.initialization.modes import Modes, place


def over_modes(
    modes: Modes,
    generator: np.random.Generator,
    chains: int,
    num_components: int,
    affine_map: AffineMap,
    *,
    diagonal: bool,
    share: float = MEANS_SHARE,
) -> GaussianMixture:
    """A few components around each mode, with its covariance.

    The means of the components of a mode are its mean plus draws with ``share`` times its
    covariance.  Each of the components has (1 − ``share``) times the covariance, or all of it if
    it is alone.

    Parameters
    ----------
    modes
        The modes, in the unconstrained space.
    generator
        Source of the draws.
    chains, num_components
        Number of mixtures, and of the components of each.
    affine_map
        The map of the mixture.
    diagonal
        Whether the components have diagonal covariances.
    share
        Share of the covariance of a mode that the means of its components carry.
    """
    dim = modes.means.shape[1]
    placement = place(modes, generator, chains, num_components)
    owner, is_alone = placement.owner, placement.is_alone
    factors = modes.factors
    matrices = factors if factors.ndim == 3 else factors[:, None, :] * np.eye(dim)
    # Columns of L⁻¹ F: the inverse of the map without its center.
    local = np.stack([affine_map.inverse(f.T + affine_map.center).T for f in matrices])
    covariances = local @ np.swapaxes(local, 1, 2)
    shift = (local[owner] @ placement.noise[..., None])[..., 0]
    shift = np.where(is_alone, 0.0, np.sqrt(share))[:, None] * shift
    remaining = np.where(is_alone, 1.0, 1.0 - share)
    if diagonal:
        own = np.einsum("mii->mi", covariances)[owner] * remaining[:, None]
    else:
        own = covariances[owner] * remaining[:, None, None]
    log_weights = placement.log_weights - np.logaddexp.reduce(placement.log_weights)
    return GaussianMixture(
        means=affine_map.inverse(modes.means)[owner] + shift,
        covariances=np.broadcast_to(own, (chains, *own.shape)).copy(),
        log_weights=np.broadcast_to(log_weights, (chains, num_components)).copy(),
        affine_map=affine_map,
    )

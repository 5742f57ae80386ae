"""Isotropic components distributed over the modes that the search found."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from isogmm.mixtures.affine_map import AffineMap
from isogmm.mixtures.initialization.base import (
    MEANS_SHARE,
    AbstractInitialization,
    validate_sizes,
)
from isogmm.mixtures.initialization.modes import Modes, place
from isogmm.mixtures.isotropic import IsotropicMixture


@dataclass(frozen=True, eq=False)
class OverModes(AbstractInitialization):
    """A few components around each mode; a single mode is spread as by ``GaussianSpread``.

    In the coordinates of the map, v is the geometric mean of the variances of a mode.  The means
    of its components are the mean of the mode plus draws with variance ``share`` · v, and their
    variance is (1 − ``share``) · v.  A component that is alone has the variance v.  The components
    of a mode share its mass equally.

    Parameters
    ----------
    modes
        The modes, in the unconstrained space.
    share
        Share of the variance of a mode that the means of its components carry.
    """

    modes: Modes
    share: float = MEANS_SHARE

    def initialize(
        self,
        generator: np.random.Generator,
        chains: int,
        num_components: int,
        affine_map: AffineMap,
    ) -> IsotropicMixture:
        """A mixture for each chain; see :class:`AbstractInitialization`."""
        validate_sizes(chains, num_components)
        dim = self.modes.means.shape[1]
        placement = place(self.modes, generator, chains, num_components)
        owner, is_alone = placement.owner, placement.is_alone
        centers = affine_map.inverse(self.modes.means)
        log_volume = np.array([_log_volume(factor) for factor in self.modes.factors])
        variances = np.exp(2.0 * (log_volume - float(affine_map.log_det())) / dim)
        radii = np.where(is_alone, 0.0, np.sqrt(self.share * variances[owner]))
        remaining = np.where(is_alone, 1.0, 1.0 - self.share)
        log_weights = placement.log_weights - np.log(np.exp(placement.log_weights).sum())
        shape = (chains, num_components)
        return IsotropicMixture(
            means=centers[owner] + radii[:, None] * placement.noise,
            variances=np.broadcast_to(remaining * variances[owner], shape).copy(),
            log_weights=np.broadcast_to(log_weights, shape).copy(),
            affine_map=affine_map,
        )


def _log_volume(factor: Float[np.ndarray, "d d"] | Float[np.ndarray, " d"]) -> float:
    """log |det F| of a triangular factor, or of a diagonal."""
    diagonal = factor if factor.ndim == 1 else np.diag(factor)
    return float(np.log(np.abs(diagonal)).sum())

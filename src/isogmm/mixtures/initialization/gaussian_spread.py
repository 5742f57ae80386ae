"""Components spread over the Gaussian of the whitening map."""

from dataclasses import dataclass

import numpy as np

from isogmm.errors import OptionError
from isogmm.mixtures.affine_map import AffineMap
from isogmm.mixtures.initialization.base import (
    MEANS_SHARE,
    AbstractInitialization,
    uniform_log_weights,
    validate_sizes,
)
from isogmm.mixtures.isotropic import IsotropicMixture


@dataclass(frozen=True)
class GaussianSpread(AbstractInitialization):
    """Means drawn from N(0, share·I) in whitened coordinates; the mixture has trace d.

    In these coordinates the Gaussian of the map is N(0, I).  The means of a chain are centered and
    scaled, and the common variance is 1 − share.  The mixture therefore has exactly the mean and
    the total variance of the Gaussian.  A single component is the Gaussian itself.

    Parameters
    ----------
    share
        Share of the variance that the means carry, in [0, 1).

    Raises
    ------
    OptionError
        If the share is out of range.
    """

    share: float = MEANS_SHARE

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise OptionError(f"share must be in [0, 1), not {self.share}")

    def initialize(
        self,
        generator: np.random.Generator,
        chains: int,
        num_components: int,
        affine_map: AffineMap,
    ) -> IsotropicMixture:
        """A mixture for each chain; see :class:`AbstractInitialization`."""
        validate_sizes(chains, num_components)
        shape = (chains, num_components, len(affine_map.center))
        means = generator.standard_normal(shape)
        means -= means.mean(axis=1, keepdims=True)
        # The means of every chain have exactly this share: chains differ in directions only.
        spread = (means**2).mean(axis=(1, 2), keepdims=True)
        carried = self.share if num_components > 1 else 0.0
        means *= np.sqrt(carried / np.where(spread > 0, spread, 1.0))
        return IsotropicMixture(
            means=means,
            variances=np.full(shape[:2], 1.0 - carried),
            log_weights=uniform_log_weights(chains, num_components),
            affine_map=affine_map,
        )

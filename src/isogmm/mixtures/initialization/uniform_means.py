"""The initialization of the paper: means uniform in a box, one variance."""

from dataclasses import dataclass

import numpy as np

from isogmm.errors import OptionError
from isogmm.mixtures.affine_map import AffineMap
from isogmm.mixtures.initialization.base import (
    AbstractInitialization,
    uniform_log_weights,
    validate_sizes,
)
from isogmm.mixtures.isotropic import IsotropicMixture


@dataclass(frozen=True)
class UniformMeans(AbstractInitialization):
    """Means uniform in [−s, s]^d of the unconstrained space, variance r for each component.

    The variance is in the coordinates of the map, which without whitening are those of the
    unconstrained space.

    Parameters
    ----------
    half_width
        s, half of the width of the box.
    variance
        r, the variance of all components.

    References
    ----------
    Petit-Talamon, Lambert, Korba (2025). arXiv:2506.13613, table 1.
    """

    half_width: float = 2.0
    variance: float = 1.0

    def __post_init__(self) -> None:
        for name in ("half_width", "variance"):
            if not 0 < getattr(self, name) < np.inf:
                raise OptionError(f"{name} must be a positive number, not {getattr(self, name)}")

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
        positions = generator.uniform(-self.half_width, self.half_width, shape)
        return IsotropicMixture(
            means=affine_map.inverse(positions),
            variances=np.full(shape[:2], float(self.variance)),
            log_weights=uniform_log_weights(chains, num_components),
            affine_map=affine_map,
        )

"""The contract of the starts."""

import abc

import numpy as np

from isogmm.errors import OptionError
from isogmm.mixtures.affine_map import AffineMap
from isogmm.mixtures.isotropic import IsotropicMixture


class AbstractInitialization(abc.ABC):
    """Where the components of every chain begin."""

    @abc.abstractmethod
    def initialize(
        self,
        generator: np.random.Generator,
        chains: int,
        num_components: int,
        affine_map: AffineMap,
    ) -> IsotropicMixture:
        """A mixture for each chain, means of shape (c, k, d), behind this map."""


def check_sizes(chains: int, num_components: int) -> None:
    """Refuse fewer than one chain or component."""
    if num_components < 1:
        raise OptionError(f"num_components must be at least 1, not {num_components}")
    if chains < 1:
        raise OptionError(f"chains must be at least 1, not {chains}")


def uniform_log_weights(chains: int, num_components: int) -> np.ndarray:
    """log 1/K."""
    return np.full((chains, num_components), -np.log(num_components))

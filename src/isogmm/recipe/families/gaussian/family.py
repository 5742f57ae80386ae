"""Full and diagonal covariances in the recipe: options, start, optimization."""

from dataclasses import dataclass

import numpy as np

from isogmm.errors import OptionError
from isogmm.locate.located import Located
from isogmm.mixtures.abstract import AbstractMixture
from isogmm.mixtures.affine_map import MAX_DENSE_DIM, AffineMap
from isogmm.mixtures.gaussian import GaussianMixture
from isogmm.mixtures.initialization.gaussian_over_modes import over_modes
from isogmm.recipe.families.gaussian.options import read_algorithm, read_covariance
from isogmm.recipe.families.mixture_family import MixtureFamily, modes_of
from isogmm.recipe.options import Arguments, common_options

#: Components where the user gives no number.
NUM_COMPONENTS = 8


@dataclass(frozen=True)
class FullCovariances(MixtureFamily[GaussianMixture]):
    """Mixtures of Gaussians with full or diagonal covariances.

    The map is not adapted, because the covariances represent what it lacks.  GMMVI adds
    components itself.

    Parameters
    ----------
    options
        The options of the fit.
    is_diagonal
        Whether the covariances are diagonal in the coordinates of the map.
    """

    is_diagonal: bool = False

    @classmethod
    def of(cls, given: Arguments) -> "FullCovariances":
        """See :class:`isogmm.recipe.families.base.AbstractFamily`."""
        is_diagonal = read_covariance(given["covariance"])
        return cls(common_options(given, read_algorithm(given)), is_diagonal)

    @property
    def default_num_components(self) -> int:
        """Components where the user gives no number."""
        return NUM_COMPONENTS

    def over_modes(
        self,
        located: Located,
        num_components: int,
        affine_map: AffineMap,
        generator: np.random.Generator,
    ) -> GaussianMixture:
        """See :func:`isogmm.mixtures.initialization.gaussian_over_modes.over_modes`."""
        modes = modes_of(located)
        self._check(modes.means.shape[1])
        return over_modes(
            modes,
            generator,
            self.options.chains,
            num_components,
            affine_map,
            diagonal=self.is_diagonal,
        )

    def convert(self, mixture: AbstractMixture) -> GaussianMixture:
        """Isotropic Gaussians and diagonal ones become full ones where that is asked for."""
        self._check(mixture.dim)
        if isinstance(mixture, GaussianMixture) and mixture.is_diagonal != self.is_diagonal:
            if self.is_diagonal:
                raise OptionError(
                    'the initial mixture has full covariances, but covariance="diagonal" was '
                    'given: use covariance="full"'
                )
            covariances = mixture.covariances[..., None] * np.eye(mixture.dim)
            return GaussianMixture(
                mixture.means, covariances, mixture.log_weights, mixture.affine_map
            )
        return GaussianMixture.from_isotropic(mixture, self.is_diagonal)

    def _check(self, dim: int) -> None:
        if dim > MAX_DENSE_DIM and not self.is_diagonal:
            raise OptionError(
                f'covariance="full" is limited to {MAX_DENSE_DIM} dimensions, but the model has '
                f'{dim}. Use covariance="diagonal", or fit_isogmm.'
            )

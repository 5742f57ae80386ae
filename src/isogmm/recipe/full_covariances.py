"""The family of full and diagonal covariances in the recipe: its start, its methods, its growth."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from isogmm.draws.pool import Pool
from isogmm.errors import OptionError
from isogmm.locate.paths import DENSE_LIMIT
from isogmm.mixtures.affine_map import AffineMap
from isogmm.mixtures.gaussian import GaussianMixture
from isogmm.mixtures.initialization.gaussian_over_modes import over_modes
from isogmm.model.target import Target
from isogmm.optimize.check import Check
from isogmm.optimize.gmmvi.method import Gmmvi
from isogmm.optimize.gmmvi.runner import GmmviRunner
from isogmm.optimize.loop import OptimizeResult, drive
from isogmm.recipe.family import AbstractFamily, by_rule


@dataclass(frozen=True)
class FullCovariances(AbstractFamily):
    """Mixtures of Gaussians with full or diagonal covariances.

    Parameters
    ----------
    method
        GMMVI; None for the update rule of the options.
    diagonal
        Whether the covariances are diagonal in the coordinates of the map.
    num_components
        Components where the user names no number.
    """

    method: Gmmvi | None = None
    diagonal: bool = False
    num_components: int = 8
    grows_by_splitting: ClassVar[bool] = False
    adapts_whitening: ClassVar[bool] = False

    def over_modes(
        self,
        means: np.ndarray,
        factors: np.ndarray,
        masses: np.ndarray,
        generator: np.random.Generator,
        chains: int,
        num_components: int,
        affine_map: AffineMap,
    ) -> GaussianMixture:
        """See :func:`isogmm.mixtures.initialization.gaussian_over_modes.over_modes`."""
        self._check(means.shape[1])
        return over_modes(
            means,
            factors,
            masses,
            generator,
            chains,
            num_components,
            affine_map,
            diagonal=self.diagonal,
        )

    def convert(self, mixture: Any) -> GaussianMixture:
        """Isotropic Gaussians and diagonal ones become full ones where that is asked for."""
        self._check(mixture.dim)
        if isinstance(mixture, GaussianMixture) and mixture.is_diagonal != self.diagonal:
            if self.diagonal:
                raise OptionError(
                    "the start has full covariances, which a diagonal fit cannot continue: "
                    'use covariance="full"'
                )
            covariances = mixture.covariances[..., None] * np.eye(mixture.dim)
            return GaussianMixture(
                mixture.means, covariances, mixture.log_weights, mixture.affine_map
            )
        return GaussianMixture.from_isotropic(mixture, self.diagonal)

    def _check(self, dim: int) -> None:
        if dim > DENSE_LIMIT and not self.diagonal:
            raise OptionError(
                f'covariance="full" has {dim}² numbers a component here; it serves up to '
                f'{DENSE_LIMIT} dimensions. Use covariance="diagonal", or fit_isogmm.'
            )

    def split(self, mixture: Any, pool: Pool) -> GaussianMixture:
        """No splits: GMMVI adds components itself."""
        return mixture

    def optimize(
        self,
        target: Target,
        mixture: Any,
        options: Any,
        generator: np.random.Generator,
        *,
        whitening: Any,
        weights: Any,
        callback: Callable[[Check], Any] | None,
        checkpoint: Callable[[Check], Any] | None,
    ) -> OptimizeResult:
        """By GMMVI, or by the update rule of the options."""
        if self.method is not None:
            return drive(
                GmmviRunner(target, mixture, self.method, generator),
                options.schedule,
                options.stopping,
                callback=callback,
                checkpoint=checkpoint,
            )
        return by_rule(
            target,
            mixture,
            options,
            generator,
            whitening=whitening,
            weights=weights,
            callback=callback,
            checkpoint=checkpoint,
        )

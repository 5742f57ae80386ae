"""Which mixtures are fitted: what the recipe asks of a family, and the isotropic one."""

import abc
from collections.abc import Callable
from typing import Any

import numpy as np

from isogmm.draws.pool import Pool
from isogmm.errors import OptionError
from isogmm.mixtures.affine_map import AffineMap
from isogmm.mixtures.initialization.over_modes import OverModes
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.model.target import Target
from isogmm.optimize.check import Check
from isogmm.optimize.loop import OptimizeResult, optimize
from isogmm.recipe.growth import split_worst

#: Components where the user names no number; more where there are more modes than half of it.
NUM_COMPONENTS = 16


class AbstractFamily(abc.ABC):
    """How a family starts, moves and grows; everything else in the recipe serves all families."""

    #: Components where the user names no number.
    num_components: int

    #: Whether the recipe adds components by splitting bad ones.
    grows_by_splitting: bool

    #: Whether coordinates that adapt during the fit make up for what its components lack.
    adapts_whitening: bool

    @abc.abstractmethod
    def over_modes(
        self,
        means: np.ndarray,
        factors: np.ndarray,
        masses: np.ndarray,
        generator: np.random.Generator,
        chains: int,
        num_components: int,
        affine_map: AffineMap,
    ) -> Any:
        """A start from one Gaussian for each mode: means (m, d), factors, masses (m,)."""

    @abc.abstractmethod
    def convert(self, mixture: Any) -> Any:
        """A mixture of any family as a member of this one.

        Raises
        ------
        OptionError
            If that is not possible.
        """

    @abc.abstractmethod
    def split(self, mixture: Any, pool: Pool) -> Any:
        """More components where the mixture fits worst."""

    @abc.abstractmethod
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
        """Fit the mixture by the parts that the options name."""


class Isotropic(AbstractFamily):
    """Mixtures of isotropic Gaussians, moved by the update rules of :mod:`isogmm.updates`."""

    num_components = NUM_COMPONENTS
    grows_by_splitting = True
    adapts_whitening = True

    def over_modes(
        self,
        means: np.ndarray,
        factors: np.ndarray,
        masses: np.ndarray,
        generator: np.random.Generator,
        chains: int,
        num_components: int,
        affine_map: AffineMap,
    ) -> IsotropicMixture:
        """See :class:`isogmm.mixtures.initialization.over_modes.OverModes`."""
        start = OverModes(means, factors, masses)
        return start.initialize(generator, chains, num_components, affine_map)

    def convert(self, mixture: Any) -> IsotropicMixture:
        """Only what is isotropic already."""
        if not isinstance(mixture, IsotropicMixture):
            raise OptionError(
                "the start is a mixture with full or diagonal covariances, which fit_isogmm cannot "
                "continue: use fit_gmmvi(model, resume=idata)"
            )
        return mixture

    def split(self, mixture: Any, pool: Pool) -> IsotropicMixture:
        """See :func:`isogmm.recipe.growth.split_worst`."""
        return split_worst(mixture, pool)

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
        """See :func:`isogmm.optimize.optimize`."""
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


def by_rule(
    target: Target, mixture: Any, options: Any, generator: np.random.Generator, **rest: Any
) -> OptimizeResult:
    """Fit by the estimator and the update rule of the options."""
    return optimize(
        target,
        mixture,
        estimator=options.estimator,
        rule=options.rule,
        schedule=options.schedule,
        stopping=options.stopping,
        generator=generator,
        array_backend=options.array_backend,
        **rest,
    )

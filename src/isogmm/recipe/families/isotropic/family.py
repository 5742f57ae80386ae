"""Isotropic Gaussians in the recipe: options, start, adaptation of the map, growth."""

from dataclasses import dataclass, replace

import numpy as np

from isogmm.draws.pool import Pool
from isogmm.errors import OptionError
from isogmm.locate.located import Located
from isogmm.locate.options import Whitening
from isogmm.mixtures.affine_map import MAX_DENSE_DIM, AffineMap
from isogmm.mixtures.initialization.over_modes import OverModes
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.optimize.algorithm import Algorithm
from isogmm.optimize.gradients import MonteCarlo
from isogmm.optimize.loop import OptimizeResult
from isogmm.optimize.runner import WhiteningAdaptation
from isogmm.optimize.schedules import Constant, ConstantThenLinearDecay
from isogmm.optimize.updates import BuresWasserstein, find_rule
from isogmm.optimize.whitening import AdaptDense, AdaptDiagonal
from isogmm.recipe.context import FitContext
from isogmm.recipe.families.isotropic.growth import Growth, split_worst
from isogmm.recipe.families.isotropic.one_gaussian import one_gaussian
from isogmm.recipe.families.isotropic.tails import Covered, cover_tails
from isogmm.recipe.families.mixture_family import MixtureFamily, modes_of
from isogmm.recipe.options import (
    Arguments,
    array_backend,
    common_options,
    default_tolerance,
    estimator,
    rule_and_schedule,
    stopping_for,
)
from isogmm.recipe.start import Start
from isogmm.results.interruption import interruptible
from isogmm.results.stop_reason import StopReason

#: Components where the user gives no number; at least two for each mode.
NUM_COMPONENTS = 16
#: Relative step of the default recipe, in units of the variance of each component.
STEP_SIZE = 0.25


@dataclass(frozen=True)
class Isotropic(MixtureFamily[IsotropicMixture]):
    """Mixtures of isotropic Gaussians, moved by the update rules of :mod:`isogmm.updates`."""

    @classmethod
    def of(cls, given: Arguments) -> "Isotropic":
        """See :class:`isogmm.recipe.families.base.AbstractFamily`."""
        method = given["method"]
        is_auto = isinstance(method, str) and method == "auto"
        rule, schedule = rule_and_schedule(
            BuresWasserstein() if is_auto else find_rule(method), ConstantThenLinearDecay(STEP_SIZE)
        )
        algorithm = Algorithm(
            given.get("estimator") or estimator(given["num_samples"], MonteCarlo()),
            rule,
            schedule,
            stopping_for(given, schedule, default_tolerance(given["refine"])),
            array_backend(given["array_backend"]),
        )
        return cls(common_options(given, algorithm))

    @property
    def default_num_components(self) -> int:
        """Components where the user gives no number."""
        return NUM_COMPONENTS

    @property
    def growth(self) -> Growth:
        """Limits on the number of components; one increase at most if HMC chains follow."""
        if self.options.refinement.settings is None:
            return Growth()
        return Growth(max_components=3 * NUM_COMPONENTS // 2)

    def over_modes(
        self,
        located: Located,
        num_components: int,
        affine_map: AffineMap,
        generator: np.random.Generator,
    ) -> IsotropicMixture:
        """See :class:`isogmm.mixtures.initialization.over_modes.OverModes`."""
        start = OverModes(modes_of(located))
        return start.initialize(generator, self.options.chains, num_components, affine_map)

    def convert(self, mixture: object) -> IsotropicMixture:
        """Only a mixture that is isotropic already."""
        if not isinstance(mixture, IsotropicMixture):
            raise OptionError(
                "the initial mixture has full or diagonal covariances, but the components of this "
                'fit are isotropic: use fit_isogmm(model, family="auto", resume=idata), or '
                "fit_gmmvi(model, resume=idata)"
            )
        return mixture

    def adaptation(self, start: Start[IsotropicMixture]) -> WhiteningAdaptation | None:
        """The adaptation of an estimated map.

        None if several modes are known, because their gradients do not determine one covariance.
        """
        algorithm = self.options.algorithm
        assert isinstance(algorithm, Algorithm)
        has_pairs = not isinstance(algorithm.estimator, MonteCarlo) or (
            algorithm.estimator.num_samples >= 2
        )
        is_estimated = self.options.whitening is Whitening.AUTO and start.located is not None
        has_pairs = has_pairs and algorithm.estimator.uses_gradient
        if not has_pairs or not is_estimated or start.has_several_modes:
            return None
        adaptations: dict[str, type[AdaptDense] | type[AdaptDiagonal]] = {
            "dense": AdaptDense,
            "diagonal": AdaptDiagonal,
        }
        kind = start.mixture.affine_map.kind
        return adaptations[kind]() if kind in adaptations else None

    def without_rounds(
        self, context: FitContext, start: Start[IsotropicMixture], num_draws: int
    ) -> tuple[OptimizeResult, Pool] | None:
        """One Gaussian for each chain, where the user leaves components and steps to the recipe.

        It is kept where it is accurate.  Beyond ``MAX_DENSE_DIM`` dimensions it is kept always if
        HMC chains may follow: 16 components gain little there, and the optimization took most of
        the time.
        """
        options = self.options
        is_free = options.num_components is None
        is_free = is_free and not isinstance(options.algorithm.schedule, Constant)
        if not is_free or start.located is None or start.has_several_modes:
            return None
        # The test has its own random numbers, so it does not change those of a fit that continues.
        (generator,) = context.generator.spawn(1)
        affine_map = start.mixture.affine_map
        mixture = self.over_modes(start.located, 1, affine_map, generator)
        observers = context.observers(start.centers)
        return one_gaussian(
            context.target,
            mixture,
            generator,
            num_draws,
            options.importance,
            observers,
            is_final=options.refinement.settings is not None and context.target.dim > MAX_DENSE_DIM,
        )

    def larger(
        self, start: Start[IsotropicMixture], optimized: OptimizeResult, pool: Pool
    ) -> IsotropicMixture | None:
        """Split the worst components where the fit converged and leaves something to gain."""
        is_free = self.options.num_components is None and start.located is not None
        if not is_free or optimized.stop_reason is not StopReason.CONVERGED:
            return None
        if not self.growth.is_worth_trying(pool, optimized.mixture):
            return None
        return split_worst(optimized.mixture, pool)

    def without_chains(
        self, context: FitContext, optimized: OptimizeResult, pool: Pool
    ) -> tuple[OptimizeResult, Pool]:
        """See :func:`isogmm.recipe.families.isotropic.tails.cover_tails`."""
        if optimized.stop_reason.is_early:
            return optimized, pool
        found = Covered(optimized.mixture, pool, 0.0)
        with interruptible(context.target, has_result=True) as interruption:
            found = cover_tails(context.target, optimized.mixture, pool, context.generator)
        reason = interruption.reason or optimized.stop_reason
        covered = replace(
            optimized,
            mixture=found.mixture,
            stop_reason=reason,
            missed_share=found.missed_share,
        )
        return covered, found.pool

    def has_gained(self, before: Pool, after: Pool) -> bool:
        """See :class:`Growth`."""
        return self.growth.has_gained(before, after)

"""The stages of the families whose mixtures have an affine map."""

import abc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Generic, TypeVar

import numpy as np

from isogmm.draws.pool import Pool, draw_pool, draw_pool_in_time
from isogmm.locate.coordinates import geometric_scale
from isogmm.locate.located import Located
from isogmm.locate.modes.extend import extend
from isogmm.locate.options import Locate
from isogmm.locate.paths.maxima import LocalMaximum
from isogmm.mixtures.abstract import AbstractMixture, mixture_of
from isogmm.mixtures.affine_map import PARTS, AffineMap
from isogmm.mixtures.initialization.base import AbstractInitialization
from isogmm.mixtures.initialization.modes import Modes
from isogmm.mixtures.stored import resume_mixture
from isogmm.model.target import Target
from isogmm.optimize.loop import OptimizeResult
from isogmm.optimize.runner import WhiteningAdaptation
from isogmm.recipe.context import FitContext
from isogmm.recipe.delivery.chain_modes import modes_of_chains
from isogmm.recipe.delivery.deliver import deliver
from isogmm.recipe.families.base import AbstractFamily, AbstractRounds, Round
from isogmm.recipe.families.histories import joined
from isogmm.recipe.find_coordinates import Coordinates, coordinates_of, find_coordinates
from isogmm.recipe.judgment.summarize import Fitted, summarize
from isogmm.recipe.start import Start
from isogmm.results.building.fit_result import FitResult
from isogmm.results.groups import Result
from isogmm.results.interruption import interruptible, is_lack_of_memory, warn_of_memory
from isogmm.results.labeling.labels import Stage
from isogmm.results.stop_reason import StopReason

Mixture = TypeVar("Mixture", bound=AbstractMixture)

#: Fresh draws of each chain that judge a mixture; more where the user wants more draws.
MIN_POOL_DRAWS = 1000
#: Largest number of further fits because chains found a mode that the search had missed.
MAX_EXTENSIONS = 2


class MixtureFamily(AbstractFamily[Mixture]):
    """A family of mixtures of Gaussians with one affine map."""

    @property
    @abc.abstractmethod
    def default_num_components(self) -> int:
        """Components where the user gives no number."""

    @abc.abstractmethod
    def over_modes(
        self,
        located: Located,
        num_components: int,
        affine_map: AffineMap,
        generator: np.random.Generator,
    ) -> Mixture:
        """A mixture for every chain, with components around the modes that the search found."""

    @abc.abstractmethod
    def convert(self, mixture: object) -> Mixture:
        """A mixture of any family as a member of this one.

        Raises
        ------
        OptionError
            If that is not possible.
        """

    # --- optional stages: a family that does not override them leaves them out ----------------

    def adaptation(self, start: Start[Mixture]) -> WhiteningAdaptation | None:
        """What adapts the affine map during the optimization; None keeps the map."""
        return None

    def without_rounds(
        self, context: FitContext, start: Start[Mixture], num_draws: int
    ) -> tuple[OptimizeResult, Pool] | None:
        """A mixture that needs no optimization, with fresh draws; None if there is none."""
        return None

    def larger(
        self, start: Start[Mixture], optimized: OptimizeResult, pool: Pool
    ) -> Mixture | None:
        """The mixture with more components, which is optimized next; None keeps the mixture."""
        return None

    def has_gained(self, before: Pool, after: Pool) -> bool:
        """Whether the ELBO gained enough from the larger mixture to keep it."""
        return False

    def without_chains(
        self, context: FitContext, optimized: OptimizeResult, pool: Pool
    ) -> tuple[OptimizeResult, Pool]:
        """What is delivered where no HMC chains are possible: the mixture, with fresh draws."""
        return optimized, pool

    def start(self, context: FitContext) -> Start[Mixture]:
        """A start from the search, or from the initialization that the user gave."""
        options, generator = self.options, context.generator
        found = find_coordinates(context.target, options, generator)
        count = options.num_components or self.default_num_components
        if found.located is None:
            assert isinstance(options.init, AbstractInitialization)
            given = options.init.initialize(generator, options.chains, count, found.affine_map)
            return Start(self.convert(given), stop_reason=found.stop_reason)
        return self._start_at(found, generator)

    def _start_at(self, found: Coordinates, generator: np.random.Generator) -> Start[Mixture]:
        """The start from the modes of a search."""
        located, count = found.located, self.options.num_components
        assert located is not None
        if count is None:
            count = max(self.default_num_components, 2 * len(located.means))
        mixture = self.over_modes(located, count, found.affine_map, generator)
        return Start(mixture, located.means, located, found.stop_reason)

    def rounds(self, context: FitContext, start: Start[Mixture]) -> "MixtureRounds[Mixture]":
        """The optimization, and further ones with more components where they help."""
        return MixtureRounds(self, context, start)

    def finish(
        self, context: FitContext, start: Start[Mixture], rounds: AbstractRounds
    ) -> FitResult | Start[Mixture]:
        """Deliver draws, judge them and summarize the fit; or start again with further modes.

        Where the memory is not sufficient, the draws are those of the mixture.
        """
        assert isinstance(rounds, MixtureRounds)
        try:
            return self._finished(context, start, rounds)
        except (MemoryError, RuntimeError) as error:
            if not is_lack_of_memory(error):
                raise
            warn_of_memory(error)
        rounds.optimized = replace(rounds.optimized, stop_reason=StopReason.ERROR)
        return self._finished(context, start, rounds)

    def _finished(
        self, context: FitContext, start: Start[Mixture], rounds: "MixtureRounds[Mixture]"
    ) -> FitResult | Start[Mixture]:
        """The result, or the start of another fit."""
        context.costs.begin(Stage.REFINE)
        if not context.target.has_gradient:
            found = self.without_chains(context, rounds.optimized, rounds.pool)
            rounds.optimized, rounds.pool = found
        delivery = deliver(context, self.options, rounds.optimized, start.centers, rounds.pool)
        new = modes_of_chains(context.target, delivery, start.located, rounds.optimized.mixture)
        if new and start.num_extensions < MAX_EXTENSIONS:
            with interruptible(context.target, has_result=True) as interruption:
                return self._extended(context, start, new)
            # The draws of the known modes are complete, but others are missing.
            delivery = replace(delivery, stop_reason=interruption.reason)
        context.costs.begin(Stage.DELIVER)
        fitted = Fitted(start.located, rounds.optimized, rounds.pool, delivery, context.costs)
        return summarize(context.target, self.options, fitted)

    def _extended(
        self, context: FitContext, start: Start[Mixture], new: Sequence[LocalMaximum]
    ) -> Start[Mixture]:
        """The start of another fit, from the known modes and new ones."""
        assert start.located is not None
        assert isinstance(self.options.init, Locate)
        context.costs.begin(Stage.LOCATE)
        located = extend(context.target, context.generator, self.options.init, start.located, new)
        coordinates = coordinates_of(context.target, self.options, located)
        extended = self._start_at(coordinates, context.generator)
        return replace(extended, num_extensions=start.num_extensions + 1)

    # --- storage --------------------------------------------------------------------------

    def read(self, idata: Result, target: Target) -> Mixture:
        """The mixture of an earlier result, as a member of this family."""
        return self.convert(resume_mixture(idata, target))

    def arrays(self, mixture: Mixture) -> dict[str, np.ndarray]:
        """The arrays of the mixture and the parts of its map."""
        parts = {f"map_{part}": getattr(mixture.affine_map, part) for part in PARTS}
        return {
            **mixture.arrays(),
            **{name: array for name, array in parts.items() if array is not None},
        }

    def of_arrays(self, arrays: Mapping[str, np.ndarray]) -> Mixture:
        """The mixture of these arrays, as a member of this family."""
        parts = {part: arrays[f"map_{part}"] for part in PARTS if f"map_{part}" in arrays}
        return self.convert(mixture_of(arrays, AffineMap(**parts)))

    def sizes(self, mixture: Mixture) -> tuple[int, int]:
        """Chains and components."""
        chains, count = mixture.means.shape[:2]
        return chains, count


class MixtureRounds(AbstractRounds, Generic[Mixture]):
    """Optimizations of a growing mixture; each is judged by fresh draws.

    Parameters
    ----------
    family, context, start
        The family, what all stages share, and what the mixture is fitted from.
    """

    optimized: OptimizeResult
    pool: Pool

    def __init__(
        self, family: MixtureFamily[Mixture], context: FitContext, start: Start[Mixture]
    ) -> None:
        self.family, self.context, self.start = family, context, start
        self.num_draws = max(MIN_POOL_DRAWS, family.options.draws)
        self._has_result = False

    def planned(self) -> Iterator[Round]:
        """The start first, then larger mixtures as long as they gain."""
        family, context, start = self.family, self.context, self.start
        reason, found = start.stop_reason, None
        context.costs.begin(Stage.JUDGE)
        if reason is None:
            with interruptible(context.target, has_result=True) as interruption:
                found = family.without_rounds(context, start, self.num_draws)
            reason = interruption.reason
        if reason is not None:
            pool = self._draw_in_time(start.mixture)
            found = OptimizeResult(start.mixture, {}, reason, 0, None), pool
        if found is not None:
            self.optimized, self.pool = found
            return
        mixture: Mixture | None = start.mixture
        while mixture is not None:
            context.costs.begin(Stage.MIXTURE)
            yield self._round(mixture)
            mixture = family.larger(start, self.optimized, self.pool) if self._grows else None

    def _round(self, mixture: Mixture) -> Round:
        family, algorithm = self.family, self.family.options.algorithm
        weights = family.options.weights.rule_for(self.start.has_several_modes)
        runner = algorithm.runner(self.context.target, mixture, self.context.generator, weights)
        adaptation = family.adaptation(self.start)
        return Round(runner, algorithm.schedule, algorithm.stopping, adaptation)

    def add(self, optimized: OptimizeResult) -> None:
        """Judge the mixture by fresh draws; keep it if it is the first or has gained."""
        self.context.costs.begin(Stage.JUDGE)
        with interruptible(self.context.target, has_result=True) as interruption:
            pool = self._draw(optimized.mixture)
        if interruption.reason is not None:
            optimized = replace(optimized, stop_reason=interruption.reason)
            pool = self._draw_in_time(optimized.mixture)
        if not self._has_result:
            self.optimized, self.pool, self._has_result, self._grows = optimized, pool, True, True
        elif self._is_gain(optimized, pool):
            history = joined(self.optimized.history, optimized.history)
            iterations = self.optimized.iterations + optimized.iterations
            self.pool = pool
            self.optimized = replace(optimized, history=history, iterations=iterations)
        else:
            self._drop(optimized)

    def _is_gain(self, optimized: OptimizeResult, pool: Pool) -> bool:
        """Whether this mixture, with fresh draws, replaces the one before."""
        return self.family.has_gained(self.pool, pool)

    def whole(self, mixture: AbstractMixture) -> AbstractMixture:
        """The mixture itself: all chains are optimized together."""
        return mixture

    def _drop(self, optimized: OptimizeResult) -> None:
        """Keep the smaller mixture."""
        self._grows = False
        if optimized.stop_reason.is_early:
            # The smaller mixture is complete, the fit is not: no stage may follow.
            self.optimized = replace(self.optimized, stop_reason=optimized.stop_reason)
        if self.context.save is not None:
            best = self.optimized
            self.context.save(best.mixture, self.start.centers, best.iterations)

    def _draw(self, mixture: AbstractMixture) -> Pool:
        return draw_pool(self.context.target, mixture, self.context.generator, self.num_draws)

    def _draw_in_time(self, mixture: AbstractMixture) -> Pool:
        context = self.context
        return draw_pool_in_time(context.target, mixture, context.generator, self.num_draws)


def modes_of(located: Located) -> Modes:
    """The modes of a search; one scale for all coordinates where the map has low rank."""
    if located.low_rank is None:
        return Modes(located.means, located.factors, located.masses)
    scale = geometric_scale(located.low_rank)
    return Modes(located.low_rank.center[None], scale[None], located.masses)

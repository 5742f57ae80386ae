"""Optimizations with isotropic components, then with full covariances."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from isogmm.draws.pool import Pool, draw_pool
from isogmm.draws.weigh import weigh
from isogmm.locate.located import Located
from isogmm.mixtures.abstract import AbstractMixture
from isogmm.mixtures.affine_map import MAX_DENSE_DIM
from isogmm.mixtures.gaussian import GaussianMixture
from isogmm.optimize.loop import OptimizeResult
from isogmm.optimize.stopping import ElboPlateau
from isogmm.recipe.context import FitContext
from isogmm.recipe.families.auto.comparison import NUM_STANDARD_ERRORS, is_better
from isogmm.recipe.families.base import Round
from isogmm.recipe.families.gaussian.family import FullCovariances
from isogmm.recipe.families.mixture_family import MixtureFamily, MixtureRounds
from isogmm.recipe.start import Start
from isogmm.recipe.thresholds import (
    FLAT_RELATIVE_ESS,
    MAX_REWEIGHT_K,
    MIN_REWEIGHT_RELATIVE_ESS,
)
from isogmm.results.interruption import interruptible
from isogmm.results.labeling.labels import Stage
from isogmm.results.stop_reason import StopReason

#: Draws of each chain that compare starts.
NUM_TEST_DRAWS = 32
#: Largest dimension in which full covariances are optimized.  With 16 components in four chains an
#: iteration takes 0.04, 0.19 and 1.8 s of one core, and 1,200, 3,600 and 7,400 gradients, in 20, 50
#: and 100 dimensions, and a fit has a hundred iterations or more: beyond about 30 dimensions it
#: needs more gradients than all other stages.
MAX_OPTIMIZED_DIM = 30
#: Iterations of full covariances at most.  Without this limit a Student mixture in 20 dimensions
#: took 1.7 million gradients, five times those of all other stages; with about 100 iterations it
#: took 120,000.
MAX_ITERATIONS = 150
#: Relative effective sample size of the importance weights above which nothing is tried.  The
#: divergence is then below 0.0025 nats.  At 0.99 the fits of 40 modes were on both sides of it.
ACCURATE_RELATIVE_ESS = 0.995
#: Iterations of full covariances at most if the mixture is nearly accurate.  With 66 isotropic
#: components on 40 modes they take 18,000 gradients of 280,000, and the divergence falls from 0.006
#: to 0.0007; 4 iterations reach 0.0009 and 12 reach 0.0006.
FEW_ITERATIONS = 9


class RoundsThenFull(MixtureRounds[Any]):
    """Isotropic components; then one Gaussian for each mode; then GMMVI.

    Each step is taken where the one before is not accurate, and is kept if it raises the ELBO.
    GMMVI takes few iterations if the mixture is nearly accurate, and continues if that is not
    sufficient.

    Parameters
    ----------
    family, full
        The families of isotropic components and of full covariances.
    context, start
        What all stages share, and what the mixture is fitted from, with the result of a search.
    """

    def __init__(
        self,
        family: MixtureFamily[Any],
        full: FullCovariances,
        context: FitContext,
        start: Start[Any],
    ) -> None:
        super().__init__(family, context, start)
        self.full = full
        # Full covariances have their own random numbers: where they are not better, the draws are
        # those of isotropic components.
        self.generator = context.generator

    def planned(self) -> Iterator[Round]:
        """The isotropic optimizations first."""
        yield from super().planned()
        if not self._may_gain():
            return
        context = self.context
        (self.generator,) = context.generator.spawn(1)
        context.costs.begin(Stage.JUDGE)
        with interruptible(context.target, has_result=True) as interruption:
            self._try_one_for_each_mode()
        if interruption.reason is not None:
            self.optimized = replace(self.optimized, stop_reason=interruption.reason)
            return
        if self._is_nearly_accurate():
            yield self._full_round(self.full.convert(self.optimized.mixture), FEW_ITERATIONS)
        if not self._needs_optimization():
            return
        context.costs.begin(Stage.JUDGE)
        mixture = None
        with interruptible(context.target, has_result=True) as interruption:
            mixture = self._start_of_full()
        if interruption.reason is not None:
            self.optimized = replace(self.optimized, stop_reason=interruption.reason)
        elif mixture is not None:
            yield self._full_round(mixture, MAX_ITERATIONS)

    def _full_round(self, mixture: GaussianMixture, max_iterations: int) -> Round:
        """An optimization of full covariances with at most this number of iterations."""
        self.context.costs.begin(Stage.MIXTURE)
        algorithm = self.full.options.algorithm
        runner = algorithm.runner(self.context.target, mixture, self.generator)
        assert isinstance(algorithm.stopping, ElboPlateau)
        limit = min(max_iterations, algorithm.stopping.max_iterations or max_iterations)
        return Round(runner, algorithm.schedule, replace(algorithm.stopping, max_iterations=limit))

    def add(self, optimized: OptimizeResult) -> None:
        """See :class:`MixtureRounds`; the limit on iterations here is no early end of the fit."""
        is_full = isinstance(optimized.mixture, GaussianMixture)
        if is_full and optimized.stop_reason is StopReason.MAX_ITERATIONS:
            optimized = replace(optimized, stop_reason=self.optimized.stop_reason)
        super().add(optimized)

    def _may_gain(self) -> bool:
        """Whether there are several modes, of which isotropic components are not accurate.

        A single mode is as isotropic as the affine map can make it.
        """
        target = self.context.target
        is_possible = target.has_gradient and target.dim <= MAX_DENSE_DIM
        if not (self._is_complete and is_possible and self.start.has_several_modes):
            return False
        return weigh(self.pool).relative_ess <= ACCURATE_RELATIVE_ESS

    @property
    def _is_complete(self) -> bool:
        """Whether the optimization so far ended without an interrupt, limit or failure."""
        return self.optimized.stop_reason in (StopReason.CONVERGED, StopReason.MAX_ITERATIONS)

    def _try_one_for_each_mode(self) -> None:
        """Full covariances without an optimization: the Gaussians that the search found."""
        mixture = self._over_modes(len(self._located.means))
        pool = self._draw_test(mixture)
        elbo, error = pool.pooled_elbo()
        if elbo + NUM_STANDARD_ERRORS * error < self.pool.pooled_elbo()[0]:
            return
        context = self.context
        pool = pool.joined(self._draw_of(mixture, self.num_draws - NUM_TEST_DRAWS))
        if is_better(self.pool, pool):
            self.optimized, self.pool = replace(self.optimized, mixture=mixture), pool
            if context.save is not None:
                context.save(mixture, self.start.centers, self.optimized.iterations)

    def _is_nearly_accurate(self) -> bool:
        """Whether few iterations are expected to make the mixture accurate."""
        is_small = self.context.target.dim <= MAX_OPTIMIZED_DIM
        relative_ess = weigh(self.pool).relative_ess
        return is_small and MIN_REWEIGHT_RELATIVE_ESS < relative_ess <= ACCURATE_RELATIVE_ESS

    def _needs_optimization(self) -> bool:
        """Whether importance weights alone do not correct the mixture, in few dimensions."""
        weights = weigh(self.pool)
        is_small = self.context.target.dim <= MAX_OPTIMIZED_DIM
        if not self._is_complete or not is_small or weights.relative_ess > FLAT_RELATIVE_ESS:
            return False
        is_even = weights.relative_ess > MIN_REWEIGHT_RELATIVE_ESS
        return not (is_even and weights.pareto_k < MAX_REWEIGHT_K)

    def _start_of_full(self) -> GaussianMixture:
        """The better start of two: the fit so far, or several components for each mode."""
        count = max(self.full.default_num_components, 2 * len(self._located.means))
        starts = [self.full.convert(self.optimized.mixture), self._over_modes(count)]
        return max(starts, key=lambda mixture: self._draw_test(mixture).pooled_elbo()[0])

    @property
    def _located(self) -> Located:
        assert self.start.located is not None
        return self.start.located

    def _over_modes(self, count: int) -> GaussianMixture:
        """Components with the covariances of the modes, in the coordinates of the start."""
        affine_map = self.start.mixture.affine_map
        return self.full.over_modes(self._located, count, affine_map, self.generator)

    def _draw_test(self, mixture: GaussianMixture) -> Pool:
        return self._draw_of(mixture, NUM_TEST_DRAWS)

    def _draw(self, mixture: AbstractMixture) -> Pool:
        return self._draw_of(mixture, self.num_draws)

    def _draw_of(self, mixture: AbstractMixture, num_draws: int) -> Pool:
        return draw_pool(self.context.target, mixture, self.generator, num_draws)

    def _is_gain(self, optimized: OptimizeResult, pool: Pool) -> bool:
        """Between the families the ELBO decides; the cost is spent."""
        if isinstance(optimized.mixture, GaussianMixture):
            return is_better(self.pool, pool)
        return super()._is_gain(optimized, pool)

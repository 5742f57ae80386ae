"""Factorized mixtures in the recipe: options, start, one optimization for each chain, result."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from isogmm.errors import OptionError, warn_user
from isogmm.locate.options import Locate, Whitening
from isogmm.mixtures.check_parameters import check_parameters
from isogmm.mixtures.factorized import FactorizedMixture
from isogmm.mixtures.factorized_chains import FactorizedChains
from isogmm.mixtures.stored import STORED, check_coordinates
from isogmm.model.checks.repeatable import check_repeatable
from isogmm.model.processes import agreed_seconds
from isogmm.model.target import Target
from isogmm.optimize.factorized.runner import FactorizedAlgorithm
from isogmm.optimize.loop import OptimizeResult
from isogmm.optimize.schedules import ConstantThenLinearDecay
from isogmm.optimize.stopping import MaxIterations
from isogmm.optimize.updates import RelativeStep, find_rule
from isogmm.recipe.context import FitContext
from isogmm.recipe.families.base import AbstractFamily, AbstractRounds, Round
from isogmm.recipe.families.factorized.result import fit_result
from isogmm.recipe.options import (
    Arguments,
    Options,
    Refinement,
    WeightsOption,
    When,
    number_of_components,
    rule_and_schedule,
    stopping_for,
)
from isogmm.recipe.start import Start
from isogmm.results.building.fit_result import FitResult
from isogmm.results.groups import Result, get_group
from isogmm.results.labeling.labels import Stage
from isogmm.results.stop_reason import StopReason
from isogmm.validation import real_number, whole_number

#: Components of each coordinate where the user gives no number.
NUM_COMPONENTS = 5
#: Longest tail in iterations: with many coordinates the ELBO gains from averaging for long.
MAX_TAIL_LENGTH = 5_000
#: Seconds left for a chain when the time limit has passed; a stopping rule needs more than zero.
MIN_SECONDS = 1e-9
#: Default ``tolerance`` in nats.
TOLERANCE = 0.25

#: The remedy for a fit that ended early, appended to what happened.
REMEDIES = {
    StopReason.MAX_ITERATIONS: "; continue with isogmm.fit_factorized(model, resume=idata).",
    StopReason.MAX_SECONDS: "; continue with isogmm.fit_factorized(model, resume=idata).",
    StopReason.INTERRUPTED: "; continue with isogmm.fit_factorized(model, resume=idata).",
    StopReason.CALLBACK: "; continue with isogmm.fit_factorized(model, resume=idata).",
    StopReason.ERROR: (
        "; correct the cause, and continue with isogmm.fit_factorized(model, resume=idata)."
    ),
    StopReason.NON_FINITE: (
        "; the last finite mixture was kept. Choose an initial mixture nearer to the posterior "
        "with center, spread and variance, or check the model for parameters outside their support."
    ),
}


@dataclass(frozen=True)
class FactorizedStart:
    """Where the means of every chain start: N(center, spread² I), with one variance for all."""

    center: np.ndarray | None
    spread: float
    variance: float
    dtype: type

    def mixture(
        self, generator: np.random.Generator, num_components: int, dim: int
    ) -> FactorizedMixture:
        """The start of one chain."""
        center = np.zeros(dim) if self.center is None else self.center
        if center.shape != (dim,):
            raise OptionError(f"center must have shape ({dim},), not {center.shape}")
        return FactorizedMixture.start(
            generator,
            num_components,
            center,
            spread=self.spread,
            variance=self.variance,
            dtype=self.dtype,
        )


@dataclass(frozen=True)
class Factorized(AbstractFamily[FactorizedChains]):
    """Mixtures of K univariate Gaussians for each coordinate.

    Parameters
    ----------
    options
        The options of the fit.
    beginning
        Where the means start.
    """

    beginning: FactorizedStart

    @classmethod
    def of(cls, given: Arguments) -> "Factorized":
        """See :class:`isogmm.recipe.families.base.AbstractFamily`."""
        decay = ConstantThenLinearDecay(given["step_size"], longest_tail=MAX_TAIL_LENGTH)
        rule, schedule = rule_and_schedule(find_rule(given["method"]), decay)
        algorithm = FactorizedAlgorithm(
            rule,
            schedule,
            stopping_for(given, schedule, TOLERANCE),
            whole_number("num_samples", given["num_samples"]),
            bounds_steps=isinstance(rule, RelativeStep),
        )
        options = Options(
            draws=whole_number("draws", given["draws"], least=0),
            chains=whole_number("chains", given["chains"]),
            num_components=number_of_components(given["num_components"]),
            algorithm=algorithm,
            weights=WeightsOption(When.NEVER),
            whitening=Whitening.NONE,
            init=Locate(),
            importance=When.NEVER,
            refinement=Refinement(None),
        )
        center = given["center"]
        beginning = FactorizedStart(
            None if center is None else np.asarray(center, dtype=np.float64),
            real_number("spread", given["spread"], above=0.0),
            real_number("variance", given["variance"], above=0.0),
            given["dtype"],
        )
        return cls(options, beginning)

    @classmethod
    def default_chains(cls) -> int:
        """Chains where the user gives no number."""
        return 1

    def start(self, context: FitContext) -> Start[FactorizedChains]:
        """Means around the center, from the random numbers of each chain."""
        count, dim = self.options.num_components or NUM_COMPONENTS, context.target.dim
        generators = context.generators(self.options.chains)
        mixtures = [self.beginning.mixture(generator, count, dim) for generator in generators]
        if context.target.log_density is None:  # a JAX function is the same in every call
            check_repeatable(context.target.evaluate_point, mixtures[0].means[0])
        return Start(FactorizedChains(tuple(mixtures)))

    def rounds(self, context: FitContext, start: Start[FactorizedChains]) -> "FactorizedRounds":
        """One optimization for each chain."""
        return FactorizedRounds(self, context, start)

    def finish(
        self, context: FitContext, start: Start[FactorizedChains], rounds: AbstractRounds
    ) -> FitResult:
        """Draws of every chain, and their ELBO; the draws are not refined and carry no verdict.

        Warns
        -----
        FitWarning
            If an optimization ended before its ELBO converged.
        """
        assert isinstance(rounds, FactorizedRounds)
        has_fixed_length = isinstance(self.options.algorithm.stopping, MaxIterations)
        for reason in dict.fromkeys(result.stop_reason for result in rounds.results):
            is_planned = has_fixed_length and reason is StopReason.MAX_ITERATIONS
            if reason in REMEDIES and not is_planned:
                warn_user(f"isogmm: {reason.event}{REMEDIES[reason]}")
        return fit_result(context, rounds.results, self.options.draws)

    # --- storage --------------------------------------------------------------------------

    def read(self, idata: Result, target: Target) -> FactorizedChains:
        """The mixtures of an earlier result of :func:`isogmm.fit_factorized`."""
        check_coordinates(idata, target)
        fit = get_group(idata, "fit")
        if fit.attrs.get("family") != "factorized":
            raise OptionError(
                "the result given as resume= contains no factorized mixture: continue it with the "
                "function that made it (fit_isogmm or fit_gmmvi)"
            )
        missing = [name for name in ("means", "variances") if name not in fit]
        if missing:
            raise OptionError(
                f"the group 'fit' of the result has no {', '.join(missing)}: not all of its "
                "variables were saved, so fit the model again"
            )
        arrays = {name: fit[name].values for name in ("means", "variances")}
        check_parameters(arrays, STORED)
        return FactorizedChains.of_arrays(arrays)

    def arrays(self, mixture: FactorizedChains) -> dict[str, np.ndarray]:
        """Means and variances of all chains."""
        return mixture.arrays()

    def of_arrays(self, arrays: Mapping[str, np.ndarray]) -> FactorizedChains:
        """The mixtures of these arrays."""
        return FactorizedChains.of_arrays(arrays)

    def sizes(self, mixture: FactorizedChains) -> tuple[int, int]:
        """Chains and components."""
        return len(mixture.chains), mixture.chains[0].num_components


class FactorizedRounds(AbstractRounds):
    """One optimization after another, one for each chain, because one alone may fill the memory.

    Parameters
    ----------
    family, context, start
        The family, what all stages share, and what the mixtures are fitted from.
    """

    def __init__(
        self, family: Factorized, context: FitContext, start: Start[FactorizedChains]
    ) -> None:
        self.family, self.context, self.start = family, context, start
        self.results: list[OptimizeResult] = []

    def planned(self) -> Iterator[Round]:
        """The chains in order; those after an interruption are left out."""
        algorithm, started = self.family.options.algorithm, time.perf_counter()
        max_seconds = algorithm.stopping.max_seconds
        mixtures = self.start.mixture.chains
        generators = self.context.generators(len(mixtures))
        chains = zip(mixtures, generators, strict=True)
        for number, (mixture, generator) in enumerate(chains, start=1):
            stopping: Any = algorithm.stopping
            if max_seconds is not None:
                spent = agreed_seconds(self.context.target, time.perf_counter() - started)
                left = max_seconds - spent
                stopping = replace(stopping, max_seconds=max(left, MIN_SECONDS))
            note = f"chain {number} of {len(mixtures)}" if len(mixtures) > 1 else ""
            self.context.costs.begin(Stage.MIXTURE, note)
            runner = algorithm.runner(self.context.target, mixture, generator)
            yield Round(runner, algorithm.schedule, stopping)
            if self.results[-1].stop_reason.is_early:
                return

    def add(self, optimized: OptimizeResult) -> None:
        """Keep the mixture of a chain."""
        self.results.append(optimized)

    def whole(self, mixture: FactorizedMixture) -> FactorizedChains:
        """All chains while one is optimized: those before as fitted, those after as they start."""
        done = [result.mixture for result in self.results]
        return FactorizedChains((*done, mixture, *self.start.mixture.chains[len(done) + 1 :]))

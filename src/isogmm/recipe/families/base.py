"""The interface of a family of mixtures."""

import abc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np

from isogmm.model.target import Target
from isogmm.optimize.loop import OptimizeResult
from isogmm.optimize.runner import AbstractRunner, WhiteningAdaptation
from isogmm.optimize.schedules import AbstractSchedule
from isogmm.optimize.stopping import AbstractStopping
from isogmm.recipe.context import FitContext
from isogmm.recipe.options import CHAINS, Arguments, Options
from isogmm.recipe.start import Start
from isogmm.results.building.fit_result import FitResult
from isogmm.results.groups import Result

#: What the family fits: the mixture of all chains.
Mixture = TypeVar("Mixture")
Family = TypeVar("Family", bound="AbstractFamily")


@dataclass(frozen=True)
class Round:
    """One optimization of a fit.

    Parameters
    ----------
    runner
        The optimization.
    schedule, stopping
        How long it runs.
    whitening
        Adapts the affine map between windows, or None.
    """

    runner: AbstractRunner
    schedule: AbstractSchedule
    stopping: AbstractStopping
    whitening: WhiteningAdaptation | None = None


class AbstractRounds(abc.ABC):
    """The optimizations of one fit, one after another, and what they led to."""

    @abc.abstractmethod
    def planned(self) -> Iterator[Round]:
        """The optimizations; the result of each is added before the next is asked for."""

    @abc.abstractmethod
    def add(self, optimized: OptimizeResult) -> None:
        """Take the result of the last optimization."""

    @abc.abstractmethod
    def whole(self, mixture: object) -> object:
        """The mixture of all chains, where ``mixture`` is what is optimized now."""


@dataclass(frozen=True)
class AbstractFamily(abc.ABC, Generic[Mixture]):
    """A family of mixtures in the recipe: its options, start, rounds, result and storage.

    Parameters
    ----------
    options
        The options of the fit.
    """

    options: Options

    @classmethod
    @abc.abstractmethod
    def of(cls: type[Family], given: Arguments) -> Family:
        """The family with the options that a user gave, by name.

        Raises
        ------
        OptionError
            Naming the option, its value and what is accepted.
        """

    @classmethod
    def default_chains(cls) -> int:
        """Chains where the user gives no number."""
        return CHAINS

    @abc.abstractmethod
    def start(self, context: FitContext) -> Start[Mixture]:
        """What the mixture is fitted from, where no earlier fit is continued."""

    @abc.abstractmethod
    def rounds(self, context: FitContext, start: Start[Mixture]) -> AbstractRounds:
        """The optimizations of the fit."""

    @abc.abstractmethod
    def finish(
        self, context: FitContext, start: Start[Mixture], rounds: AbstractRounds
    ) -> FitResult | Start[Mixture]:
        """The draws, what was found about them, and the statistics of the fit.

        The start of another fit if the draws show that the search had missed a mode.
        """

    # --- storage --------------------------------------------------------------------------

    @abc.abstractmethod
    def read(self, idata: Result, target: Target) -> Mixture:
        """The mixture of an earlier result.

        Raises
        ------
        OptionError
            If its coordinates are not those of the target.
        """

    @abc.abstractmethod
    def arrays(self, mixture: Mixture) -> dict[str, np.ndarray]:
        """The mixture as arrays by name, for a checkpoint."""

    @abc.abstractmethod
    def of_arrays(self, arrays: Mapping[str, np.ndarray]) -> Mixture:
        """The mixture of the arrays of a checkpoint."""

    @abc.abstractmethod
    def sizes(self, mixture: Mixture) -> tuple[int, int]:
        """Chains and components of a mixture."""

    def continuing(self: Family, mixture: Mixture) -> Family:
        """The family with the chains of a mixture that is continued."""
        chains, num_components = self.sizes(mixture)
        options = self.options.continuing(chains, num_components, self.default_chains())
        return replace(self, options=options)

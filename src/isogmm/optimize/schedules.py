"""Step-size schedules: what γ is at each iteration, and how the fit winds down."""

import abc
import math
from dataclasses import dataclass

from isogmm.errors import OptionError


class AbstractSchedule(abc.ABC):
    """The step size of the main phase, and the length of a tail in which it falls to zero.

    The main phase lasts until the stopping rule ends it; the tail follows, its iterates are
    averaged, and their average is the result.
    """

    @abc.abstractmethod
    def step_size(self, iteration: int) -> float:
        """γ at an iteration of the main phase, counted from 0."""

    @abc.abstractmethod
    def tail_length(self, iterations: int) -> int:
        """Iterations of the tail after a main phase of this many; 0 for none."""

    @abc.abstractmethod
    def main_length(self, max_iterations: int) -> int:
        """Iterations that the main phase may use so that the tail still fits the budget."""

    @abc.abstractmethod
    def main_share(self) -> float:
        """Share of a budget of seconds that the main phase may use."""


def _check(step_size: float) -> None:
    if not 0 < step_size < math.inf:
        raise OptionError(f"step_size must be a positive number, not {step_size}")


@dataclass(frozen=True)
class Constant(AbstractSchedule):
    """The same γ throughout, no tail: the schedule of the paper.

    Parameters
    ----------
    value
        γ.
    """

    value: float

    def __post_init__(self) -> None:
        _check(self.value)

    def step_size(self, iteration: int) -> float:
        """γ."""
        return self.value

    def tail_length(self, iterations: int) -> int:
        """No tail."""
        return 0

    def main_length(self, max_iterations: int) -> int:
        """All of the budget."""
        return max_iterations

    def main_share(self) -> float:
        """All of the budget."""
        return 1.0


@dataclass(frozen=True)
class ConstantThenLinearDecay(AbstractSchedule):
    """γ constant, then linearly to zero over a tail whose iterates are averaged.

    Parameters
    ----------
    value
        γ of the main phase.
    tail
        Length of the tail as a multiple of the main phase.
    longest_tail
        Bound on the length of the tail: averaging has done its work by then.

    Raises
    ------
    OptionError
        If a setting is not positive.
    """

    value: float = 0.25
    tail: float = 0.5
    longest_tail: int = 500

    def __post_init__(self) -> None:
        _check(self.value)
        if not 0 < self.tail < math.inf:
            raise OptionError(f"tail must be a positive number, not {self.tail}")
        if self.longest_tail < 1:
            raise OptionError(f"longest_tail must be at least 1, not {self.longest_tail}")

    def step_size(self, iteration: int) -> float:
        """γ."""
        return self.value

    def tail_length(self, iterations: int) -> int:
        """A share of the main phase, at least one iteration."""
        return min(max(1, math.ceil(self.tail * iterations)), self.longest_tail)

    def main_length(self, max_iterations: int) -> int:
        """What leaves room for the tail, at least one iteration."""
        share = math.ceil(max_iterations * self.main_share())
        return max(1, share, max_iterations - self.longest_tail)

    def main_share(self) -> float:
        """What leaves room for the tail."""
        return 1.0 / (1.0 + self.tail)


@dataclass(frozen=True)
class Polynomial(AbstractSchedule):
    """γ_t = γ (1 + t / t₀)^(−p), no tail.

    Parameters
    ----------
    value
        γ of the first iteration.
    delay
        t₀, iterations before the decay shows.
    power
        p; Robbins and Monro ask for 1/2 < p ≤ 1.
    """

    value: float
    delay: float = 100.0
    power: float = 0.75

    def __post_init__(self) -> None:
        _check(self.value)
        if not (self.delay > 0 and self.power > 0):
            raise OptionError(
                f"delay and power must be positive, not {self.delay} and {self.power}"
            )

    def step_size(self, iteration: int) -> float:
        """γ_t."""
        return self.value * (1.0 + iteration / self.delay) ** -self.power

    def tail_length(self, iterations: int) -> int:
        """No tail."""
        return 0

    def main_length(self, max_iterations: int) -> int:
        """All of the budget."""
        return max_iterations

    def main_share(self) -> float:
        """All of the budget."""
        return 1.0

"""Step-size schedules: γ at each iteration, and the length of the tail."""

import abc
import math
from dataclasses import dataclass

from isogmm.errors import OptionError


class AbstractSchedule(abc.ABC):
    """The step size of the main phase, and the length of a tail in which it decreases to zero.

    The main phase ends when the stopping rule ends it, and the tail follows.  The result is the
    average of the iterates of the tail.
    """

    @abc.abstractmethod
    def step_size(self, iteration: int) -> float:
        """γ at an iteration of the main phase, counted from 0."""

    @abc.abstractmethod
    def tail_length(self, iterations: int) -> int:
        """Iterations of the tail after a main phase of this length; 0 for no tail."""

    @abc.abstractmethod
    def main_length(self, max_iterations: int) -> int:
        """Largest length of the main phase with which the tail stays within the budget."""

    @abc.abstractmethod
    def main_share(self) -> float:
        """Share of a budget of seconds that the main phase may use."""


class AbstractScheduleWithoutTail(AbstractSchedule):
    """A schedule whose main phase uses the whole budget."""

    def tail_length(self, iterations: int) -> int:
        """No tail."""
        return 0

    def main_length(self, max_iterations: int) -> int:
        """The whole budget."""
        return max_iterations

    def main_share(self) -> float:
        """The whole budget."""
        return 1.0


def _validate(step_size: float) -> None:
    """Raise an error if a step size is not a positive number."""
    if not 0 < step_size < math.inf:
        raise OptionError(f"step_size must be a positive number, not {step_size}")


@dataclass(frozen=True)
class Constant(AbstractScheduleWithoutTail):
    """The same γ in every iteration, and no tail: the schedule of the paper.

    Parameters
    ----------
    value
        γ.
    """

    value: float

    def __post_init__(self) -> None:
        _validate(self.value)

    def step_size(self, iteration: int) -> float:
        """γ."""
        return self.value


@dataclass(frozen=True)
class ConstantThenLinearDecay(AbstractSchedule):
    """A constant γ, then linear decay to zero over a tail whose iterates are averaged.

    Parameters
    ----------
    value
        γ of the main phase.
    tail
        Length of the tail as a multiple of the main phase.
    longest_tail
        Bound on the length of the tail; averaging over more iterations gains little.

    Raises
    ------
    OptionError
        If a setting is not positive.
    """

    value: float = 0.25
    tail: float = 0.5
    longest_tail: int = 500

    def __post_init__(self) -> None:
        _validate(self.value)
        if not 0 < self.tail < math.inf:
            raise OptionError(f"tail must be a positive number, not {self.tail}")
        if self.longest_tail < 1:
            raise OptionError(f"longest_tail must be at least 1, not {self.longest_tail}")

    def step_size(self, iteration: int) -> float:
        """γ."""
        return self.value

    def tail_length(self, iterations: int) -> int:
        """A multiple of the main phase, with at least one iteration."""
        return min(max(1, math.ceil(self.tail * iterations)), self.longest_tail)

    def main_length(self, max_iterations: int) -> int:
        """The budget without the tail, with at least one iteration."""
        share = math.ceil(max_iterations * self.main_share())
        return max(1, share, max_iterations - self.longest_tail)

    def main_share(self) -> float:
        """The share of the budget without the tail."""
        return 1.0 / (1.0 + self.tail)


@dataclass(frozen=True)
class Polynomial(AbstractScheduleWithoutTail):
    """γ_t = γ (1 + t / t₀)^(−p), and no tail.

    Parameters
    ----------
    value
        γ of the first iteration.
    delay
        t₀, the number of iterations after which γ has decreased by the factor 2^(−p).
    power
        p; the conditions of Robbins and Monro are 1/2 < p ≤ 1.
    """

    value: float
    delay: float = 100.0
    power: float = 0.75

    def __post_init__(self) -> None:
        _validate(self.value)
        if not (self.delay > 0 and self.power > 0):
            raise OptionError(
                f"delay and power must be positive, not {self.delay} and {self.power}"
            )

    def step_size(self, iteration: int) -> float:
        """γ_t."""
        return self.value * (1.0 + iteration / self.delay) ** -self.power

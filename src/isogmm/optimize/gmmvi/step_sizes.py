"""Design choices 3 and 5 of GMMVI: step sizes of the components and of the weights.

A step size is β for direct updates, and the bound on a KL divergence for trust regions.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from isogmm.errors import OptionError
from isogmm.optimize.gmmvi.base import AbstractStepSizes


def _validate(**settings: float) -> None:
    """Raise an error if a setting is not a positive number."""
    for name, value in settings.items():
        if not 0 < value < np.inf:
            raise OptionError(f"{name} must be a positive number, not {value}")


@dataclass(frozen=True)
class Fixed(AbstractStepSizes):
    """A constant step size.

    Parameters
    ----------
    initial
        The step size.
    """

    initial: float = 0.1

    def __post_init__(self) -> None:
        _validate(initial=self.initial)

    def adapt(
        self, steps: Float[np.ndarray, "*k"], improved: Bool[np.ndarray, "*k"], iteration: int
    ) -> Float[np.ndarray, "*k"]:
        """The step sizes, unchanged."""
        return steps


@dataclass(frozen=True)
class Decaying(AbstractStepSizes):
    """Step size initial · (1 + t / delay)^(−power) at iteration t.

    Parameters
    ----------
    initial
        Step size of the first iteration.
    delay, power
        Number of iterations after which the step size has decreased by 2^(−power), and the power.
    """

    initial: float = 0.1
    delay: float = 50.0
    power: float = 0.75

    def __post_init__(self) -> None:
        _validate(initial=self.initial, delay=self.delay, power=self.power)

    def adapt(
        self, steps: Float[np.ndarray, "*k"], improved: Bool[np.ndarray, "*k"], iteration: int
    ) -> Float[np.ndarray, "*k"]:
        """The same step size for all."""
        return np.full_like(steps, self.initial * (1.0 + iteration / self.delay) ** -self.power)


@dataclass(frozen=True)
class ImprovementBased(AbstractStepSizes):
    """Increase after a step that improved the reward, decrease after any other.

    Parameters
    ----------
    initial, smallest, largest
        The first step size, and the bounds of all.
    growth, decay
        Factors after a step that improved the reward, and after any other.

    Raises
    ------
    OptionError
        If the first step size is not within the bounds, or 1 not between the factors.
    """

    initial: float = 0.1
    smallest: float = 1e-3
    largest: float = 1.0
    growth: float = 1.1
    decay: float = 0.85

    def __post_init__(self) -> None:
        _validate(initial=self.initial, smallest=self.smallest, largest=self.largest)
        if not self.smallest <= self.initial <= self.largest:
            raise OptionError(
                f"initial={self.initial} must lie between smallest={self.smallest} and "
                f"largest={self.largest}"
            )
        if not 0 < self.decay < 1 < self.growth:
            raise OptionError(
                f"decay must lie in (0, 1) and growth above 1, not {self.decay} and {self.growth}"
            )

    def adapt(
        self, steps: Float[np.ndarray, "*k"], improved: Bool[np.ndarray, "*k"], iteration: int
    ) -> Float[np.ndarray, "*k"]:
        """The step size of each component, from the effect of its last step."""
        return np.clip(
            steps * np.where(improved, self.growth, self.decay), self.smallest, self.largest
        )

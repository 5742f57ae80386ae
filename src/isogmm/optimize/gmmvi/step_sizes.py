"""Design choices 3 and 5 of GMMVI: step sizes of the components, and of the weights.

A step size is β for direct updates, and the bound of a KL divergence for trust regions.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from isogmm.errors import OptionError
from isogmm.optimize.gmmvi.base import AbstractStepSizes


def _check(**settings: float) -> None:
    for name, value in settings.items():
        if not 0 < value < np.inf:
            raise OptionError(f"{name} must be a positive number, not {value}")


@dataclass(frozen=True)
class Fixed(AbstractStepSizes):
    """Always the same.

    Parameters
    ----------
    initial
        The step size.
    """

    initial: float = 0.1

    def __post_init__(self) -> None:
        _check(initial=self.initial)

    def adapt(
        self, steps: Float[np.ndarray, "*k"], improved: Bool[np.ndarray, "*k"], iteration: int
    ) -> Float[np.ndarray, "*k"]:
        """As they are."""
        return steps


@dataclass(frozen=True)
class Decaying(AbstractStepSizes):
    """initial / (1 + t / delay)^power at iteration t.

    Parameters
    ----------
    initial
        The first one.
    delay, power
        When the decay begins to show, and how fast it is.
    """

    initial: float = 0.1
    delay: float = 50.0
    power: float = 0.75

    def __post_init__(self) -> None:
        _check(initial=self.initial, delay=self.delay, power=self.power)

    def adapt(
        self, steps: Float[np.ndarray, "*k"], improved: Bool[np.ndarray, "*k"], iteration: int
    ) -> Float[np.ndarray, "*k"]:
        """The same for all."""
        return np.full_like(steps, self.initial * (1.0 + iteration / self.delay) ** -self.power)


@dataclass(frozen=True)
class ImprovementBased(AbstractStepSizes):
    """Longer after a step that improved the reward, shorter after one that did not.

    Parameters
    ----------
    initial, smallest, largest
        Where it begins, and its bounds.
    growth, decay
        Factors after better and after worse.

    Raises
    ------
    OptionError
        If the bounds do not enclose the first one, or the factors not 1.
    """

    initial: float = 0.1
    smallest: float = 1e-3
    largest: float = 1.0
    growth: float = 1.1
    decay: float = 0.85

    def __post_init__(self) -> None:
        _check(initial=self.initial, smallest=self.smallest, largest=self.largest)
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
        """Each by its own record."""
        return np.clip(
            steps * np.where(improved, self.growth, self.decay), self.smallest, self.largest
        )

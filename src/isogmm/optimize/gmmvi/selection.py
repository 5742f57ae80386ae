"""Design choice 6 of GMMVI: where new samples are drawn, and how long old ones serve."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from isogmm.errors import OptionError
from isogmm.optimize.gmmvi.base import AbstractSelection


def _check(num_samples: int | None, reuse: int, least_fresh: float) -> None:
    if num_samples is not None and num_samples < 2:
        raise OptionError(f"num_samples must be at least 2, not {num_samples}")
    if reuse < 1:
        raise OptionError(f"reuse must be at least 1 iteration, not {reuse}")
    if not 0 < least_fresh <= 1:
        raise OptionError(f"least_fresh must be in (0, 1], not {least_fresh}")


@dataclass(frozen=True)
class FromComponents(AbstractSelection):
    """Every component gets what its old samples lack, whatever its weight.

    Parameters
    ----------
    num_samples
        Effective samples of every component; None leaves it to the gradient estimator.
    reuse
        Iterations whose samples are kept, this one included; 1 for fresh samples only.
    least_fresh
        Share of new samples at least: an estimate from the same samples over and over fits them
        and not the target.

    Raises
    ------
    OptionError
        If a setting is out of range.
    """

    num_samples: int | None = None
    reuse: int = 4
    least_fresh: float = 0.3

    def __post_init__(self) -> None:
        _check(self.num_samples, self.reuse, self.least_fresh)

    def counts(
        self,
        log_weights: Float[np.ndarray, " k"],
        effective: Float[np.ndarray, " k"],
        wanted: int,
        generator: np.random.Generator,
    ) -> Int[np.ndarray, " k"]:
        """See :class:`isogmm.gmmvi.AbstractSelection`."""
        wanted = self.num_samples or wanted
        least = int(np.ceil(self.least_fresh * wanted))
        return np.maximum(np.ceil(wanted - effective).astype(int), least)


@dataclass(frozen=True)
class FromMixture(AbstractSelection):
    """New samples come from the mixture: components with little weight see few of their own.

    Parameters
    ----------
    num_samples
        Samples for every component on average; None leaves it to the gradient estimator.
    reuse
        Iterations whose samples are kept, this one included; 1 for fresh samples only.
    least_fresh
        Share of new samples at least.

    Raises
    ------
    OptionError
        If a setting is out of range.
    """

    num_samples: int | None = None
    reuse: int = 1
    least_fresh: float = 0.3

    def __post_init__(self) -> None:
        _check(self.num_samples, self.reuse, self.least_fresh)

    def counts(
        self,
        log_weights: Float[np.ndarray, " k"],
        effective: Float[np.ndarray, " k"],
        wanted: int,
        generator: np.random.Generator,
    ) -> Int[np.ndarray, " k"]:
        """See :class:`isogmm.gmmvi.AbstractSelection`."""
        total = len(log_weights) * (self.num_samples or wanted)
        weights = np.exp(log_weights)
        lacking = total - len(log_weights) * float(weights @ effective)
        number = max(int(np.ceil(lacking)), int(np.ceil(self.least_fresh * total)))
        # In strata, as draws of the mixture are.
        levels = (np.arange(number) + generator.uniform()) / number
        index = np.searchsorted(np.cumsum(weights) / weights.sum(), levels)
        return np.bincount(np.minimum(index, len(weights) - 1), minlength=len(weights))

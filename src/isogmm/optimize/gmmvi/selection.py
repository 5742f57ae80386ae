"""Design choice 6 of GMMVI: the numbers of new samples, and the reuse of old samples."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from isogmm.arrays import systematic_indices
from isogmm.errors import OptionError
from isogmm.optimize.gmmvi.base import AbstractSelection


def _validate(num_samples: int | None, reuse: int, least_fresh: float) -> None:
    """Raise an error if a setting is out of range."""
    if num_samples is not None and num_samples < 2:
        raise OptionError(f"num_samples must be at least 2, not {num_samples}")
    if reuse < 1:
        raise OptionError(f"reuse must be at least 1 iteration, not {reuse}")
    if not 0 < least_fresh <= 1:
        raise OptionError(f"least_fresh must be in (0, 1], not {least_fresh}")


@dataclass(frozen=True)
class FromComponents(AbstractSelection):
    """Every component receives the samples that it lacks, independently of its weight.

    Parameters
    ----------
    num_samples
        Effective samples of every component; None uses the number of the gradient estimator.
    reuse
        Number of iterations whose samples are kept, including the current one; 1 for new samples
        only.
    least_fresh
        Smallest share of new samples.  Estimates that use the same samples in many iterations
        overfit these samples.

    Raises
    ------
    OptionError
        If a setting is out of range.
    """

    num_samples: int | None = None
    reuse: int = 4
    least_fresh: float = 0.3

    def __post_init__(self) -> None:
        _validate(self.num_samples, self.reuse, self.least_fresh)

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
    """New samples come from the mixture: components with small weights have few of their own.

    Parameters
    ----------
    num_samples
        Average number of samples of a component; None uses the number of the gradient estimator.
    reuse
        Number of iterations whose samples are kept, including the current one; 1 for new samples
        only.
    least_fresh
        Smallest share of new samples.

    Raises
    ------
    OptionError
        If a setting is out of range.
    """

    num_samples: int | None = None
    reuse: int = 1
    least_fresh: float = 0.3

    def __post_init__(self) -> None:
        _validate(self.num_samples, self.reuse, self.least_fresh)

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
        drawn = systematic_indices(weights, number, generator)
        return np.bincount(drawn, minlength=len(weights))

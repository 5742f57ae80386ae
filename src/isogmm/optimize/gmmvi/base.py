"""Interfaces of the seven parts of GMMVI, which are exchangeable."""

import abc

import numpy as np
from jaxtyping import Bool, Float, Int

from isogmm.optimize.gmmvi.components import Components, Samples


class AbstractNaturalGradients(abc.ABC):
    """Design choice 1: estimates of the derivatives of log(q/π) under a component."""

    @abc.abstractmethod
    def samples_needed(self, dim: int, diagonal: bool) -> int:
        """Effective number of samples of every component that an estimate requires."""

    @abc.abstractmethod
    def estimate(
        self,
        whitened: Float[np.ndarray, "n d"],
        weights: Float[np.ndarray, " n"],
        log_ratio: Float[np.ndarray, " n"],
        difference: Float[np.ndarray, "n d"],
        diagonal: bool,
    ) -> tuple[Float[np.ndarray, " d"], Float[np.ndarray, "d d"] | Float[np.ndarray, " d"]]:
        """E[∇ log(q/π)] and E[∇² log(q/π)] of one component, in its own coordinates z.

        Parameters
        ----------
        whitened, weights
            z and the normalized importance weights of the samples.
        log_ratio, difference
            log(π/q), and ∇ log(q/π) in z, at the samples.
        diagonal
            Whether to return only the diagonal of the second.
        """


class AbstractComponentUpdate(abc.ABC):
    """Design choice 2: the step of a component, given its natural gradient."""

    @abc.abstractmethod
    def update(
        self,
        gradients: Float[np.ndarray, "k d"],
        values: Float[np.ndarray, "k d"],
        steps: Float[np.ndarray, " k"],
    ) -> tuple[Float[np.ndarray, "k d"], Float[np.ndarray, "k d"], Bool[np.ndarray, " k"]]:
        """New means and variances of components that were standard normals, and their validity.

        The coordinates are z, rotated so that E[∇² log(q/π)] is diagonal with these values.  A
        component for which the last array is False stays unchanged.
        """


class AbstractStepSizes(abc.ABC):
    """Design choices 3 and 5: the step sizes of the components, and of the weights."""

    #: Step size of a new component, or of the weights in the first iteration.
    initial: float

    @abc.abstractmethod
    def adapt(
        self, steps: Float[np.ndarray, "*k"], improved: Bool[np.ndarray, "*k"], iteration: int
    ) -> Float[np.ndarray, "*k"]:
        """Step sizes of this iteration, given whether the last step improved the reward."""


class AbstractWeightUpdate(abc.ABC):
    """Design choice 4: the step of the weights, given the rewards of the components."""

    @abc.abstractmethod
    def update(
        self, log_weights: Float[np.ndarray, " k"], rewards: Float[np.ndarray, " k"], step: float
    ) -> Float[np.ndarray, " k"]:
        """New log weights, normalized."""


class AbstractSelection(abc.ABC):
    """Design choice 6: the number of new samples of each component, and the reuse of old ones."""

    #: Number of iterations whose samples are kept, including the current one.
    reuse: int

    @abc.abstractmethod
    def counts(
        self,
        log_weights: Float[np.ndarray, " k"],
        effective: Float[np.ndarray, " k"],
        wanted: int,
        generator: np.random.Generator,
    ) -> Int[np.ndarray, " k"]:
        """Number of samples to draw from each component.

        Parameters
        ----------
        log_weights
            Log weights of the mixture.
        effective
            Effective number of the old samples for each component.
        wanted
            Effective number of samples that every component should have.
        generator
            Source of randomness.
        """


class AbstractNumber(abc.ABC):
    """Design choice 7: the addition and deletion of components."""

    @abc.abstractmethod
    def adapt(
        self, components: Components, samples: Samples, iteration: int, initial_step: float
    ) -> Components:
        """The components that remain, and new ones with the step size ``initial_step``."""

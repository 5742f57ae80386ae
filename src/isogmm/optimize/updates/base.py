"""The contract of the update rules, and the arithmetic they share."""

import abc
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from isogmm.arrays import logsumexp
from isogmm.errors import OptionError
from isogmm.mixtures.affine_map import AffineMap
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.optimize.gradients.base import ComponentGradients, component_gradients

#: No rule changes a variance by more than this factor in one step.  Far outside what a useful
#: step does; it keeps a step that is much too large finite, and a variance of exactly 0 away.
LARGEST_FACTOR = 1e6


class MixtureArrays(NamedTuple):
    """The arrays of an isotropic mixture, without its map; leading axes are chains.

    The methods are all that the loop asks of a family: another one has arrays of its own with
    the same methods, which its update rules name in ``arrays_type``.

    Parameters
    ----------
    means
        (..., k, d).
    variances
        (..., k).
    log_weights
        (..., k), normalized over the last axis.
    """

    means: Float[Any, "*c k d"]
    variances: Float[Any, "*c k"]
    log_weights: Float[Any, "*c k"]

    @classmethod
    def of(cls, mixture: Any) -> "MixtureArrays":
        """Copies of the arrays of a mixture, on the host."""
        parts = (mixture.means, mixture.variances, mixture.log_weights)
        return cls(*(np.array(part) for part in parts))

    def to_mixture(self, affine_map: AffineMap) -> IsotropicMixture:
        """The mixture behind a map; averaged log weights are normalized again."""
        log_weights = self.log_weights - logsumexp(self.log_weights)[..., None]
        return IsotropicMixture(self.means, self.variances, log_weights, affine_map)

    def offsets(self, noise: Any) -> Any:
        """Offsets √v ε of the samples from their means, (..., k, s, d)."""
        xp = self.means.__array_namespace__()
        return xp.sqrt(self.variances)[..., None, None] * noise

    def gradients(
        self, offsets: Any, log_density: Any, gradient: Any, sample_weights: Any
    ) -> ComponentGradients:
        """Gradients of the KL from the target at the samples."""
        return component_gradients(offsets, log_density, gradient, *self, sample_weights)

    def carried(self, means: Any, old_map: AffineMap, new_map: AffineMap) -> "MixtureArrays":
        """In the coordinates of another map, where the means are known: variances stay."""
        return self._replace(means=means)

    def is_valid(self) -> bool:
        """Whether these numbers are a mixture."""
        finite = all(np.all(np.isfinite(part)) for part in self)
        return bool(finite and np.all(self.variances > 0))


class AbstractUpdateRule(abc.ABC):
    """One step of a variational algorithm: gradients in, mixture out.

    Rules are immutable, compare by value and hold settings only; what changes from step to step
    is the state.  ``init`` and ``step`` are pure functions of arrays in the array API standard,
    so that the same source runs in NumPy and inside ``jax.jit``.
    """

    #: The fixed step that the user asked this rule to take, or None to leave it to the schedule.
    step_size: float | None

    #: True where the step size is a pure number; False where it has the unit of a variance.
    is_dimensionless: bool

    #: The arrays that the rule moves: ``arrays_type.of(mixture)``.
    arrays_type: Any = MixtureArrays

    @abc.abstractmethod
    def init(self, mixture: MixtureArrays) -> Any:
        """State of the rule before the first step: a tuple of arrays, possibly empty."""

    @abc.abstractmethod
    def step(
        self, mixture: MixtureArrays, gradients: ComponentGradients, state: Any, step_size: Any
    ) -> tuple[MixtureArrays, Any]:
        """One step of size γ (a scalar, or one for each component, shape (..., k)).

        The gradients are those of the KL *divided by the weight* of the component.  Log weights
        pass through unchanged, shapes and types are kept, variances stay positive.
        """


@dataclass(frozen=True)
class AbstractWrapper(AbstractUpdateRule):
    """A rule around another rule, which keeps its step size, units and state.

    Parameters
    ----------
    rule
        The rule that takes the step.
    """

    rule: AbstractUpdateRule

    @property
    def step_size(self) -> float | None:
        """That of the rule inside."""
        return self.rule.step_size

    @property
    def is_dimensionless(self) -> bool:
        """As the rule inside."""
        return self.rule.is_dimensionless

    @property
    def arrays_type(self) -> Any:
        """As the rule inside."""
        return self.rule.arrays_type

    def init(self, mixture: MixtureArrays) -> Any:
        """State of the rule inside."""
        return self.rule.init(mixture)


def check_step_size(step_size: float | None) -> None:
    """Refuse a step size that is not a positive number."""
    if step_size is not None and not 0 < step_size < float("inf"):
        raise OptionError(f"step_size must be a positive number, not {step_size}")


def per_component(step_size: Any, variances: Float[Any, "*c k"]) -> Float[Any, "*c k"]:
    """The step size as one number for each component, in the type of the mixture."""
    xp = variances.__array_namespace__()
    return xp.asarray(step_size, dtype=variances.dtype) * xp.ones_like(variances)

"""Interface of the update rules, and the arithmetic that they share."""

import abc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeAlias, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Float

from isogmm.arrays import Array, logsumexp
from isogmm.errors import OptionError
from isogmm.mixtures.abstract import AbstractMixture
from isogmm.mixtures.affine_map import AffineMap
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.optimize.gradients.base import ComponentGradients, Gradients, component_gradients
from isogmm.optimize.gradients.score_function import ScoreAverage, score_function_gradients

#: Bound on the factor by which one step changes a variance.  Useful steps stay far below it.  The
#: bound keeps a step that is much too large finite, and every variance above 0.
MAX_VARIANCE_FACTOR = 1e6

#: State of a rule: an array, or a tuple of arrays, possibly empty.
RuleState: TypeAlias = Array | tuple[Array, ...]

#: A step size for all components, or one for each component (..., k).
StepSize: TypeAlias = float | Array


@runtime_checkable
class FamilyArrays(Protocol):
    """What the loop needs of the arrays of a family of mixtures, a ``NamedTuple`` without the map.

    Leading axes are chains.  The update rules of a family name its class in ``arrays_type``.
    """

    @property
    def means(self) -> Array:
        """Means (..., k, d)."""

    @property
    def variances(self) -> Array:
        """Variances (..., k), or the smallest variance of each component in any direction."""

    @property
    def log_weights(self) -> Array:
        """Log weights (..., k), normalized over the last axis."""

    @classmethod
    def of(cls, mixture: AbstractMixture) -> "FamilyArrays":
        """NumPy copies of the arrays of a mixture."""

    def to_mixture(self, affine_map: AffineMap) -> AbstractMixture:
        """The mixture in the coordinates of a map, with normalized weights."""

    def offsets(self, noise: Array) -> Array:
        """Offsets of the samples from their means for standard normal noise, (..., k, s, d)."""

    def gradients(
        self, offsets: Array, log_density: Array, gradient: Array, sample_weights: Array
    ) -> Gradients:
        """Gradients of the KL from the target at the samples."""

    def value_gradients(
        self, offsets: Array, log_density: Array, sample_weights: Array, average: ScoreAverage
    ) -> Gradients:
        """The same gradients from values of the target alone."""

    def carried(self, means: Array, old_map: AffineMap, new_map: AffineMap) -> "FamilyArrays":
        """The arrays in the coordinates of another map, in which the means are given."""

    def is_valid(self) -> bool:
        """Whether the arrays define a mixture."""

    def with_log_weights(self, log_weights: Array) -> "FamilyArrays":
        """The arrays with other log weights."""

    def mapped(self, function: Callable[[Array], Array]) -> "FamilyArrays":
        """The arrays with a function applied to each of them."""

    def averaged(self, newest: "FamilyArrays", share: StepSize) -> "FamilyArrays":
        """(1 − share) times these arrays plus share times the newest ones."""

    def __iter__(self) -> Iterator[Array]:
        """The arrays, one after the other."""


class MixtureArrays(NamedTuple):
    """The arrays of an isotropic mixture, without its map; leading axes are chains.

    Another family has its own arrays with the same methods, see :class:`FamilyArrays`.

    Parameters
    ----------
    means
        (..., k, d).
    variances
        (..., k).
    log_weights
        (..., k), normalized over the last axis.
    """

    means: Float[Array, "*c k d"]
    variances: Float[Array, "*c k"]
    log_weights: Float[Array, "*c k"]

    @classmethod
    def of(cls, mixture: AbstractMixture) -> "MixtureArrays":
        """NumPy copies of the arrays of a mixture."""
        assert isinstance(mixture, IsotropicMixture)
        parts = (mixture.means, mixture.variances, mixture.log_weights)
        return cls(*(np.array(part) for part in parts))

    def to_mixture(self, affine_map: AffineMap) -> IsotropicMixture:
        """The mixture in the coordinates of a map; averaged log weights are normalized again."""
        log_weights = self.log_weights - logsumexp(self.log_weights)[..., None]
        return IsotropicMixture(self.means, self.variances, log_weights, affine_map)

    def offsets(self, noise: Float[Array, "*c k s d"]) -> Float[Array, "*c k s d"]:
        """Offsets √v ε of the samples from their means, (..., k, s, d)."""
        xp = self.means.__array_namespace__()
        return xp.sqrt(self.variances)[..., None, None] * noise

    def gradients(
        self, offsets: Array, log_density: Array, gradient: Array, sample_weights: Array
    ) -> ComponentGradients:
        """Gradients of the KL; see :func:`isogmm.gradients.component_gradients`."""
        return component_gradients(offsets, log_density, gradient, *self, sample_weights)

    def value_gradients(
        self, offsets: Array, log_density: Array, sample_weights: Array, average: ScoreAverage
    ) -> ComponentGradients:
        """Gradients from values alone; see :func:`isogmm.gradients.score_function_gradients`."""
        return score_function_gradients(offsets, log_density, *self, sample_weights, average)

    def carried(self, means: Array, old_map: AffineMap, new_map: AffineMap) -> "MixtureArrays":
        """The arrays in the coordinates of another map: means as given, the same variances."""
        return self._replace(means=means)

    def with_log_weights(self, log_weights: Array) -> "MixtureArrays":
        """The arrays with other log weights."""
        return self._replace(log_weights=log_weights)

    def mapped(self, function: Callable[[Array], Array]) -> "MixtureArrays":
        """The arrays with a function applied to each of them."""
        return MixtureArrays(*map(function, self))

    def averaged(self, newest: FamilyArrays, share: StepSize) -> "MixtureArrays":
        """(1 − share) times these arrays plus share times the newest ones."""
        pairs = zip(self, newest, strict=True)
        return MixtureArrays(*((1.0 - share) * old + share * new for old, new in pairs))

    def is_valid(self) -> bool:
        """Whether all numbers are finite and the variances positive."""
        finite = all(np.all(np.isfinite(part)) for part in self)
        return bool(finite and np.all(self.variances > 0))


#: The arrays of the family of a rule, and their gradients.
Arrays = TypeVar("Arrays", bound=FamilyArrays)
ArrayGradients = TypeVar("ArrayGradients", bound=Gradients)


class AbstractUpdateRule(abc.ABC, Generic[Arrays, ArrayGradients]):
    """One step of a variational algorithm, from gradients to a new mixture.

    Rules are immutable, compare by value and hold settings only; the state holds what changes from
    step to step.  ``init`` and ``step`` are pure functions of arrays in the array API standard, so
    that the same code runs in NumPy and inside ``jax.jit``.
    """

    #: The fixed step size that the user gave, or None to use that of the schedule.
    step_size: float | None

    #: True if the step size is a pure number; False if it has the unit of a variance.
    is_dimensionless: bool

    #: The class of the arrays that the rule updates, constructed by ``arrays_type.of(mixture)``.
    arrays_type: type[FamilyArrays] = MixtureArrays

    @abc.abstractmethod
    def init(self, mixture: Arrays) -> RuleState:
        """State of the rule before the first step."""

    @abc.abstractmethod
    def step(
        self, mixture: Arrays, gradients: ArrayGradients, state: RuleState, step_size: StepSize
    ) -> tuple[Arrays, RuleState]:
        """One step of size γ (a scalar, or one for each component, shape (..., k)).

        The gradients are those of the KL *divided by the weight* of the component.  The rule
        returns the log weights unchanged, keeps shapes and types, and keeps variances positive.
        """


#: A rule of the isotropic family.
IsotropicRule: TypeAlias = AbstractUpdateRule[MixtureArrays, ComponentGradients]


@dataclass(frozen=True)
class AbstractWrapper(IsotropicRule):
    """A rule that modifies the steps of another rule, and has its step size, unit and state.

    Parameters
    ----------
    rule
        The rule that takes the step.
    """

    rule: IsotropicRule

    @property
    def step_size(self) -> float | None:
        """Step size of the wrapped rule."""
        return self.rule.step_size

    @property
    def is_dimensionless(self) -> bool:
        """Whether the step size of the wrapped rule is a pure number."""
        return self.rule.is_dimensionless

    @property
    def arrays_type(self) -> type:
        """Arrays of the wrapped rule."""
        return self.rule.arrays_type

    def init(self, mixture: MixtureArrays) -> RuleState:
        """State of the wrapped rule."""
        return self.rule.init(mixture)


def validate_step_size(step_size: float | None) -> None:
    """Raise an error if a step size is given that is not a positive number."""
    if step_size is not None and not 0 < step_size < float("inf"):
        raise OptionError(f"step_size must be a positive number, not {step_size}")


def per_component(step_size: StepSize, variances: Float[Array, "*c k"]) -> Float[Array, "*c k"]:
    """The step size of every component, in the type of the mixture."""
    xp = variances.__array_namespace__()
    return xp.asarray(step_size, dtype=variances.dtype) * xp.ones_like(variances)

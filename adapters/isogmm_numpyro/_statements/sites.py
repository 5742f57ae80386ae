"""The statements of a model and their properties."""

import math
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True)
class Site:
    """One statement of the model.

    Parameters
    ----------
    name
        Name in the model.
    shape
        Shape of the value.
    event_dim
        Number of trailing axes of an event.
    plates
        ``(name, dim, size)`` of every enclosing plate, outermost first. ``dim`` is negative: it
        counts the batch axes from the right.
    event_dims
        Names of the event axes from ``infer={"event_dims": [...]}``.
    unconstrained_shape
        Shape of a free site on the unconstrained scale.
    scanned
        Whether the leading axis is the axis of a scan.
    distribution
        Name of the distribution.
    enumerable
        Whether the support of the distribution is a finite list of values.
    enumerate_mark
        The user's choice from ``infer={"enumerate": ...}``.
    bounds
        The least and the largest value in the support, or None.
    on_simplex
        Whether the support is a simplex.
    """

    name: str
    shape: tuple[int, ...]
    event_dim: int = 0
    plates: tuple[tuple[str, int, int], ...] = ()
    event_dims: tuple[str, ...] = ()
    unconstrained_shape: tuple[int, ...] = ()
    scanned: bool = False
    distribution: str = ""
    enumerable: bool = False
    enumerate_mark: str | None = None
    bounds: tuple[float, float] | None = None
    on_simplex: bool = False


@dataclass(frozen=True)
class InputValue:
    """The value of a site is an input of the programs.

    Parameters
    ----------
    index
        Position among the input arrays.
    """

    index: int


@dataclass(frozen=True)
class ConstantValue:
    """The value of a site is a constant.

    Parameters
    ----------
    value
        A pytree of arrays.
    """

    value: object


Source: TypeAlias = InputValue | ConstantValue


@dataclass
class Sites:
    """The statements of a model by their role, each by name in the order of the model.

    Parameters
    ----------
    free
        Latent continuous variables.
    discrete
        Latent discrete variables.
    observed
        Observed variables, ``factor`` statements left out.
    factors
        Names of ``factor`` statements.
    deterministic
        ``deterministic`` statements.
    params
        Names of ``param`` and ``mutable`` statements.
    sources
        Sources of the values of observed, ``param`` and ``mutable`` sites. A value that the model
        computes from its inputs has no entry.
    subsampled
        Plates with a random subsample: name to (size, subsample_size).
    repeated
        Observed sites whose values and distribution are broadcast against each other, so that each
        value counts several times; with the shapes in words.
    max_plate_nesting
        Largest number of batch axes that plates occupy.
    discrete_dependents
        Deterministic and observed sites that depend on a discrete site, and free sites whose
        support does.
    latent_dependents
        Sites that depend on a latent site, as far as the trace shows it.
    masks
        Observed sites with a mask, and the positions of the masks among the results of the trace.
    unchecked
        Sites with a parameter that may be outside its range.
    """

    free: dict[str, Site] = field(default_factory=dict)
    discrete: dict[str, Site] = field(default_factory=dict)
    observed: dict[str, Site] = field(default_factory=dict)
    factors: list[str] = field(default_factory=list)
    deterministic: dict[str, Site] = field(default_factory=dict)
    params: list[str] = field(default_factory=list)
    sources: dict[str, Source] = field(default_factory=dict)
    subsampled: dict[str, tuple[int, int]] = field(default_factory=dict)
    repeated: dict[str, str] = field(default_factory=dict)
    max_plate_nesting: int = 0
    discrete_dependents: frozenset[str] = frozenset()
    latent_dependents: frozenset[str] = frozenset()
    masks: dict[str, int] = field(default_factory=dict)
    unchecked: tuple[str, ...] = ()

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Unconstrained shapes of the free sites."""
        return {name: site.unconstrained_shape for name, site in self.free.items()}

    @property
    def dim(self) -> int:
        """Dimension of the unconstrained space."""
        return sum(math.prod(shape) for shape in self.shapes.values())

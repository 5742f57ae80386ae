"""``pm.Data`` as hyperparameters that can be maximized."""

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import jax.numpy as jnp
import numpy as np

from isogmm.arrays import Array
from isogmm.errors import OptionError
from isogmm.model.target import DrawPositions, Hyperparameters, Maximize, ModelFields
from isogmm_pymc._graphs.graphs import ModelGraphs
from isogmm_pymc._programs.jax_programs import JaxModelPrograms

#: Data to the function that draws from the prior with these data.
PriorOf: TypeAlias = Callable[[Sequence[Array]], DrawPositions]


class Support(enum.Enum):
    """The values that a hyperparameter may have."""

    REAL = "real"
    POSITIVE = "positive"


def hyperparameters(
    programs: JaxModelPrograms,
    graphs: ModelGraphs,
    data: Sequence[np.ndarray],
    prior_of: PriorOf,
    maximize: Maximize,
) -> Hyperparameters:
    """The named ``pm.Data`` of a model as hyperparameters.

    Parameters
    ----------
    programs, graphs, data
        The compiled model, its graphs and its current data.
    prior_of
        The draws of the prior for given data.
    maximize
        Names, each with the real line as its support, or supports by name:
        ``{"tau": "positive"}``.

    Raises
    ------
    OptionError
        If no names are given, a name is not that of ``pm.Data`` with floating-point values, a
        support is unknown, or a value lies outside it.
    """
    indices = {
        shared.name: index
        for index, shared in enumerate(graphs.data)
        if data[index].dtype.kind == "f"
    }
    supports = _supports(maximize, indices)
    for name, support in supports.items():
        value = data[indices[name]]
        if support is Support.POSITIVE and not np.all(value > 0):
            raise OptionError(f"{name!r} must be positive, but its value is {value}")
    maximized = _MaximizedData(programs, data, prior_of, indices, supports)
    values = {name: np.asarray(data[indices[name]], np.float64) for name in supports}
    return Hyperparameters(
        values=values,
        unconstrained={
            name: np.asarray(np.log(value)) if supports[name] is Support.POSITIVE else value
            for name, value in values.items()
        },
        to_support=maximized.to_support,
        log_density=maximized.log_density,
        bind=maximized.bind,
    )


def _supports(maximize: Maximize, available: Mapping[str, int]) -> dict[str, Support]:
    """The supports of the hyperparameters that are named.

    Raises
    ------
    OptionError
        If no names are given, a name is not available, or a support is unknown.
    """
    if isinstance(maximize, Mapping):
        given = dict(maximize)
    else:
        given = dict.fromkeys(() if maximize is None else maximize, Support.REAL.value)
    unknown = [name for name in given if name not in available]
    if unknown or not given:
        raise OptionError(
            f"maximize= names {unknown or 'nothing'}; the model has the floating-point pm.Data "
            f"{sorted(available)}"
        )
    known = tuple(support.value for support in Support)
    for name, support in given.items():
        if support not in known:
            raise OptionError(
                f"maximize= has the unknown support {support!r} for {name!r}: choose one of {known}"
            )
    return {name: Support(support) for name, support in given.items()}


@dataclass(frozen=True)
class _MaximizedData:
    """A compiled model as a function of some of its data.

    Parameters
    ----------
    programs
        The compiled model.
    data
        Its current data.
    prior_of
        The draws of its prior for given data.
    indices
        Positions of the hyperparameters among the data, by name.
    supports
        Supports of the hyperparameters, by name.
    """

    programs: JaxModelPrograms
    data: Sequence[np.ndarray]
    prior_of: PriorOf
    indices: Mapping[str, int]
    supports: Mapping[str, Support]

    def to_support(self, reals: Mapping[str, Array]) -> dict[str, Array]:
        """The values on their supports, from values on the real line."""
        return {
            name: jnp.exp(value) if self.supports[name] is Support.POSITIVE else value
            for name, value in reals.items()
        }

    def log_density(self, position: Array, values: Mapping[str, Array]) -> Array:
        """The log joint density at a position, with these values of the hyperparameters."""
        return self.programs.jax.log_density(position, self._data_with(values))

    def bind(self, values: Mapping[str, Array]) -> ModelFields:
        """The fields of the target with these values of the hyperparameters."""
        data = self._data_with(values)
        return {
            **self.programs.bind(data),
            "prior_positions": self.prior_of(data),
            "hyperparameters": None,
        }

    def _data_with(self, values: Mapping[str, Array]) -> list[Array]:
        data: list[Array] = list(self.data)
        for name, value in values.items():
            index = self.indices[name]
            data[index] = jnp.asarray(value, data[index].dtype)
        return data

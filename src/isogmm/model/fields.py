"""The parts of a target that contain the model and its data."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeAlias, TypedDict

import numpy as np
from jaxtyping import PyTree

from isogmm.arrays import Array
from isogmm.model.programs.value_program import ValueProgram

#: Arrays by group and variable: ``{"posterior": {"mu": array}, ...}``.
Groups: TypeAlias = dict[str, dict[str, np.ndarray]]
#: Log density and gradient (d,) at one point.
PointEvaluation: TypeAlias = tuple[float | np.floating | Array, Array]
#: Log densities (n,) and gradients (n, d) at n points.
BatchEvaluation: TypeAlias = tuple[Array, Array]
#: ``(generator, n) -> (n, d)``: points in unconstrained coordinates.
DrawPositions: TypeAlias = Callable[[np.random.Generator, int], np.ndarray]
#: Names of the hyperparameters to maximize, or their supports by name; None for the model's own.
Maximize: TypeAlias = Sequence[str] | Mapping[str, str] | None


class ModelFields(TypedDict, total=False):
    """The fields of a :class:`Target` that contain the model and its data."""

    evaluate_point: Callable[[np.ndarray], PointEvaluation]
    evaluate_batch: Callable[[np.ndarray], BatchEvaluation]
    constrain: Callable[[np.ndarray, int], Groups]
    placeholder: Callable[[], Groups] | None
    batch_size: int
    prepare: Callable[[], None]
    wait: Callable[[], None]
    few: Callable[[], int]
    evaluate_row: Callable[[np.ndarray], PointEvaluation] | None
    value_program: ValueProgram | None
    spans_processes: bool
    num_programs: Callable[[], int]
    log_density: Callable[[Array], Array] | None
    precision: Callable[[], AbstractContextManager]
    single_precision: bool
    prior_positions: DrawPositions | None
    has_gradient: bool
    hyperparameters: "Callable[[Maximize], Hyperparameters] | None"
    density_of_data: "DensityOfData | None"


@dataclass(frozen=True)
class DensityOfData:
    """The log density of a model as a function of the position and of the data.

    Parameters
    ----------
    log_density
        ``(position (d,), inputs) -> scalar``, a function that JAX can trace for data of any number
        of rows.
    inputs
        ``(args, kwargs) -> inputs``, the data among the arguments of the model.  A PyMC model has
        no arguments: the inputs are the current values of its ``pm.Data``.
    """

    log_density: Callable[[Array, PyTree], Array]
    inputs: Callable[[tuple[object, ...], Mapping[str, object]], PyTree]


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """Fixed numbers of a model that can be estimated together with its posterior.

    Parameters
    ----------
    values
        Current values by name, on their own support.
    unconstrained
        Current values by name, on the real line.
    to_support
        ``{name: array} -> {name: array}``, the transform from the real line to the support.  JAX
        must be able to trace it.
    log_density
        ``(position (d,), values) -> scalar``, the log joint density with these values instead of
        the current ones; the values are on their support.  JAX must be able to trace it inside
        ``target.precision()``.
    bind
        ``values -> fields``.  ``dataclasses.replace(target, **fields)`` is the target with these
        values; it shares the compiled programs.
    """

    values: Mapping[str, np.ndarray]
    unconstrained: Mapping[str, np.ndarray]
    to_support: Callable[[Mapping[str, Array]], dict[str, Array]]
    log_density: Callable[[Array, Mapping[str, Array]], Array]
    bind: Callable[[Mapping[str, np.ndarray]], ModelFields]

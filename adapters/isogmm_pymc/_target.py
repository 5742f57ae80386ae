"""A PyMC model as a target: programs once per model, everything else per fit."""

import functools
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import jax
import numpy as np

from isogmm.errors import ModelError, warn_user
from isogmm.model.target import Target
from isogmm_pymc._checks import check_model, explain_start
from isogmm_pymc._fallback import CompiledPrograms
from isogmm_pymc._graphs import read_graphs, value_shapes
from isogmm_pymc._hyperparameters import hyperparameters
from isogmm_pymc._minibatches import FULL_DATA, without_minibatches
from isogmm_pymc._programs import PyMCPrograms, explain

#: Half-width of the box around the model's initial point that starts are drawn from; PyMC's own
#: jitter is 1, too little to find a second mode.
START_WIDTH = 2.0


@dataclass
class _Compiled:
    """What is kept of a model between fits; nothing in it refers to the model itself."""

    variables: list[Any]
    leave_out: tuple[str, ...]
    full_model: Any = None  # a copy without minibatches, where the model has them
    graphs: Any = None  # ModelGraphs, once they are read
    signature: list[Any] = field(default_factory=list)
    programs: Any = None  # PyMCPrograms or CompiledPrograms, once there are graphs


_COMPILED: "weakref.WeakKeyDictionary[Any, _Compiled]" = weakref.WeakKeyDictionary()


def to_target(
    model: Any,
    random_seed: int,
    *,
    leave_out: Sequence[str] = (),
    finish: Callable[[Any], Any] | None = None,
) -> Target:
    """The target of a ``pm.Model``.

    The log density is ``model.logp()`` of the unconstrained values, its gradient JAX's; the
    programs are shared by all targets of the model as long as its variables and the shapes of
    its data are the same (``pm.Data`` are inputs of the programs).  A model with an operation
    that has no JAX form is evaluated by PyTensor's compiled gradient instead.

    Parameters
    ----------
    model
        The model.
    random_seed
        Seeds initial values that the model takes from the prior.
    leave_out
        Deterministic variables that the result does not want.
    finish
        Last clean-up of the result.

    Raises
    ------
    ModelError
        If the model cannot be fitted; see :func:`isogmm_pymc._checks.check_model`.  Also if the
        log density is not finite at the model's initial point: the message names the variables.
    """
    from pymc.backends.arviz import (
        coords_and_dims_for_inferencedata,
        find_constants,
        find_observations,
    )

    if len(set(model.observed_RVs)) < len(model.observed_RVs):
        # PyMC 5 lists them twice after predictions without names, and fails on its own list.
        list.__setitem__(model.observed_RVs, slice(None), dict.fromkeys(model.observed_RVs))
    compiled = _compiled(model, tuple(leave_out))
    full = model if compiled.full_model is None else compiled.full_model
    check_model(full)
    shapes, start = value_shapes(full), None
    if shapes is None:
        start = full.initial_point(random_seed=random_seed)
        shapes = tuple(np.shape(start[value.name]) for value in full.value_vars)
    _compile(compiled, model, full, shapes)
    if start is None:
        start = full.initial_point(random_seed=random_seed)
    center = np.concatenate(
        [np.ravel(np.asarray(start[value.name], dtype=np.float64)) for value in full.value_vars]
    )
    fields = _tried(compiled, model, full, start, center)
    if isinstance(compiled.programs, PyMCPrograms):
        data = compiled.graphs.data_values(model.named_vars)
        fields["hyperparameters"] = functools.partial(
            hyperparameters, compiled.programs, compiled.graphs, data
        )
    if finish is not None:
        fields["finish"] = finish
    coords, dims = coords_and_dims_for_inferencedata(full)

    def initial_positions(generator: np.random.Generator, count: int) -> np.ndarray:
        jitter = generator.uniform(-START_WIDTH, START_WIDTH, size=(count, len(center)))
        return center + jitter

    return Target(
        variables=dict(zip(compiled.graphs.names, compiled.graphs.shapes, strict=True)),
        initial_positions=initial_positions,
        dims=dims,
        coords={name: tuple(labels) for name, labels in coords.items()},
        observed_data=find_observations(full),
        constant_data=find_constants(full),
        library="pymc",
        library_version=version("pymc"),
        **fields,
    )


def _compiled(model: Any, leave_out: tuple[str, ...]) -> _Compiled:
    """What is kept of the model, started anew if its variables are not those of last time."""
    variables = [
        *model.basic_RVs,
        *model.rvs_to_values.values(),
        *model.rvs_to_transforms.values(),
        *model.deterministics,
        *model.potentials,
        *model.named_vars,
        model.check_bounds,
    ]
    compiled = _COMPILED.get(model)
    if (
        compiled is None
        or compiled.leave_out != leave_out
        or len(compiled.variables) != len(variables)
        or not all(
            old is new or (isinstance(old, str) and old == new)
            for old, new in zip(compiled.variables, variables, strict=True)
        )
    ):
        compiled = _Compiled(variables=variables, leave_out=leave_out)
        compiled.full_model = without_minibatches(model)
        _COMPILED[model] = compiled
    if compiled.full_model is not None:
        warn_user(FULL_DATA)
    return compiled


def _compile(compiled: _Compiled, model: Any, full: Any, shapes: tuple[Any, ...]) -> None:
    """Start the compilation of what is not compiled yet for data of these shapes."""
    graphs = compiled.graphs
    if (
        graphs is not None
        and graphs.shapes == shapes
        and graphs.signature(model.named_vars) == compiled.signature
    ):
        return
    compiled.graphs = graphs = read_graphs(full, shapes)
    compiled.signature = graphs.signature(model.named_vars)
    try:
        compiled.programs = PyMCPrograms(full, graphs, compiled.leave_out)
    except Exception as error:  # operations may fail in any way when they are traced
        _fall_back(compiled, full, explain(error))


def _fall_back(compiled: _Compiled, full: Any, reason: str) -> None:
    compiled.programs = CompiledPrograms(full, compiled.graphs, compiled.leave_out, reason)


def _tried(
    compiled: _Compiled, model: Any, full: Any, start: dict[str, np.ndarray], center: np.ndarray
) -> dict[str, Any]:
    """The fields of the target that contain the model, tried at the model's initial point.

    The first thing a fit does is to evaluate starts, so waiting for the compilation here costs
    nothing.
    """
    data = compiled.graphs.data_values(model.named_vars)
    fields = compiled.programs.bind(data)
    try:
        value, _ = fields["evaluate_point"](center)
        wrong = None if np.isfinite(value) else explain_start(full, start)
        reason = "the log density is finite at the initial point in PyTensor, but not in JAX"
    except jax.errors.JaxRuntimeError as error:
        value, wrong, reason = np.nan, None, explain(error)
    if wrong is not None:
        values = ", ".join(f"{name} = {_short(array)}" for name, array in start.items())
        raise ModelError(
            f"the log density is not finite at the model's initial point: {wrong} Check the data "
            "against the support of the distribution, or set other initial values with initval=. "
            f"The unconstrained initial point: {values}."
        )
    if not np.isfinite(value) and isinstance(compiled.programs, PyMCPrograms):
        _fall_back(compiled, full, reason)
        fields = compiled.programs.bind(data)
    message = compiled.programs.describe(center)
    if message is not None:
        warn_user(message)
    return fields


def _short(array: np.ndarray) -> str:
    return np.array2string(np.asarray(array), precision=3, threshold=6, edgeitems=2)

"""The target of a PyMC model."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version

import jax
import numpy as np
import pymc as pm
from pymc.backends.arviz import find_constants, find_observations

from isogmm.arrays import Array, split
from isogmm.errors import ModelError, warn_user
from isogmm.model.checks.index_bounds import check_indices
from isogmm.model.prior import draws_or_nan
from isogmm.model.target import DensityOfData, DrawPositions, ModelFields, Target
from isogmm.results.groups import Result
from isogmm_pymc._checks.nonfinite import explain_error, explain_initial_point, explain_non_finite
from isogmm_pymc._checks.validation import validate_model
from isogmm_pymc._checks.without_data import warn_without_data
from isogmm_pymc._graphs.graphs import value_shapes
from isogmm_pymc._labels import make_comparable
from isogmm_pymc._programs.compiled_models import Compilation, CompiledModel, compiled_model
from isogmm_pymc._programs.hyperparameters import hyperparameters
from isogmm_pymc._programs.jax_programs import JaxModelPrograms, explain_failure
from isogmm_pymc._programs.prior import PriorDraws
from isogmm_pymc._programs.pytensor_programs import PyTensorPrograms

#: Half-width of the box of starting points around the model's initial point, in unconstrained
#: coordinates.  PyMC's own half-width is 1, which is too small to find a second mode.
STARTING_BOX_HALF_WIDTH = 2.0


def to_target(
    model: pm.Model,
    random_seed: int,
    *,
    excluded: Sequence[str] = (),
    finish: Callable[[Result], Result] | None = None,
) -> Target:
    """The target of a ``pm.Model``.

    The log density is ``model.logp()`` as a function of the unconstrained values, and JAX computes
    its gradient.  All targets of the model share the compiled programs as long as its variables
    and the shapes of its data are the same; ``pm.Data`` are inputs of the programs.  PyTensor's
    compiled gradient is used if the log density has an operation without a JAX form.

    Parameters
    ----------
    model
        The model.
    random_seed
        Seed of the initial values that the model draws from the prior.
    excluded
        Names of deterministic variables that the result does not contain.
    finish
        Last change of the result.

    Raises
    ------
    ModelError
        If the model cannot be fitted; see
        :func:`isogmm_pymc._checks.validation.validate_model`.  Also if the log density is not
        finite at the model's initial point; the message names the variables.
    """
    _remove_duplicates(model)
    make_comparable(model)
    compiled = compiled_model(model, tuple(excluded))
    full = compiled.full(model)
    validate_model(full)
    notes = warn_without_data(full)
    compilation, point = _compile_and_initialize(compiled, model, random_seed)
    center = np.concatenate(
        [np.ravel(np.asarray(point[value.name], dtype=np.float64)) for value in full.value_vars]
    )
    fields, index_notes = _model_fields(compiled, compilation, model, point, center)

    target = Target(
        variables=dict(zip(compilation.graphs.names, compilation.graphs.shapes, strict=True)),
        initial_positions=functools.partial(_initial_positions, center),
        dims={name: list(names) for name, names in full.named_vars_to_dims.items()},
        coords={name: labels for name, labels in full.coords.items() if labels is not None},
        observed_data=find_observations(full),
        constant_data=find_constants(full),
        library="pymc",
        library_version=version("pymc"),
        notes=(*notes, *index_notes),
        explain=functools.partial(_explain, full),
        **fields,
    )
    return target if finish is None else replace(target, finish=finish)


def _initial_positions(
    center: np.ndarray, generator: np.random.Generator, count: int
) -> np.ndarray:
    """Starting points in the box around the model's initial point."""
    width = STARTING_BOX_HALF_WIDTH
    return center + generator.uniform(-width, width, size=(count, len(center)))


def _prior_positions(
    prior: PriorDraws, model: pm.Model, center: np.ndarray, data: Sequence[Array]
) -> DrawPositions:
    """The function that draws from the prior, for one data set."""

    def draw(generator: np.random.Generator, count: int) -> np.ndarray:
        starts = _initial_positions(center, generator, count)
        return prior.draw(model, data, starts, generator)

    return functools.partial(draws_or_nan, draw, len(center))


def _remove_duplicates(model: pm.Model) -> None:
    """Remove repeated observed variables from the model.

    PyMC 5 lists them twice after predictions without names, and then fails on its own list.
    """
    if len(set(model.observed_RVs)) < len(model.observed_RVs):
        list.__setitem__(model.observed_RVs, slice(None), dict.fromkeys(model.observed_RVs))


def _compile_and_initialize(
    compiled: CompiledModel, model: pm.Model, random_seed: int
) -> tuple[Compilation, dict[str, np.ndarray]]:
    """The compilation of the model and its initial point."""
    full = compiled.full(model)
    shapes = value_shapes(full)
    if shapes is not None:
        # The programs compile in the background while PyMC computes the initial point.
        compilation = compiled.compile(model, shapes)
        return compilation, _initial_point(full, random_seed)
    point = _initial_point(full, random_seed)
    shapes = tuple(np.shape(point[value.name]) for value in full.value_vars)
    return compiled.compile(model, shapes), point


def _initial_point(model: pm.Model, random_seed: int) -> dict[str, np.ndarray]:
    """The model's initial point.

    Raises
    ------
    ModelError
        If PyMC cannot compute it; the message names the variable.
    """
    try:
        return model.initial_point(random_seed=random_seed)
    except Exception as error:  # of any operation of the model
        raise ModelError(explain_initial_point(model, error)) from None


def _model_fields(
    compiled: CompiledModel,
    compilation: Compilation,
    model: pm.Model,
    point: Mapping[str, np.ndarray],
    center: np.ndarray,
) -> tuple[ModelFields, tuple[str, ...]]:
    """The fields of the target that contain the model, and sentences about its indices.

    The model is evaluated once at the initial point.  This waits for the compilation, but costs no
    time, because a fit begins with the evaluation of its starting points.

    Parameters
    ----------
    compiled, compilation, model
        The model.  The compilation gets PyTensor's programs if those in JAX fail at the point.
    point, center
        The initial point by variable, and as a flat vector.
    """
    full = compiled.full(model)
    data = compilation.graphs.data_values()
    fields = compilation.programs.bind(data)
    value, reason = None, "the log density is finite at the initial point in PyTensor, not in JAX"
    gradient = np.zeros(len(center))
    try:
        value, gradient = fields["evaluate_point"](center)
    except jax.errors.JaxRuntimeError as error:
        reason = explain_failure(error)
    except (ValueError, TypeError, IndexError, AssertionError) as error:  # of PyTensor
        raise ModelError(explain_error(full, point, error)) from None
    is_finite = value is not None and bool(np.isfinite(value))
    problem = None if value is None or is_finite else explain_non_finite(full, point)
    if problem is not None:
        values = ", ".join(f"{name} = {_short(array)}" for name, array in point.items())
        raise ModelError(
            f"the log density is not finite at the model's initial point: {problem} Check the data "
            "against the support of the distribution, or set other initial values with initval=. "
            f"The unconstrained initial point: {values}."
        )
    if not is_finite and isinstance(compilation.programs, JaxModelPrograms):
        compilation.programs = PyTensorPrograms(full, compilation.graphs, compiled.excluded, reason)
        fields = compilation.programs.bind(data)
    elif is_finite and not np.isfinite(gradient).all():
        fields = _use_own_gradient(compiled, compilation, full, data) or fields
    if fields.get("placeholder") is None:
        fields["placeholder"] = lambda: fields["constrain"](center[None], 0)
    message = compilation.programs.describe(center)
    if message is not None:
        warn_user(message)
    prior_of = functools.partial(_prior_positions, compilation.prior, full, center)
    fields["prior_positions"] = prior_of(data)
    notes: tuple[str, ...] = ()
    if isinstance(compilation.programs, JaxModelPrograms):
        names = [str(shared.name) for shared in compilation.graphs.data]
        notes = check_indices(compilation.programs.jax, data, names, is_error=True)
        if not compilation.programs.has_own_gradient:  # which has no derivative by the data
            fields["hyperparameters"] = functools.partial(
                hyperparameters, compilation.programs, compilation.graphs, data, prior_of
            )
        fields["density_of_data"] = DensityOfData(
            compilation.programs.jax.log_density,
            lambda args, kwargs: compilation.graphs.data_values(),
        )
    return fields, notes


def _use_own_gradient(
    compiled: CompiledModel, compilation: Compilation, full: pm.Model, data: Sequence[Array]
) -> ModelFields | None:
    """The fields with PyTensor's gradient where that of JAX is not finite; None if it fails."""
    programs = compilation.programs
    if not isinstance(programs, JaxModelPrograms) or programs.has_own_gradient:
        return None
    try:
        programs = JaxModelPrograms(
            full, compilation.graphs, compiled.excluded, has_own_gradient=True
        )
    except Exception:  # of an operation without a gradient in PyTensor
        return None
    compilation.programs = programs
    return programs.bind(data)


def _explain(model: pm.Model, positions: np.ndarray) -> str | None:
    """The terms of PyMC's log density that are not finite at the first position, in a sentence."""
    shapes = {value.name: np.shape(model.initial_point()[value.name]) for value in model.value_vars}
    parts = split(np.asarray(positions[0]), shapes.values())
    problem = explain_non_finite(model, dict(zip(shapes, parts, strict=True)))
    return None if problem is None else f"In the log density, {problem}"


def _short(array: np.ndarray) -> str:
    """An array as text, abbreviated if it is long."""
    return np.array2string(np.asarray(array), precision=3, threshold=6, edgeitems=2)

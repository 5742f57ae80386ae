"""The target of a NumPyro model and its arguments, with compiled programs that are reused."""

import functools
import inspect
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Float

from isogmm.model.checks.index_bounds import check_indices
from isogmm.model.checks.integer_overflow import check_integers
from isogmm.model.jax_target import JaxPrograms
from isogmm.model.target import DensityOfData, ModelFields, Target
from isogmm.results.groups import arviz_name
from isogmm_numpyro._density.prior import INITIAL_RADIUS
from isogmm_numpyro._fingerprint import Fingerprint
from isogmm_numpyro._hyperparameters import hyperparameters
from isogmm_numpyro._nonfinite import explain_non_finite
from isogmm_numpyro._reading.dims import DimensionNames
from isogmm_numpyro._reading.failures import check_untransformed
from isogmm_numpyro._reading.parameters import Validity, check_parameters, validity_program
from isogmm_numpyro._reading.read import ReadModel, keep_alive, read_model
from isogmm_numpyro._types import Model

#: Number of compiled forms that are kept for each model; the least recently used one is dropped.
PROGRAMS_PER_MODEL = 8


@dataclass(frozen=True)
class _Compiled:
    """Programs of one model for arguments of one signature.

    Parameters
    ----------
    programs
        The programs.
    validity
        The program that checks parameters.
    fingerprint
        Of the trace from which they were compiled.
    get_model
        Returns the model, or None if it no longer exists.
    """

    programs: JaxPrograms
    validity: Validity
    fingerprint: Fingerprint
    get_model: Callable[[], Model | None]


#: The compiled forms of one model by the signature of its arguments.
_Kept = OrderedDict[tuple[object, ...], _Compiled]
# The programs have a weak reference to the model, so that an entry is removed with the model.
_CACHE: weakref.WeakKeyDictionary[object, _Kept] = weakref.WeakKeyDictionary()


def to_target(
    model: Model, args: tuple[object, ...], kwargs: Mapping[str, object], random_seed: int
) -> Target:
    """The target of ``model(*args, **kwargs)``.

    Parameters
    ----------
    model
        A callable with NumPyro statements.
    args, kwargs
        Its arguments.
    random_seed
        Not used: the target of a NumPyro model has no random numbers.

    Raises
    ------
    ModelError
        If the model cannot be fitted; see :func:`isogmm_numpyro._reading.read.read_model`.
    """
    check_untransformed(model)
    read = read_model(model, args, kwargs)
    programs, validity = _programs(model, read)
    labels = read.labels()
    check_integers(programs, read.data, read.input_names())
    notes = (*read.notes, *check_indices(programs, read.data, read.input_names()))
    fields: ModelFields = {
        **keep_alive(programs.bind(read.data), model),
        "hyperparameters": functools.partial(hyperparameters, model, read, programs),
        "density_of_data": DensityOfData(
            read.functions(lambda: model).log_density_of_rows,
            read.inputs,
        ),
    }
    return Target(
        **fields,
        variables={arviz_name(name): shape for name, shape in read.sites.shapes.items()},
        initial_positions=functools.partial(_initial_positions, read.sites.dim),
        dims=labels.dims,
        unconstrained_dims=DimensionNames(read.sites).unconstrained_dims,
        coords=labels.coords,
        observed_data=labels.observed_data,
        constant_data=labels.constant_data,
        library=labels.library,
        library_version=labels.library_version,
        notes=notes,
        explain=functools.partial(explain_non_finite, model, read),
        finish=functools.partial(check_parameters, validity, read.sites, read.data),
    )


def _initial_positions(
    dim: int, generator: np.random.Generator, n: int
) -> Float[np.ndarray, "n d"]:
    """Starting points, uniform on the unconstrained scale."""
    return generator.uniform(-INITIAL_RADIUS, INITIAL_RADIUS, size=(n, dim))


def _programs(model: Model, read: ReadModel) -> tuple[JaxPrograms, Validity]:
    """The compiled programs of the model, from the cache if the model has not changed."""
    kept, get_model, prefix = _kept_of(model)
    precision = str(jax.dtypes.canonicalize_dtype(np.float64))
    signature = (*prefix, read.arguments.signature(), read.full_plates, precision)
    fingerprint = Fingerprint(read.jaxpr)
    found = kept.get(signature)
    # An equal owner can be another object, with another lifetime than that of the programs.
    if found is not None and found.get_model() == model and found.fingerprint.matches(fingerprint):
        kept.move_to_end(signature)
        return found.programs, found.validity
    functions = read.functions(get_model)
    programs = JaxPrograms(
        functions.log_density,
        functions.generate,
        read.sites.dim,
        read.data,
        draw_prior=functions.draw_prior,
    )
    validity = validity_program(
        get_model, read.arguments.without_arrays(), read.sites, full_plates=read.full_plates
    )
    kept[signature] = _Compiled(programs, validity, fingerprint, get_model)
    while len(kept) > PROGRAMS_PER_MODEL:
        kept.popitem(last=False)
    return programs, validity


def _kept_of(model: Model) -> tuple[_Kept, Callable[[], Model | None], tuple[object, ...]]:
    """The compiled forms of a model.

    Returns
    -------
    kept
        The entry of the cache. It is new, and not in the cache, for a model that cannot be a weak
        key.
    get_model
        Returns the model, or None if it no longer exists.
    prefix
        Distinguishes the models that share the entry.
    """
    try:
        if inspect.ismethod(model):
            # Each access to a method creates a new object, so the key is its owner.
            kept = _CACHE.setdefault(model.__self__, OrderedDict())
            return kept, weakref.WeakMethod(model), (model.__func__,)
        return _CACHE.setdefault(model, OrderedDict()), weakref.ref(model), ()
    except TypeError:  # the model is not hashable, or does not support weak references
        return OrderedDict(), lambda: model, ()

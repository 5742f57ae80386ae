"""From a NumPyro model and its arguments to a target: the adapter's main road."""

import functools
import inspect
import weakref
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import numpyro
from jaxtyping import Float

from isogmm.errors import ModelError, warn_user
from isogmm.model.jax_target import JaxPrograms
from isogmm.model.target import Hyperparameters, ModelFields, Target
from isogmm_numpyro._arguments import (
    Arguments,
    bind,
    is_array,
    is_float_array,
    is_nothing,
    named_arrays,
)
from isogmm_numpyro._dims import DimensionNames
from isogmm_numpyro._enumeration import check_enumerable, undrawable
from isogmm_numpyro._fingerprint import Fingerprint
from isogmm_numpyro._functions import ModelFunctions, public_name
from isogmm_numpyro._sites import NEEDS_VALUES, Sites, find_sites
from isogmm_numpyro._values import KnownValues, known_values

#: Compiled forms kept for each model function.
PROGRAMS_PER_MODEL = 8


@dataclass
class _Compiled:
    """Programs of one model for arguments of one signature, and the trace they stand for."""

    programs: JaxPrograms
    fingerprint: Fingerprint
    get_model: Callable[[], Any]


@dataclass
class ReadModel:
    """All that one abstract trace tells of a model called with its arguments."""

    named: dict[str, Any]
    arguments: Arguments
    sites: Sites
    jaxpr: Any
    full_plates: bool
    values: KnownValues

    @property
    def data(self) -> dict[str, Any]:
        """Inputs of the compiled programs."""
        return {"arrays": self.arguments.arrays, "params": self.values.params}

    def functions(self, get_model: Callable[[], Any]) -> ModelFunctions:
        """The model as pure functions; they do not hold its data."""
        return ModelFunctions(
            get_model, self.arguments.without_arrays(), self.sites, full_plates=self.full_plates
        )


def read_model(
    model: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> ReadModel:
    """Trace the model once and check that it can be fitted; see :func:`to_target`."""
    named = bind(model, args, kwargs)
    arguments, sites, jaxpr, full_plates = _trace(model, args, kwargs)
    _check(model, sites)
    values = known_values(model, arguments, sites, full_plates=full_plates)
    return ReadModel(named, arguments, sites, jaxpr, full_plates, values)


# The programs refer to the model weakly, so that an entry goes when the user's model does.
_CACHE: weakref.WeakKeyDictionary[Any, OrderedDict[Any, _Compiled]] = weakref.WeakKeyDictionary()


def to_target(
    model: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], random_seed: int
) -> Target:
    """The target of ``model(*args, **kwargs)``.

    Arrays among the arguments are inputs of the compiled programs, so that data of the same
    shapes share them.  Where the model needs their values while it is traced (Python control
    flow, ``np.unique``), integer arrays and then all arrays become constants instead.

    Parameters
    ----------
    model
        Any callable that holds NumPyro statements.
    args, kwargs
        Its arguments.
    random_seed
        Not used: nothing here is random.

    Raises
    ------
    ModelError
        If the model cannot be called with these arguments, has no free continuous variable,
        discrete sites that cannot be summed out, sites of the same name, a structure that
        depends on latent values, or observed data with NaN.
    """
    read = read_model(model, args, kwargs)
    sites, values = read.sites, read.values
    programs = _programs(model, read)
    names = DimensionNames(sites)
    variables = {public_name(name): shape for name, shape in sites.shapes.items()}
    target = Target(
        **keep_alive(programs.bind(read.data), model),
        variables=variables,
        initial_positions=functools.partial(
            _uniform_positions, sum(int(np.prod(shape)) for shape in variables.values())
        ),
        dims=names.dims,
        unconstrained_dims=names.unconstrained_dims,
        coords=names.coords,
        observed_data=values.observed,
        constant_data=_constant_data(read.named, values.observed),
        library="numpyro",
        library_version=numpyro.__version__,
    )
    target.hyperparameters = functools.partial(_hyperparameters, model, read, programs)
    return target


def keep_alive(fields: ModelFields, model: Callable[..., Any]) -> ModelFields:
    """The fields with functions that hold the model, to which programs have a weak reference."""
    log_density = fields["log_density"]
    assert log_density is not None
    return {
        **fields,
        "evaluate_point": functools.partial(_call, fields["evaluate_point"], model),
        "evaluate_batch": functools.partial(_call, fields["evaluate_batch"], model),
        "constrain": functools.partial(_call, fields["constrain"], model),
        "prepare": functools.partial(_call, fields["prepare"], model),
        "few": functools.partial(_call, fields["few"], model),
        "log_density": functools.partial(_call, log_density, model),
    }


def _hyperparameters(
    model: Callable[..., Any], read: ReadModel, programs: JaxPrograms, maximize: Any
) -> Hyperparameters:
    from isogmm_numpyro._hyperparameters import hyperparameters

    return hyperparameters(model, read, programs, maximize)


def _call(function: Callable[..., Any], model: Callable[..., Any], *args: Any) -> Any:
    """Call the function; a partial application of this holds the model."""
    return function(*args)


def _uniform_positions(
    dim: int, generator: np.random.Generator, n: int
) -> Float[np.ndarray, "n d"]:
    """Starts as Stan and NumPyro draw them: uniform(-2, 2) on the unconstrained scale."""
    return generator.uniform(-2.0, 2.0, size=(n, dim))


def _trace(
    model: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Arguments, Sites, Any, bool]:
    """Trace with as many arguments as inputs as the model allows."""
    for is_input in (is_array, is_float_array, is_nothing):
        arguments = Arguments(args, kwargs, is_input)
        try:
            return arguments, *_trace_plates(model, arguments)
        except NEEDS_VALUES as error:
            problem = error
    raise ModelError(
        "the model needs the value of a latent variable, or of something computed from one, "
        "while only its shape is known: its structure is dynamic. Replace Python's if, for and "
        "indexing by values with jnp.where, jax.lax.cond or numpyro.contrib.control_flow. "
        f"JAX says: {str(problem).splitlines()[0]}"
    ) from problem


def _trace_plates(model: Callable[..., Any], arguments: Arguments) -> tuple[Sites, Any, bool]:
    """Trace with subsampled plates in full; with their first rows if the data has no more."""
    try:
        return *find_sites(model, arguments, full_plates=True), True
    except (ModelError, NEEDS_VALUES):
        raise
    except (ValueError, TypeError) as error:
        try:
            sites, jaxpr = find_sites(model, arguments, full_plates=False)
        except Exception:
            raise error from None
        if not sites.subsampled:
            raise
        plates = ", ".join(f"'{n}' ({m} of {s} rows)" for n, (s, m) in sites.subsampled.items())
        warn_user(
            f"the data fill only a subsample of the plates {plates}: the log density is that of "
            "these rows, scaled up as NumPyro does, and the posterior is an approximation of that "
            "of all the data. Pass the whole data set to use all rows."
        )
        return sites, jaxpr, False


def _check(model: Callable[..., Any], sites: Sites) -> None:
    if sites.discrete:
        check_enumerable(sites)
        if missing := undrawable(sites):
            dependents = ", ".join(sorted(sites.discrete_dependents - set(sites.discrete)))
            warn_user(
                f"the discrete sites {', '.join(missing)} are summed out exactly, but sites inside "
                "a scan cannot be drawn back: the result leaves them out, and what depends on "
                f"them ({dependents or 'nothing'})."
            )
    if not any(np.prod(shape) for shape in sites.shapes.values()):
        name = getattr(model, "__name__", type(model).__name__)
        found = (
            f"only the discrete sites {', '.join(sites.discrete)}"
            if sites.discrete
            else f"only the observed sites {', '.join(sites.observed)}"
            if sites.observed
            else "no numpyro.sample statement"
        )
        raise ModelError(
            f"the model {name} has no free continuous parameter ({found}): there is nothing to "
            "fit. Add a latent site with numpyro.sample; for a log density that is not a NumPyro "
            "model use isogmm.LogDensity."
        )
    names = [*sites.free, *sites.discrete, *sites.observed, *sites.deterministic]
    public: dict[str, str] = {}
    for name in names:
        other = public.setdefault(public_name(name), name)
        if other != name:
            raise ModelError(
                f"the sites '{other}' and '{name}' would both be called '{public_name(name)}' in "
                "the result, where a slash cannot stand in a name: rename one of them."
            )


def _programs(model: Callable[..., Any], read: ReadModel) -> JaxPrograms:
    """The compiled programs: those of an earlier call where they stand for the same model."""
    precision = str(jax.dtypes.canonicalize_dtype(np.float64))
    signature: tuple[Any, ...] = (read.arguments.signature(), read.full_plates, precision)
    fingerprint = Fingerprint(read.jaxpr)
    get_model: Callable[[], Any]
    try:
        if inspect.ismethod(model):  # a new object at each access: remember its owner
            kept = _CACHE.setdefault(model.__self__, OrderedDict())
            signature = (model.__func__, *signature)
            get_model = weakref.WeakMethod(model)
        else:
            kept = _CACHE.setdefault(model, OrderedDict())
            get_model = weakref.ref(model)
    except TypeError:  # not hashable, or without weak references: nothing to remember it by
        kept, get_model = OrderedDict(), lambda: model
    found = kept.get(signature)
    # Equal owners need not be the same one, whose life the programs depend on.
    if found is not None and found.get_model() == model and found.fingerprint.matches(fingerprint):
        kept.move_to_end(signature)
        return found.programs
    functions = read.functions(get_model)
    programs = JaxPrograms(
        functions.log_density,
        functions.generate,
        sum(int(np.prod(shape)) for shape in read.sites.shapes.values()),
        read.data,
    )
    kept[signature] = _Compiled(programs, fingerprint, get_model)
    while len(kept) > PROGRAMS_PER_MODEL:
        kept.popitem(last=False)
    return programs


def _constant_data(named: dict[str, Any], observed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays among the arguments, those left out that are observed as they are."""
    kept = {}
    for name, array in named_arrays(named).items():
        if not any(array is value for value in observed.values()) and name not in observed:
            kept[name] = array
    return {
        name: np.asarray(array)
        for name, array in kept.items()
        if not jax.dtypes.issubdtype(array.dtype, jax.dtypes.extended)
    }

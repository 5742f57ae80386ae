"""Reads a model: its arguments, its sites and the values that it fixes, from one abstract trace."""

import functools
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import jax
import numpy as np
import numpyro
from jax.extend.core import ClosedJaxpr

from isogmm.errors import ModelError, warn_user
from isogmm.model.programs.sharding import gathered
from isogmm.model.target import ModelFields
from isogmm.results.building.from_draws import Labels
from isogmm.results.groups import arviz_name
from isogmm_numpyro._density.enumeration import undrawable, validate_discrete
from isogmm_numpyro._density.functions import ModelFunctions
from isogmm_numpyro._reading.dims import DimensionNames
from isogmm_numpyro._reading.failures import explained, returned_model
from isogmm_numpyro._reading.find_sites import NEEDS_VALUES, SiteError, find_sites
from isogmm_numpyro._reading.plate_sizes import warn_repeated
from isogmm_numpyro._reading.values import KnownValues, known_values
from isogmm_numpyro._reading.without_data import forgotten_data, warn_without_data
from isogmm_numpyro._statements.arguments import (
    Arguments,
    bind,
    check_range,
    is_array,
    is_float_array,
    named_arrays,
    never_input,
)
from isogmm_numpyro._statements.convert import converted
from isogmm_numpyro._statements.sites import Sites
from isogmm_numpyro._types import Data, Model

#: Fields of a target that call the model.
_MODEL_CALLS = frozenset(
    {
        "evaluate_point",
        "evaluate_batch",
        "evaluate_row",
        "constrain",
        "placeholder",
        "prepare",
        "wait",
        "few",
        "log_density",
        "prior_positions",
    }
)


@dataclass(frozen=True)
class _Traced:
    """The result of one abstract trace.

    Parameters
    ----------
    arguments
        Arguments of the model, with as many inputs as the model allows.
    sites
        The statements of the model.
    jaxpr
        The computation of all values and log densities.
    full_plates
        Whether subsampled plates have all rows.
    """

    arguments: Arguments
    sites: Sites
    jaxpr: ClosedJaxpr
    full_plates: bool


@dataclass(frozen=True)
class ReadModel(_Traced):
    """A model that was called with its arguments in an abstract trace.

    Parameters
    ----------
    arguments, sites, jaxpr, full_plates
        The trace.
    named
        The arguments by name.
    values
        Values that the model fixes.
    notes
        Sentences about the model for the report.
    """

    named: Mapping[str, object]
    values: KnownValues
    notes: tuple[str, ...]

    @property
    def data(self) -> Data:
        """Inputs of the compiled programs."""
        return {"arrays": self.arguments.arrays, "params": self.values.params}

    def inputs(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> Data:
        """Inputs of the compiled programs for other arguments."""
        arrays = self.arguments.inputs_of(args, kwargs)
        return {"arrays": arrays, "params": self.values.params}

    def functions(self, get_model: Callable[[], Model | None]) -> ModelFunctions:
        """The model as pure functions, which do not hold its data."""
        return ModelFunctions(
            get_model, self.arguments.without_arrays(), self.sites, full_plates=self.full_plates
        )

    def labels(self) -> Labels:
        """Names and data of the model for the groups of a result."""
        names = DimensionNames(self.sites)
        return Labels(
            "numpyro",
            numpyro.__version__,
            names.dims,
            names.coords,
            self.values.observed,
            self._constant_data(),
        )

    def input_names(self) -> list[str]:
        """The names of the arrays that are inputs of the programs."""
        named = named_arrays(self.named).items()
        return [
            next((name for name, array in named if array is one), "")
            for one in self.arguments.arrays
        ]

    def _constant_data(self) -> dict[str, np.ndarray]:
        """The arrays among the arguments, without the observed data."""
        observed = self.values.observed
        return {
            name: gathered(array)
            for name, array in named_arrays(self.named).items()
            if name not in observed
            and not any(array is value for value in observed.values())
            and not jax.dtypes.issubdtype(array.dtype, jax.dtypes.extended)
        }


def read_model(model: Model, args: tuple[object, ...], kwargs: Mapping[str, object]) -> ReadModel:
    """Trace the model once and validate it.

    Arrays among the arguments are inputs of the compiled programs, so that data of the same
    shapes share them. If the model needs their values while it is traced (Python control flow,
    ``np.unique``), integer arrays become constants, and then all arrays.

    Parameters
    ----------
    model
        A callable with NumPyro statements.
    args, kwargs
        Its arguments.

    Raises
    ------
    ModelError
        If the model cannot be called with these arguments, or cannot be fitted: it has no free
        continuous variable, discrete sites that cannot be summed out, sites of the same name, a
        structure that depends on latent values, or observed data with NaN.
    """
    bind(model, args, kwargs)
    traced = _trace(model, args, kwargs)
    args, kwargs = traced.arguments.restore(traced.arguments.arrays)
    named = bind(model, args, kwargs)
    check_range(named)
    try:
        _validate(model, traced.sites)
    except ModelError as error:
        hint = forgotten_data(model, args, kwargs, traced.sites, traced.sites.discrete)
        if traced.sites == Sites():  # the function has no statement of NumPyro
            hint = returned_model(model, args, kwargs)
        raise ModelError(f"{error}{hint}") from None
    notes = (*warn_repeated(traced.sites), *warn_without_data(model, args, kwargs, traced))
    values = known_values(model, traced.arguments, traced.sites, full_plates=traced.full_plates)
    return ReadModel(**vars(traced), named=named, values=values, notes=notes)


def keep_alive(fields: ModelFields, model: Model) -> ModelFields:
    """The fields with functions that hold the model; the programs have a weak reference to it."""
    holding = {
        name: functools.partial(_call, value, model)
        for name, value in fields.items()
        if name in _MODEL_CALLS and callable(value)
    }
    return cast(ModelFields, {**fields, **holding})


def _call(function: Callable[..., object], model: Model, *args: object) -> object:
    """Call the function with ``args``; the model is an argument only to be held."""
    return function(*args)


def _trace(model: Model, args: tuple[object, ...], kwargs: Mapping[str, object]) -> _Traced:
    """Trace with as many arguments as inputs as the model allows.

    Data that are no arrays (lists, data frames) are converted if the model fails with them.
    """
    problems: list[Exception] = []
    for call in itertools.chain([(args, kwargs)], converted(args, kwargs)):
        for is_input in (is_array, is_float_array, never_input):
            try:
                return _trace_plates(model, Arguments(*call, is_input))
            except NEEDS_VALUES as error:
                problem: Exception = error
            except SiteError as error:
                problem = error
                break
            except ModelError:
                raise
            except Exception as error:  # of the user's code
                problem = error
                break
        problems.append(problem)
    # Where data were converted, the error of the first conversion says what is wrong beside them.
    calls = [(args, kwargs), *converted(args, kwargs)]
    problem = problems[min(1, len(problems) - 1)]
    call = calls[min(1, len(problems) - 1)]
    raise explained(model, *call, bind(model, args, kwargs), problem) from None


def _trace_plates(model: Model, arguments: Arguments) -> _Traced:
    """Trace subsampled plates with all rows, or with their first rows if the data has no more."""
    try:
        return _Traced(arguments, *find_sites(model, arguments, full_plates=True), True)
    except NEEDS_VALUES:
        raise
    except (ValueError, TypeError) as error:
        if isinstance(error, ModelError) and not isinstance(error, SiteError):
            raise
        try:
            sites, jaxpr = find_sites(model, arguments, full_plates=False)
        except Exception:  # the first error is the one to explain
            sites = Sites()
        if not sites.subsampled:
            raise
        plates = ", ".join(f"'{n}' ({m} of {s} rows)" for n, (s, m) in sites.subsampled.items())
        warn_user(
            f"the data have only a subsample of the rows of the plates {plates}. The log density "
            "of these rows is scaled up, as NumPyro does, and the posterior is an approximation "
            "of the posterior of all data. Pass the whole data set to use all rows."
        )
        return _Traced(arguments, sites, jaxpr, False)


def _validate(model: Model, sites: Sites) -> None:
    """Raise if the model cannot be fitted; warn if some of its sites cannot be drawn."""
    if sites.discrete:
        validate_discrete(sites)
        if missing := undrawable(sites):
            dependents = ", ".join(sorted(sites.discrete_dependents - set(sites.discrete)))
            warn_user(
                f"the discrete sites {', '.join(missing)} are summed out exactly, but sites inside "
                "a scan cannot be drawn afterwards. The result contains neither these sites nor "
                f"the variables that depend on them ({dependents or 'none'})."
            )
    if sites.dim == 0:
        raise ModelError(_no_free_variable(model, sites))
    _validate_names(sites)


def _no_free_variable(model: Model, sites: Sites) -> str:
    """The message for a model without a free continuous variable."""
    name = getattr(model, "__name__", type(model).__name__)
    if sites.discrete:
        found = f"only the discrete sites {', '.join(sites.discrete)}"
    elif sites.observed:
        found = f"only the observed sites {', '.join(sites.observed)}"
    else:
        found = "no numpyro.sample statement"
    return (
        f"the model {name} has no free continuous parameter ({found}): there is nothing to "
        "fit. Add a latent site with numpyro.sample; for a log density that is not a NumPyro "
        "model use isogmm.LogDensity."
    )


def _validate_names(sites: Sites) -> None:
    """Raise if two sites would have the same name in the result."""
    names = [*sites.free, *sites.discrete, *sites.observed, *sites.deterministic]
    by_result_name: dict[str, str] = {}
    for name in names:
        other = by_result_name.setdefault(arviz_name(name), name)
        if other != name:
            raise ModelError(
                f"the sites '{other}' and '{name}' would both be called '{arviz_name(name)}' in "
                "the result, where names have a dot in place of a slash: rename one of them."
            )

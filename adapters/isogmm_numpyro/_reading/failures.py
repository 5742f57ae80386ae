"""Errors of a trace, explained: the site or the argument that is the cause, and the remedy."""

import inspect
import re
import traceback
from collections.abc import Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from jax import errors
from numpyro import handlers

from isogmm.errors import ModelError
from isogmm_numpyro._reading.find_sites import EARLIER_CALL, NEEDS_VALUES, SiteError, describe_site
from isogmm_numpyro._reading.plate_sizes import plates_in_words
from isogmm_numpyro._statements.arguments import has_key
from isogmm_numpyro._statements.convert import describe
from isogmm_numpyro._statements.prepare import prepare, prepare_at_origin
from isogmm_numpyro._types import Model

#: Words of errors of NumPy and JAX about sequences, and about values that are not arrays.
_WORDS_OF_SEQUENCES = ("sequence", "inhomogeneous", "scalar index", "valid JAX type")
_WORDS_OF_OPERANDS = ("unsupported operand", "abstract array", "scalar index", "valid JAX type")
#: Latent sites that are tested for a branch on their value, and sites that a message names.
MAX_TESTED, MAX_NAMED = 200, 3


def explained(
    model: Model,
    args: tuple[object, ...],
    kwargs: Mapping[str, object],
    named: Mapping[str, object],
    error: Exception,
) -> Exception:
    """The error to raise in place of one that ended the trace of a model.

    Parameters
    ----------
    model, args, kwargs
        The model and its arguments.
    named
        The arguments by name.
    error
        The error. It is returned unchanged if it comes from the user's own code.
    """
    if message := _invalid_distribution(error):
        return ModelError(message)
    first = next(iter(named), "")
    if has_key(args) and not re.search("key|rng|seed", first):
        return ModelError(
            f"the argument '{first}' of the model is a JAX key: pass only the arguments of the "
            f"model, and the key as random_seed=. {_line(error)}"
        )
    is_of_strings = re.search(r"type [<|>]?[SU]\d", str(error)) is not None
    if "integer or boolean type" in str(error) and not is_of_strings:
        return ModelError(_float_index(named, error))
    for name, value in {**_absent(model, named), **named}.items():
        blamed = describe(name, value)
        if blamed is not None and _is_cause(blamed.value, error):
            where = blamed.name
            quoted = where if "[" in where else repr(where)  # df['x'] has quotes already
            return ModelError(
                f"the argument {quoted} of the model is {blamed.kind}, but JAX computes with "
                f"arrays of numbers. {blamed.remedy} {_line(error)}"
            )
    if isinstance(error, NEEDS_VALUES):
        return ModelError(_needs_values(model, args, kwargs, error))
    if isinstance(error, SiteError):
        return ModelError(str(error))
    return _in_statement(error) or error


def _is_cause(value: object, error: Exception) -> bool:
    """Whether an argument that JAX cannot compute with is the likely cause of an error.

    Data of other packages are. A string is often an option of the model, a list often has labels,
    and other objects can be settings. They are causes if the error is about operands of their type.
    """
    if hasattr(value, "__array__") or hasattr(value, "toarray"):
        return True
    cause = error.__cause__ or error
    text = str(cause)
    is_sequence = isinstance(value, str | bytes | list | tuple)
    if is_sequence and any(word in text for word in _WORDS_OF_SEQUENCES):
        return True
    has_type = re.search(rf"\b{type(value).__name__}\b", text) is not None
    return has_type and (is_sequence or any(word in text for word in _WORDS_OF_OPERANDS))


def _absent(model: Model, named: Mapping[str, object]) -> dict[str, None]:
    """The parameters of the model that were not given and are None."""
    try:
        parameters = inspect.signature(model).parameters
    except (TypeError, ValueError):  # built-in callables can lack a signature
        return {}
    return {n: None for n, one in parameters.items() if n not in named and one.default is None}


def check_untransformed(model: Model) -> None:
    """Raise an error for a function that JAX transformed, or that caches its results.

    Such a function runs its statements once, with arrays that have only shapes.

    Raises
    ------
    ModelError
        Naming the function to pass.
    """
    inner = getattr(model, "__wrapped__", None)
    if inner is None:
        return
    name = getattr(inner, "__name__", type(inner).__name__)
    module = getattr(model, "__globals__", {}).get("__name__", type(model).__module__)
    if hasattr(model, "cache_info"):
        what = "caches its results (functools.cache or lru_cache)"
    elif module.partition(".")[0] in ("jax", "jaxlib"):
        what = "is transformed by JAX (jit, vmap, grad or another)"
    else:
        return
    raise ModelError(f"the model {name} {what}: pass the function itself. The fit compiles it.")


def _float_index(named: Mapping[str, object], error: Exception) -> str:
    """The message for a model that uses floating-point numbers as indices."""
    notes = ""
    for name, value in named.items():
        try:
            array = np.asarray(value, dtype=float)
        except (TypeError, ValueError):
            continue
        dtype = str(getattr(value, "dtype", ""))
        if not dtype or not array.ndim or not array.size:
            continue
        is_missing = np.isnan(array)
        if dtype[0] in "iub" or (array[~is_missing] % 1).any():
            continue
        notes += (
            f" The argument '{name}' has {is_missing.sum()} missing values: drop these rows."
            if is_missing.any()
            else f" The argument '{name}' has whole numbers as {dtype}: pass {name}.astype(int)."
        )
    return f"the model uses floating-point numbers as indices.{notes} {_line(error)}"


def _invalid_distribution(error: Exception) -> str:
    """The message for a distribution whose constructor refuses its parameters, or an empty text."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    for frame in frames:
        if frame.f_globals.get("__name__", "").startswith("numpyro.distributions."):
            made = frame.f_locals.get("self", frame.f_locals.get("cls"))
            break
    else:
        return ""
    if frame.f_code.co_name != "__init__" and frame.f_code.co_name != "__call__":
        return ""
    last = frames[-1].f_locals
    value = f" ({last['param']} = {np.asarray(last['value'])})" if "param" in last else ""
    kind = (made if inspect.isclass(made) else type(made)).__name__
    return f"the distribution {kind} cannot be made{value}. {_line(error)}"


def _needs_values(
    model: Model, args: tuple[object, ...], kwargs: Mapping[str, object], error: Exception
) -> str:
    """The message for a model that needs the value of an array that has only a shape."""
    if isinstance(error, errors.UnexpectedTracerError):
        return f"{EARLIER_CALL} {_line(error)}"
    sites = _needed(model, args, kwargs)
    if sites == []:
        return (
            "the model needs the value of an array that jax.numpy computes from its data, while "
            "only the shape is known. Compute it with NumPy, for example numpy.max instead of "
            f"jax.numpy.max, or before the call. {_line(error)}"
        )
    if sites is None:
        what = "a latent variable, or of something computed from one"
    else:
        listed = ", ".join(f"'{name}'" for name in sites[:MAX_NAMED])
        more = f" and of {len(sites) - MAX_NAMED} more" if len(sites) > MAX_NAMED else ""
        what = f"the latent {'site' if len(sites) == 1 else 'sites'} {listed}{more}"
    needs = f"the model needs the value of {what}, while only its shape is known"
    if isinstance(error, errors.TracerArrayConversionError):
        return (
            f"{needs}: it passes an array of JAX to a function of NumPy, SciPy or pandas, or uses "
            "one as index of their arrays. Use the functions of jax.numpy and jax.scipy, and "
            f"jnp.where in place of a mask. {_line(error)}"
        )
    if type(error) is errors.ConcretizationTypeError:
        return (
            f"{needs}: it converts an array of JAX to a Python number (float, int, math, range, "
            "item, or a shape). Keep the array, and use the functions of jax.numpy. "
            f"{_line(error)}"
        )
    return (
        f"{needs}: its structure is dynamic. Replace Python's if, for and indexing by values with "
        f"jnp.where, jax.lax.cond or numpyro.contrib.control_flow. {_line(error)}"
    )


def _needed(
    model: Model, args: tuple[object, ...], kwargs: Mapping[str, object]
) -> list[str] | None:
    """The latent sites whose value the model needs; None if that cannot be found out.

    The model is run with numbers for all latent sites but one, which is traced.
    """
    try:
        run = handlers.trace(prepare_at_origin(model, full_plates=True))
        values = {
            name: jnp.asarray(site["value"])
            for name, site in run.get_trace(*args, **kwargs).items()
            if site["type"] == "sample" and not site["is_observed"]
        }
    except Exception:  # the model fails with numbers too
        return None
    needed = []
    for name in list(values)[:MAX_TESTED]:

        def with_traced(value: jax.Array, name: str = name) -> None:
            fixed = {**values, name: value}
            prepared = handlers.substitute(prepare(model, {}, full_plates=True), data=fixed)
            handlers.seed(prepared, jax.random.key(0))(*args, **kwargs)

        try:
            jax.vmap(with_traced)(values[name][None])
        except NEEDS_VALUES:
            needed.append(name)
        except Exception:
            continue
    return needed


def _in_statement(error: Exception) -> ModelError | None:
    """The message for an error inside a ``numpyro.sample`` statement; None for other errors."""
    site, plates = "", dict[str, int]()
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_globals.get("__name__") != numpyro.primitives.__name__:
            continue
        local = frame.f_locals
        if frame.f_code.co_name == "sample" and not site:
            site = describe_site(local["name"], local["fn"], local["obs"], local["obs_mask"])
        elif not isinstance(plate := local.get("self"), numpyro.plate):
            continue
        elif hasattr(plate, "size"):
            plates[plate.name] = plate.size
        else:  # the size was refused
            return ModelError(
                f"the plate '{plate.name}' has size {local.get('size')}: the size must be at least "
                f"1. Check that the data have rows. {_line(error)}"
            )
    parts = filter(None, [site, plates_in_words(plates.items()), _line(error)])
    return ModelError(" ".join(parts)) if site else None


def returned_model(model: Model, args: tuple[object, ...], kwargs: Mapping[str, object]) -> str:
    """A sentence about the model that a function without statements returns, or an empty text."""
    name = getattr(model, "__name__", type(model).__name__)
    if inspect.iscoroutinefunction(model) or inspect.isgeneratorfunction(model):
        kind = "a generator" if inspect.isgeneratorfunction(model) else "a coroutine"
        return f" A call of {name} returns {kind} and runs no statement: write it as a function."
    try:
        returned = model(*args, **kwargs)
    except Exception:  # the message about the missing statements is enough
        return ""
    packages = {base.__module__.partition(".")[0] for base in type(returned).__mro__}
    if packages & {"pymc", "bambi"}:
        return f" The function returns a model: pass that model, fit_isogmm({name}(...))."
    if callable(returned):
        return f" The function returns a function: pass that, fit_isogmm({name}(...), ...)."
    return ""


def _line(error: Exception) -> str:
    """The error in one line, with the line of the user's code that it comes from."""
    if isinstance(error, SiteError) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    first = (str(error).splitlines() or [""])[0].rstrip(".")
    own = [
        entry
        for entry in traceback.extract_tb(error.__traceback__)
        if not _IN_PACKAGES & set(Path(entry.filename).parts) and entry.line
    ]
    where = f" Line {own[-1].lineno}: `{own[-1].line}`." if own else ""
    return f"The error was {type(error).__name__}: {first}.{where}"


#: Folders of installed packages and of this library.
_IN_PACKAGES = frozenset({"site-packages", "dist-packages", "isogmm_numpyro", "isogmm"})

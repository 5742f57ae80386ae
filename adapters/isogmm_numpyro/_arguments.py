"""The arguments of a model call, split into arrays that may change and all the rest."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from isogmm.errors import ModelError


def is_array(leaf: Any) -> bool:
    """Whether the leaf can be an input of a compiled program: numbers with axes, or on a device."""
    if isinstance(leaf, jax.Array):
        return True
    return isinstance(leaf, np.ndarray) and leaf.ndim >= 1 and leaf.dtype.kind in "biufc"


def is_float_array(leaf: Any) -> bool:
    """As :func:`is_array`, for real numbers only: indices and counts stay constants."""
    return is_array(leaf) and jax.numpy.issubdtype(leaf.dtype, np.inexact)


def is_nothing(leaf: Any) -> bool:
    """No leaf is an input: all data are constants of the program."""
    return False


class _Input:
    """Marks the place of an input among the fixed leaves."""


class Arguments:
    """Positional and keyword arguments, taken apart and put together again.

    Parameters
    ----------
    args, kwargs
        What the user passes to the model; any pytrees.
    is_input
        Which leaves become inputs of the programs.
    """

    def __init__(
        self,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        is_input: Callable[[Any], bool] = is_array,
    ) -> None:
        leaves, self._structure = jax.tree.flatten((args, dict(kwargs)))
        self.arrays = [leaf for leaf in leaves if is_input(leaf)]
        self._fixed = [_Input if is_input(leaf) else leaf for leaf in leaves]

    def without_arrays(self) -> "Arguments":
        """The same arguments without their inputs, for keeping: data sets can be large."""
        kept = object.__new__(Arguments)
        kept.arrays, kept._fixed, kept._structure = [], self._fixed, self._structure
        return kept

    def restore(self, arrays: list[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """``(args, kwargs)`` with these arrays in the places of the inputs."""
        remaining = iter(arrays)
        leaves = [next(remaining) if leaf is _Input else leaf for leaf in self._fixed]
        return jax.tree.unflatten(self._structure, leaves)

    def signature(self) -> tuple[Any, ...]:
        """Equal for arguments that can share compiled programs."""
        inputs = tuple((np.shape(a), str(jax.dtypes.result_type(a))) for a in self.arrays)
        return self._structure, tuple(_key_of(leaf) for leaf in self._fixed), inputs


def _key_of(leaf: Any) -> Any:
    """A hashable stand-in; two fixed leaves with equal stand-ins trace alike."""
    if isinstance(leaf, (np.ndarray, jax.Array)) and leaf.dtype != object:
        return type(leaf), leaf.shape, str(leaf.dtype), np.asarray(leaf).tobytes()
    try:
        hash(leaf)
    except TypeError:
        return type(leaf), id(leaf)
    return type(leaf), leaf


def bind(
    model: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """The arguments by the names that the model gives them.

    Raises
    ------
    ModelError
        If the model cannot be called with these arguments; the message names the argument.
    """
    try:
        signature = inspect.signature(model)
    except (TypeError, ValueError):  # some callables have no signature to look at
        return {**{f"argument_{i}": value for i, value in enumerate(args)}, **kwargs}
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        name = getattr(model, "__name__", type(model).__name__)
        raise ModelError(
            f"the model {name}{signature} cannot be called with these arguments: {error}. Pass "
            "positional arguments after the model and keyword arguments as model_kwargs={...}."
        ) from error
    named: dict[str, Any] = {}
    for parameter, value in bound.arguments.items():
        kind = signature.parameters[parameter].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            named.update({f"{parameter}_{i}": item for i, item in enumerate(value)})
        elif kind is inspect.Parameter.VAR_KEYWORD:
            named.update(value)
        else:
            named[parameter] = value
    return named


def named_arrays(named: Mapping[str, Any]) -> dict[str, Any]:
    """Every array among the arguments under one flat name: ``x``, or ``data.x`` inside a dict."""
    found = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(dict(named))[0]:
        if is_array(leaf):
            parts = [str(getattr(k, "key", getattr(k, "idx", getattr(k, "name", k)))) for k in path]
            found[".".join(parts).replace("/", ".")] = leaf
    return found

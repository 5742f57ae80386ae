"""The arguments of a model call, separated into input arrays and constants."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TypeGuard

import jax
import numpy as np

from isogmm.arrays import Array
from isogmm.errors import ModelError
from isogmm.model.programs.sharding import sharding_of
from isogmm_numpyro._types import Model

#: Kinds of NumPy data types that a compiled program accepts: booleans and numbers.
_INPUT_KINDS = "biufc"


def is_array(leaf: object) -> TypeGuard[Array]:
    """Whether the leaf is a JAX array, or a NumPy array of numbers with at least one axis."""
    if isinstance(leaf, jax.Array):
        return True
    if not isinstance(leaf, np.ndarray) or isinstance(leaf, np.ma.MaskedArray):
        return False
    return leaf.ndim >= 1 and leaf.dtype.kind in _INPUT_KINDS


def is_float_array(leaf: object) -> TypeGuard[Array]:
    """Whether the leaf is an array of real or complex numbers; indices and counts are not."""
    return is_array(leaf) and bool(jax.numpy.issubdtype(leaf.dtype, np.inexact))


def never_input(leaf: object) -> bool:
    """Return False for every leaf: all data are constants of the program."""
    return False


class _Input:
    """Marks the position of an input among the constant leaves."""


class Arguments:
    """Positional and keyword arguments as a list of input arrays and a list of constants.

    Parameters
    ----------
    args, kwargs
        The arguments that the user passes to the model; any pytrees.
    is_input
        Whether a leaf becomes an input of the programs.
    """

    def __init__(
        self,
        args: tuple[object, ...],
        kwargs: Mapping[str, object],
        is_input: Callable[[object], bool] = is_array,
    ) -> None:
        leaves, self._structure = jax.tree.flatten((args, dict(kwargs)))
        self.arrays: list[Array] = [leaf for leaf in leaves if is_input(leaf)]
        self._constants = [_Input if is_input(leaf) else leaf for leaf in leaves]

    def without_arrays(self) -> "Arguments":
        """The same arguments without the input arrays, which can be large."""
        kept = object.__new__(Arguments)
        kept.arrays, kept._constants, kept._structure = [], self._constants, self._structure
        return kept

    def restore(self, arrays: Sequence[Array]) -> tuple[tuple[object, ...], dict[str, object]]:
        """``(args, kwargs)`` with these arrays at the positions of the inputs."""
        remaining = iter(arrays)
        leaves = [next(remaining) if leaf is _Input else leaf for leaf in self._constants]
        return jax.tree.unflatten(self._structure, leaves)

    def inputs_of(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> list[Array]:
        """The leaves of other arguments at the positions of the inputs.

        Raises
        ------
        ModelError
            If the arguments have another structure.
        """
        leaves, structure = jax.tree.flatten((args, dict(kwargs)))
        if structure != self._structure:
            raise ModelError(
                f"the arguments have the structure {structure}, but the first ones had "
                f"{self._structure}: pass all data in the same form"
            )
        pairs = zip(leaves, self._constants, strict=True)
        return [leaf for leaf, constant in pairs if constant is _Input]

    def signature(self) -> tuple[object, ...]:
        """A hashable key; arguments with equal keys can share compiled programs."""
        inputs = tuple(
            (np.shape(a), str(jax.dtypes.result_type(a)), sharding_of(a)) for a in self.arrays
        )
        return self._structure, tuple(_key_of(leaf) for leaf in self._constants), inputs


def _key_of(leaf: object) -> tuple[object, ...]:
    """A hashable key of a constant; constants with equal keys give the same trace."""
    if isinstance(leaf, (np.ndarray, jax.Array)) and leaf.dtype != object:
        return type(leaf), leaf.shape, str(leaf.dtype), np.asarray(leaf).tobytes()
    try:
        hash(leaf)
    except TypeError:
        return type(leaf), id(leaf)
    return type(leaf), leaf


def bind(model: Model, args: tuple[object, ...], kwargs: Mapping[str, object]) -> dict[str, object]:
    """The arguments by the names of the model's parameters.

    Raises
    ------
    ModelError
        If the model cannot be called with these arguments; the message names the argument.
    """
    try:
        signature = inspect.signature(model)
    except (TypeError, ValueError):  # built-in callables can lack a signature
        return {**{f"argument_{i}": value for i, value in enumerate(args)}, **kwargs}
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        name = getattr(model, "__name__", type(model).__name__)
        hint = " The first of them is a JAX key: pass it as random_seed=." if has_key(args) else ""
        raise ModelError(
            f"the model {name}{signature} cannot be called with these arguments: {error}. Pass "
            "positional arguments after the model and keyword arguments as model_kwargs={...}."
            f"{hint}"
        ) from error
    named: dict[str, object] = {}
    for parameter, value in bound.arguments.items():
        kind = signature.parameters[parameter].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            named.update({f"{parameter}_{i}": item for i, item in enumerate(value)})
        elif kind is inspect.Parameter.VAR_KEYWORD:
            named.update(value)
        else:
            named[parameter] = value
    return named


def has_key(args: tuple[object, ...]) -> bool:
    """Whether the first argument is a key of JAX, which ``MCMC.run`` takes before the data."""
    if not args or not isinstance(args[0], jax.Array):
        return False
    is_typed = jax.dtypes.issubdtype(args[0].dtype, jax.dtypes.prng_key)
    return bool(is_typed or (args[0].dtype == np.uint32 and args[0].shape == (2,)))


def check_range(named: Mapping[str, object]) -> None:
    """Raise an error if whole numbers are beyond the range in which JAX computes.

    Without 64-bit numbers JAX keeps the last 32 bits of a whole number, without an error.

    Raises
    ------
    ModelError
        Naming the argument and its largest number.
    """
    if jax.config.jax_enable_x64:
        return
    for name, array in named_arrays(named).items():
        if isinstance(array, np.ndarray) and array.dtype.kind in "iu" and array.size:
            largest = max(int(array.max()), -int(array.min()))
            if largest > np.iinfo(np.int32).max:
                raise ModelError(
                    f"the argument '{name}' of the model has whole numbers up to {largest:,}, but "
                    "JAX computes with 32 bits: call numpyro.enable_x64() before the fit, or pass "
                    "floating-point numbers."
                )


def named_arrays(named: Mapping[str, object]) -> dict[str, Array]:
    """Every array among the arguments by its path: ``x``, or ``data.x`` inside a dictionary."""
    arrays = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(dict(named))[0]:
        if is_array(leaf):
            arrays[joined(path).replace("/", ".")] = leaf
    return arrays


def joined(path: Sequence[object]) -> str:
    """The path of a leaf with dots: ``x``, or ``data.x`` inside a dictionary."""
    return ".".join(str(getattr(k, "key", getattr(k, "idx", getattr(k, "name", k)))) for k in path)

"""Type checks that are built when a function is first called, and not when it is defined.

``jaxtyping`` builds two checking functions for each function of the package.  It builds those of an
inner function again at each call of the outer one, also while the checks are off.  Building them at
the first checked call halved the time to collect a few files and saved an eighth of their run.

A function is checked once for each combination of the types, shapes and dtypes of its arguments.
Checking every call took a sixth of the processor time of the numerical tests.
"""

import functools
import inspect
from types import FunctionType

import jax
import jaxtyping
import numpy as np
from jaxtyping import _decorator, config

# Warnings point at the caller of the library; ``isogmm.errors`` skips frames of jaxtyping.
__name__ = "jaxtyping.lazy_checks"

_checked_at_once = _decorator.jaxtyped
#: Values that can stand for a size or a choice.  Equal numbers of different types are different.
_BY_VALUE = (bool, int, str, bytes, type(None))
#: Longer sequences are checked at every call.
MAX_LENGTH = 8


def signature(value: object) -> object:
    """What the checks of an argument can depend on, or None if it is too long to be compared."""
    kind = type(value)
    if kind is np.ndarray or isinstance(value, (np.ndarray, np.generic, jax.Array)):
        return kind, value.shape, value.dtype
    if kind in _BY_VALUE:
        return kind, value
    if isinstance(value, dict):
        value, kind = [*value.keys(), *value.values()], (dict, len(value))
    elif not isinstance(value, (tuple, list)):
        return kind
    if len(value) > MAX_LENGTH:
        return None
    parts = tuple(signature(part) for part in value)
    return None if None in parts else (kind, parts)


def jaxtyped(fn=None, *, typechecker):
    """``jaxtyping.jaxtyped``, which builds the checks of a function at its first checked call."""
    if fn is None:
        return functools.partial(jaxtyped, typechecker=typechecker)
    if inspect.isclass(fn) and hasattr(fn.__init__, "_is_checked"):
        return fn
    if not isinstance(fn, FunctionType):
        return _checked_at_once(fn, typechecker=typechecker)
    checked = None
    seen = set()

    @functools.wraps(fn)
    def wrapper(*args, **kwargs):
        __tracebackhide__ = True
        nonlocal checked
        if config.jaxtyping_disable:
            return fn(*args, **kwargs)
        if checked is None:
            checked = fn  # for calls while the checks are built, which import modules
            checked = _checked_at_once(fn, typechecker=typechecker)
        key = signature((args, kwargs))
        if key is not None and key in seen:
            return fn(*args, **kwargs)
        result = checked(*args, **kwargs)
        if key is not None:
            seen.add(key)
        return result

    wrapper._is_checked = True
    return wrapper


def install() -> None:
    """Use the function above for modules that are imported from now on."""
    jaxtyping.jaxtyped = _decorator.jaxtyped = jaxtyped

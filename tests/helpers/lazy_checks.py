"""Type checks that are built when a function is first called, and not when it is defined.

``jaxtyping`` builds two checking functions for each function of the package.  It builds those of an
inner function again at each call of the outer one, also while the checks are off.  Building them at
the first checked call halved the time to collect a few files and saved an eighth of their run.
"""

import functools
import inspect
from types import FunctionType

import jaxtyping
from jaxtyping import _decorator, config

# Warnings point at the caller of the library; ``isogmm.errors`` skips frames of jaxtyping.
__name__ = "jaxtyping.lazy_checks"

_checked_at_once = _decorator.jaxtyped


def jaxtyped(fn=None, *, typechecker):
    """``jaxtyping.jaxtyped``, which builds the checks of a function at its first checked call."""
    if fn is None:
        return functools.partial(jaxtyped, typechecker=typechecker)
    if inspect.isclass(fn) and hasattr(fn.__init__, "_is_checked"):
        return fn
    if not isinstance(fn, FunctionType):
        return _checked_at_once(fn, typechecker=typechecker)
    checked = None

    @functools.wraps(fn)
    def wrapper(*args, **kwargs):
        __tracebackhide__ = True
        nonlocal checked
        if config.jaxtyping_disable:
            return fn(*args, **kwargs)
        if checked is None:
            checked = fn  # for calls while the checks are built, which import modules
            checked = _checked_at_once(fn, typechecker=typechecker)
        return checked(*args, **kwargs)

    wrapper._is_checked = True
    return wrapper


def install() -> None:
    """Use the function above for modules that are imported from now on."""
    jaxtyping.jaxtyped = _decorator.jaxtyped = jaxtyped

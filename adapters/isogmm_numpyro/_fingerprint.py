"""Whether two traces of a model describe the same computation."""

import hashlib
import re
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

_ADDRESS = re.compile(r"0x[0-9a-f]+")


class Fingerprint:
    """Stands for one traced computation; equal ones compute the same, constants included.

    A model may read a global array that has changed since the model was compiled, which its
    arguments do not tell.  The structure (as printed) and the constants do.  Constants are
    digested at once, for an array can be changed in place; the rest waits for a comparison.

    Parameters
    ----------
    jaxpr
        The traced computation.
    """

    def __init__(self, jaxpr: ClosedJaxpr) -> None:
        self._jaxpr = jaxpr
        self._digests = [_digest(constant) for constant in _constants(jaxpr)]

    def matches(self, other: "Fingerprint") -> bool:
        """Whether both stand for the same computation."""
        return self._digests == other._digests and _text(self._jaxpr) == _text(other._jaxpr)


def _text(jaxpr: ClosedJaxpr) -> str:
    # Functions inside equations print with their address, which differs from trace to trace.
    return _ADDRESS.sub("", str(jaxpr))


def _constants(jaxpr: ClosedJaxpr) -> list[Any]:
    return [*jaxpr.consts, *_literals(jaxpr.jaxpr)]


def _literals(jaxpr: Jaxpr) -> list[Any]:
    found = []
    for equation in jaxpr.eqns:
        found += [item.val for item in equation.invars if isinstance(item, Literal)]
        for parameter in equation.params.values():
            for inner in parameter if isinstance(parameter, (tuple, list)) else (parameter,):
                if isinstance(inner, ClosedJaxpr):
                    found += _constants(inner)
                elif isinstance(inner, Jaxpr):
                    found += _literals(inner)
    return found


def _digest(constant: Any) -> tuple[Any, ...]:
    if jax.dtypes.issubdtype(jax.dtypes.result_type(constant), jax.dtypes.extended):
        constant = jax.random.key_data(constant)
    array = np.ascontiguousarray(constant)
    return array.shape, str(array.dtype), hashlib.blake2b(array.tobytes()).digest()

"""Comparison of two traces of a model."""

import hashlib
import re

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

_ADDRESS = re.compile(r"0x[0-9a-f]+")


class Fingerprint:
    """A key of one traced computation; equal fingerprints mean equal computations.

    A model can read a global array that changes after the model was compiled. The arguments of
    the model do not show this; the constants of its trace do. An array can also change in place,
    so the constants are hashed at once. The structure is compared as text, only when needed.

    Parameters
    ----------
    jaxpr
        The traced computation.
    """

    def __init__(self, jaxpr: ClosedJaxpr) -> None:
        self._jaxpr = jaxpr
        self._digests = [_digest(constant) for constant in _constants(jaxpr)]

    def matches(self, other: "Fingerprint") -> bool:
        """Whether the structures and the constants of both computations are equal."""
        return self._digests == other._digests and _text(self._jaxpr) == _text(other._jaxpr)


def _text(jaxpr: ClosedJaxpr) -> str:
    # The text of a function inside an equation holds its address, which differs between traces.
    return _ADDRESS.sub("", str(jaxpr))


def _constants(jaxpr: ClosedJaxpr) -> list[object]:
    return [*jaxpr.consts, *_literals(jaxpr.jaxpr)]


def _literals(jaxpr: Jaxpr) -> list[object]:
    """The constants inside the equations, those of inner jaxprs included."""
    literals: list[object] = []
    for equation in jaxpr.eqns:
        literals += [item.val for item in equation.invars if isinstance(item, Literal)]
        for parameter in equation.params.values():
            for inner in parameter if isinstance(parameter, (tuple, list)) else (parameter,):
                if isinstance(inner, ClosedJaxpr):
                    literals += _constants(inner)
                elif isinstance(inner, Jaxpr):
                    literals += _literals(inner)
    return literals


def _digest(constant: object) -> tuple[tuple[int, ...], str, bytes]:
    """Shape, data type and hash of the values of a constant."""
    if jax.dtypes.issubdtype(jax.dtypes.result_type(constant), jax.dtypes.extended):
        constant = jax.random.key_data(constant)
    array = np.ascontiguousarray(np.asarray(constant))
    return array.shape, str(array.dtype), hashlib.blake2b(array.tobytes()).digest()

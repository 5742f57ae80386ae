"""Where the arithmetic of an iteration runs: in NumPy, or as one compiled JAX program."""

import abc
import contextlib
import functools
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np

from isogmm.mixtures.affine_map import AffineMap
from isogmm.model.programs.precision import in_precision
from isogmm.optimize.iteration import Iterate, Rules, advance

#: Arrays in any nesting of tuples.
Tree = TypeVar("Tree")


class AbstractBackend(abc.ABC):
    """Runs iterations; made from the rules and the type of the arithmetic."""

    #: ``(iterate, map, sample_weights, evaluation, step, next_noise)``: see
    #: :func:`isogmm.optimize.iteration.advance`.
    advance: Callable[..., tuple[Iterate, Any, Any]]

    @abc.abstractmethod
    def __init__(self, rules: Rules, dtype: np.dtype) -> None:
        """A backend for these rules and this floating type."""

    @abc.abstractmethod
    def put(self, tree: Tree) -> Tree:
        """Arrays where the arithmetic runs."""

    @abc.abstractmethod
    def put_map(self, affine_map: AffineMap) -> Any:
        """The affine map in the form that ``advance`` takes."""

    @abc.abstractmethod
    def context(self) -> contextlib.AbstractContextManager:
        """The context in which ``advance`` is called."""


class NumpyBackend(AbstractBackend):
    """Runs :func:`isogmm.optimize.iteration.advance` as it is."""

    def __init__(self, rules: Rules, dtype: np.dtype) -> None:
        self.advance = functools.partial(advance, rules)

    def put(self, tree: Tree) -> Tree:
        """The arrays themselves."""
        return tree

    def put_map(self, affine_map: AffineMap) -> AffineMap:
        """The map itself."""
        return affine_map

    def context(self) -> contextlib.AbstractContextManager:
        """No warnings: overflow shows as a mixture that is not finite, which the loop checks."""
        return np.errstate(over="ignore", invalid="ignore", divide="ignore")


@functools.cache
def _compiled(rules: Rules) -> Callable[..., tuple[Iterate, Any, Any]]:
    """One program for each pair of rules, shared by all fits; jit keeps one for each shape."""

    def run(iterate: Iterate, parts: tuple, *args: Any) -> tuple[Iterate, Any, Any]:
        return advance(rules, iterate, AffineMap(*parts), *args)

    return jax.jit(run)


class JaxBackend(AbstractBackend):
    """Runs :func:`isogmm.optimize.iteration.advance` as one compiled program on device arrays."""

    def __init__(self, rules: Rules, dtype: np.dtype) -> None:
        self.advance = _compiled(rules)
        self._x64 = np.dtype(dtype) == np.float64

    def put(self, tree: Tree) -> Tree:
        """Arrays on the device."""
        with self.context():
            return jax.device_put(tree)

    def put_map(self, affine_map: AffineMap) -> tuple:
        """The parts of the map, on the device."""
        a = affine_map
        return self.put((a.center, a.scale, a.factor, a.vectors, a.values))

    def context(self) -> contextlib.AbstractContextManager:
        """The precision of the mixture."""
        return in_precision(True if self._x64 else None)


#: Where the arithmetic of the mixture can run, by name.
ARRAY_BACKENDS: dict[str, type[AbstractBackend]] = {"numpy": NumpyBackend, "jax": JaxBackend}

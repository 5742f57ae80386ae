"""Where the arithmetic of an iteration runs: in NumPy, or as one compiled JAX program."""

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from isogmm.mixtures.affine_map import AffineMap
from isogmm.model.precision import in_precision
from isogmm.optimize.iteration import Iterate, WeightsRule, advance
from isogmm.optimize.updates.base import AbstractUpdateRule


class NumpyBackend:
    """Runs :func:`advance` as it stands."""

    def __init__(self, rule: AbstractUpdateRule, weights: WeightsRule | None, dtype: Any) -> None:
        self._advance = functools.partial(advance, rule, weights)

    def put(self, tree: Any) -> Any:
        """Arrays where the arithmetic runs: as they are."""
        return tree

    def set_map(self, affine_map: AffineMap) -> None:
        """Use this map from now on."""
        self._map = affine_map

    def advance(self, iterate: Iterate, *args: Any) -> tuple[Iterate, Any, Any]:
        """:func:`advance`, quiet."""
        # Overflow shows as a non-finite mixture, which the loop watches for.
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return self._advance(iterate, self._map, *args)


@functools.cache
def _jitted(rule: AbstractUpdateRule, weights: Any) -> Callable:
    """One program for each pair of rules, whatever the fit; jit keeps one for each shape."""
    import jax

    def run(iterate: Iterate, parts: tuple, *args: Any) -> tuple[Iterate, Any, Any]:
        return advance(rule, weights, iterate, AffineMap(*parts), *args)

    return jax.jit(run)


class JaxBackend:
    """Runs :func:`advance` as one compiled program on device arrays."""

    def __init__(self, rule: AbstractUpdateRule, weights: WeightsRule | None, dtype: Any) -> None:
        import jax

        self._jax = jax
        rules: tuple[Any, Any] = (rule, weights)
        self._advance = _jitted(*rules)
        self._x64 = np.dtype(dtype) == np.float64

    def _precision(self) -> contextlib.AbstractContextManager:
        return in_precision(True if self._x64 else None)

    def put(self, tree: Any) -> Any:
        """Arrays on the device."""
        with self._precision():
            return self._jax.device_put(tree)

    def set_map(self, affine_map: AffineMap) -> None:
        """Use this map from now on."""
        a = affine_map
        self._parts = self.put((a.center, a.scale, a.factor, a.vectors, a.values))

    def advance(self, iterate: Iterate, *args: Any) -> tuple[Iterate, Any, Any]:
        """:func:`advance`, compiled."""
        with self._precision():
            return self._advance(iterate, self._parts, *args)


#: Where the arithmetic of the engine can run, by name.
ARRAY_BACKENDS = {"numpy": NumpyBackend, "jax": JaxBackend}

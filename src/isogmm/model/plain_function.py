"""A log density that JAX cannot trace: value and gradient from any function, row by row."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from isogmm.errors import ModelError, warn_user
from isogmm.model.structure import Structure
from isogmm.model.target import Groups

#: What a function may raise at a point outside its support, for instance BridgeStan's
#: RuntimeError: the density is zero there.  Anything else is a bug and is passed on.
_OUTSIDE_SUPPORT = (ArithmeticError, RuntimeError, np.linalg.LinAlgError)
_BUGS = (NotImplementedError, RecursionError)


@dataclass
class PlainFunction:
    """The functions of a :class:`isogmm.LogDensity` that are not JAX.

    Parameters
    ----------
    structure
        Of the positions that the functions take.
    value_and_grad
        ``(position, *arguments) -> (scalar, gradient)``.
    vectorized
        The functions take a leading batch axis.
    map
        Applies ``value_and_grad`` to the points of a batch.
    constrain, log_likelihood
        ``(position, *arguments) -> {name: array}``, or None.
    """

    structure: Structure
    value_and_grad: Callable[..., Any]
    vectorized: bool
    map: Callable[..., Iterable[Any]]
    constrain: Callable[..., Mapping[str, Any]] | None
    log_likelihood: Callable[..., Mapping[str, Any]] | None
    _has_warned: bool = field(default=False, init=False)

    def bind(self, arguments: tuple[Any, ...]) -> dict[str, Any]:
        """The fields of a :class:`Target` that contain the model, given the data."""

        def evaluate_point(position: np.ndarray) -> tuple[Any, Any]:
            values, gradients = self.evaluate(position[None], arguments)
            return values[0], gradients[0]

        return {
            "evaluate_point": evaluate_point,
            "evaluate_batch": lambda positions: self.evaluate(positions, arguments),
            "constrain": lambda positions, _: self.generate(positions, arguments),
        }

    def _points(self, positions: Float[np.ndarray, "n d"]) -> Iterator[Any]:
        return (self.structure.unravel(position) for position in positions)

    def evaluate(
        self,
        positions: Float[np.ndarray, "n d"],
        arguments: tuple[Any, ...],
        apply: Callable[..., Any] | None = None,
    ) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n d"]]:
        """Values and gradients row by row, or in one call; padding is not evaluated again."""
        positions = np.asarray(positions, dtype=np.float64)
        size = len(positions)
        distinct = np.flatnonzero((positions != positions[0]).any(axis=1))
        rows = positions[: distinct[-1] + 1 if len(distinct) else 1]
        if self.vectorized:
            returned = self.value_and_grad(self.structure.unravel(rows), *arguments)
            value, gradient = _two(returned)
            if np.shape(value) != (len(rows),):
                raise ModelError(
                    f"with vectorized=True the log density of {len(rows)} positions must have "
                    f"shape ({len(rows)},), not {np.shape(value)}"
                )
            values = np.asarray(value, dtype=np.float64)
            gradients = self.structure.ravel(gradient, (len(rows),), "the gradient")
        else:
            values, gradients = np.full(len(rows), -np.inf), np.zeros(rows.shape)
            repeated = (itertools.repeat(argument) for argument in arguments)
            guarded = _Guarded(self.value_and_grad)
            results = (apply or self.map)(guarded, self._points(rows), *repeated)
            for row, returned in enumerate(results):
                if isinstance(returned, _Outside):
                    self._warn_outside(returned.message)
                    continue
                value, gradient = _two(returned)
                if np.shape(value) != ():
                    raise ModelError(
                        "the log density must be one number; the function returned shape "
                        f"{np.shape(value)}"
                    )
                values[row] = value
                gradients[row] = self.structure.ravel(gradient, (), "the gradient")
        padding = size - len(rows)
        return (
            np.concatenate([values, np.repeat(values[:1], padding)]),
            np.concatenate([gradients, np.repeat(gradients[:1], padding, axis=0)]),
        )

    def _warn_outside(self, message: str) -> None:
        """Say once what is taken as a point of no density."""
        if not self._has_warned:
            self._has_warned = True
            warn_user(
                "the log density raised an error, which is taken as a point outside its support; "
                f"further ones are not reported: {message}"
            )

    def generate(self, positions: Float[np.ndarray, "n d"], arguments: tuple[Any, ...]) -> Groups:
        """Variables and log likelihood of every position: see ``Target.constrain``."""
        groups: Groups = {
            "posterior": self.structure.split(np.asarray(positions)),
            "log_likelihood": {},
            "log_prior": {},
        }
        for group, function, name in (
            ("posterior", self.constrain, "constrain"),
            ("log_likelihood", self.log_likelihood, "log_likelihood"),
        ):
            if self.vectorized:
                arrays = named(function, name, self.structure.unravel(positions), *arguments)
                groups[group] |= {key: np.asarray(array) for key, array in arrays.items()}
            elif function is not None:
                rows = [
                    named(function, name, point, *arguments) for point in self._points(positions)
                ]
                groups[group] |= {key: np.stack([row[key] for row in rows]) for key in rows[0]}
        return groups


def named(function: Callable[..., Any] | None, what: str, *arguments: Any) -> dict[str, Any]:
    """What a function returns by name; nothing where there is no function."""
    if function is None:
        return {}
    result = function(*arguments)
    if not isinstance(result, Mapping):
        raise ModelError(
            f"{what} must return a dict from name to array, not {type(result).__name__}"
        )
    return dict(result)


def _two(returned: Any) -> tuple[Any, Any]:
    if not isinstance(returned, tuple | list) or len(returned) != 2:
        raise ModelError(
            "value_and_grad must return the pair (log density, gradient), not "
            f"{type(returned).__name__}"
        )
    return returned[0], returned[1]


@dataclass(frozen=True)
class Pair:
    """Value and gradient from two functions; a class, so that workers can receive it."""

    fn: Any
    gradient: Any

    def __call__(self, *arguments: Any) -> tuple[Any, Any]:
        """Evaluate both at one position."""
        return self.fn(*arguments), self.gradient(*arguments)


@dataclass(frozen=True)
class _Outside:
    """An error at one point, sent back by a worker in place of a value."""

    message: str


@dataclass(frozen=True)
class _Guarded:
    """The user's function, with errors outside its support returned instead of raised."""

    function: Any

    def __call__(self, *arguments: Any) -> Any:
        """Evaluate at one position."""
        try:
            return self.function(*arguments)
        except _BUGS:
            raise
        except _OUTSIDE_SUPPORT as error:
            return _Outside(repr(error))

"""A log density that JAX cannot trace: value and gradient, or the value alone."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float, PyTree

from isogmm.errors import ModelError, OptionError, warn_user
from isogmm.model.checks.repeatable import check_repeatable
from isogmm.model.functions.generated import GeneratedQuantities
from isogmm.model.functions.structure import Structure
from isogmm.model.programs.size import BATCH_ROWS
from isogmm.model.target import Groups, ModelFields, PointEvaluation
from isogmm.model.time_limit import check_time

#: Errors that mean a point outside the support, where the density is zero.  BridgeStan raises
#: RuntimeError there.
_OUTSIDE_SUPPORT = (ArithmeticError, RuntimeError, np.linalg.LinAlgError)
#: Subclasses of RuntimeError that are errors of the program.
_PROGRAM_ERRORS = (NotImplementedError, RecursionError)


@dataclass
class PlainFunction:
    """The functions of a :class:`isogmm.LogDensity` that are not JAX functions.

    Parameters
    ----------
    structure
        Structure of the positions that the functions take.
    value_and_grad
        ``(position, *arguments) -> (scalar, gradient)``.
    generated
        Variables on the user's scale and log likelihood.
    vectorized
        Whether the functions take a leading batch axis.
    map
        Applies ``value_and_grad`` to the points of a batch.
    batch_size
        Number of points evaluated together; None for the default.
    """

    structure: Structure
    value_and_grad: Callable[..., object]
    generated: GeneratedQuantities
    vectorized: bool
    map: Callable[..., Iterable[object]]
    batch_size: int | None
    _has_warned: bool = field(default=False, init=False)

    def check(self, position: Float[np.ndarray, " d"], arguments: tuple[PyTree, ...]) -> Groups:
        """Evaluate all functions at one position in this process; returns the generated arrays.

        Raises
        ------
        ModelError
            If a function returns something else than it should, or changes from call to call.
        """

        def evaluate(position: np.ndarray) -> PointEvaluation:
            values, gradients = self._evaluate(position[None], arguments, map)
            return values[0], gradients[0]

        check_repeatable(evaluate, position)
        return self.generate(position[None], arguments)

    @property
    def has_gradient(self) -> bool:
        """Whether the functions include a gradient."""
        return not isinstance(self.value_and_grad, ValueAlone)

    def bind(self, arguments: tuple[PyTree, ...]) -> ModelFields:
        """The fields of a :class:`Target` that contain the model, for these arguments."""

        def evaluate_point(position: np.ndarray) -> PointEvaluation:
            values, gradients = self._evaluate(position[None], arguments, self.map)
            return values[0], gradients[0]

        return {
            "evaluate_point": evaluate_point,
            "evaluate_batch": lambda positions: self._evaluate(positions, arguments, self.map),
            "constrain": lambda positions, _: self.generate(positions, arguments),
            "has_gradient": self.has_gradient,
            "batch_size": BATCH_ROWS if self.batch_size is None else self.batch_size,
        }

    def _evaluate(
        self,
        positions: Float[np.ndarray, "n d"],
        arguments: tuple[PyTree, ...],
        apply: Callable[..., Iterable[object]],
    ) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n d"]]:
        """Values and gradients; the padding, copies of the first row, is not evaluated again."""
        positions = np.asarray(positions, dtype=np.float64)
        distinct = np.flatnonzero((positions != positions[0]).any(axis=1))
        rows = positions[: distinct[-1] + 1 if len(distinct) else 1]
        if self.vectorized:
            values, gradients = self._evaluate_together(rows, arguments)
        else:
            values, gradients = self._evaluate_rows(rows, arguments, apply)
        padding = len(positions) - len(rows)
        return (
            np.concatenate([values, np.repeat(values[:1], padding)]),
            np.concatenate([gradients, np.repeat(gradients[:1], padding, axis=0)]),
        )

    def _evaluate_together(
        self, rows: Float[np.ndarray, "n d"], arguments: tuple[PyTree, ...]
    ) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n d"]]:
        value, gradient = _pair(self.value_and_grad(self.structure.unravel(rows), *arguments))
        if np.shape(value) != (len(rows),):
            raise ModelError(
                f"with vectorized=True the log density of {len(rows)} positions must have "
                f"shape ({len(rows)},), not {np.shape(value)}"
            )
        values = np.asarray(value, dtype=np.float64)
        if not self.has_gradient:
            return values, np.zeros(rows.shape)
        return values, self.structure.ravel(gradient, (len(rows),), "the gradient")

    def _evaluate_rows(
        self,
        rows: Float[np.ndarray, "n d"],
        arguments: tuple[PyTree, ...],
        apply: Callable[..., Iterable[object]],
    ) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n d"]]:
        values, gradients = np.full(len(rows), -np.inf), np.zeros(rows.shape)
        repeated = (itertools.repeat(argument) for argument in arguments)
        results = apply(_CatchOutsideSupport(self.value_and_grad), self._points(rows), *repeated)
        for row, returned in enumerate(results):
            check_time()
            if isinstance(returned, _OutsideSupport):
                self._warn_outside(returned.message)
                continue
            value, gradient = _pair(returned)
            if np.shape(value) != ():
                raise ModelError(
                    "the log density must be one number; the function returned shape "
                    f"{np.shape(value)}"
                )
            values[row] = value
            if self.has_gradient:
                gradients[row] = self.structure.ravel(gradient, (), "the gradient")
        return values, gradients

    def _points(self, positions: Float[np.ndarray, "n d"]) -> Iterator[PyTree]:
        return (self.structure.unravel(position) for position in positions)

    def _warn_outside(self, message: str) -> None:
        """Report the first error that is taken as a point outside the support."""
        if not self._has_warned:
            self._has_warned = True
            warn_user(
                "the log density raised an error. The point is treated as outside the support, and "
                f"further errors are not reported: {message}"
            )

    def generate(
        self, positions: Float[np.ndarray, "n d"], arguments: tuple[PyTree, ...]
    ) -> Groups:
        """Variables and log likelihood at every position; see ``Target.constrain``."""
        if self.vectorized:
            many = self.generated(self.structure.unravel(positions), arguments)
            arrays = {
                group: {name: np.asarray(array) for name, array in named.items()}
                for group, named in many.items()
            }
        else:
            rows = []
            for point in self._points(positions):
                check_time()
                rows.append(self.generated(point, arguments))
            arrays = {
                group: {name: np.stack([row[group][name] for row in rows]) for name in named}
                for group, named in rows[0].items()
            }
        posterior = self.structure.split(np.asarray(positions)) | arrays["posterior"]
        return {
            "posterior": posterior,
            "log_likelihood": arrays["log_likelihood"],
            "log_prior": {},
        }


def _pair(returned: object) -> tuple[PyTree, PyTree]:
    """The log density and its gradient, as ``value_and_grad`` returned them."""
    if not isinstance(returned, tuple | list) or len(returned) != 2:
        raise ModelError(
            "value_and_grad must return the pair (log density, gradient), not "
            f"{type(returned).__name__}"
        )
    return returned[0], returned[1]


@dataclass(frozen=True)
class ValueAlone:
    """``value_and_grad`` of a function without a gradient, in whose place None is returned."""

    fn: Callable[..., object]

    def __call__(self, *arguments: PyTree) -> tuple[object, None]:
        """Evaluate the function at one position."""
        return self.fn(*arguments), None


@dataclass(frozen=True)
class ValueAndGrad:
    """``value_and_grad`` from two functions; a class, because worker processes must unpickle it."""

    fn: Callable[..., object]
    gradient: Callable[..., object]

    def __call__(self, *arguments: PyTree) -> tuple[object, object]:
        """Evaluate both functions at one position."""
        return self.fn(*arguments), self.gradient(*arguments)


def combined(
    fn: Callable[..., object] | None,
    gradient: Callable[..., object] | Literal[False] | None,
    value_and_grad: Callable[..., object] | None,
) -> Callable[..., object] | None:
    """One function for value and gradient; None if JAX differentiates ``fn``.

    Raises
    ------
    ModelError
        If there is no function.
    OptionError
        If there are two gradients.
    """
    if fn is None and value_and_grad is None:
        raise ModelError("give fn (JAX), fn with gradient=, or value_and_grad=")
    if fn is not None and gradient is False and value_and_grad is None:
        return ValueAlone(fn)
    if gradient is not None and not callable(gradient) and value_and_grad is None:
        raise OptionError(
            "gradient must be a function, or False for a log density without a gradient, not "
            f"{gradient!r}"
        )
    if gradient is not None and value_and_grad is not None:
        raise OptionError("gradient= and value_and_grad= are alternatives: give only one of them")
    if fn is None or not callable(gradient):
        return value_and_grad
    return ValueAndGrad(fn, gradient)


@dataclass(frozen=True)
class _OutsideSupport:
    """The result of a worker at a point where the function raised an error."""

    message: str


@dataclass(frozen=True)
class _CatchOutsideSupport:
    """The user's function, with errors outside its support returned instead of raised."""

    function: Callable[..., object]

    def __call__(self, *arguments: PyTree) -> object:
        """Evaluate the function at one position."""
        try:
            return self.function(*arguments)
        except _PROGRAM_ERRORS:
            raise
        except _OUTSIDE_SUPPORT as error:
            return _OutsideSupport(repr(error))

"""Evaluation of rows by the workers of an executor."""

import contextlib
import functools
import math
from collections.abc import Iterator, Mapping
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from isogmm.errors import WorkersLostError, warn_user
from isogmm.model.target import BatchEvaluation, Target
from isogmm.model.workers.executors import num_workers, replacement
from isogmm.model.workers.recipe import (
    ModelRecipe,
    evaluate_rows,
    recipe_of,
    register,
    unregister,
)

#: How often rows are evaluated at most; rows that lose their workers each time end the fit.
MAX_ATTEMPTS = 3
#: Errors of a lost worker or of a lost connection to it.
LOST = (BrokenExecutor, CancelledError, OSError, EOFError)


class WorkerRows:
    """Evaluates rows by the workers of an executor; a row does not depend on the others.

    Parameters
    ----------
    executor
        The executor.
    recipe
        The model.
    checkpoint
        Path of the checkpoint of the fit, for the error message; None without one.
    """

    def __init__(self, executor: Executor, recipe: ModelRecipe, checkpoint: object = None) -> None:
        self.recipe, self.checkpoint = recipe, checkpoint
        self._make, self._executor = replacement(executor), executor
        self._own: Executor | None = None
        self._task = recipe

    def __call__(self, positions: Float[np.ndarray, "n d"]) -> BatchEvaluation:
        """Log densities and gradients.

        Raises
        ------
        WorkersLostError
            If rows lost their workers several times.
        """
        values, gradients = np.empty(len(positions)), np.empty(positions.shape)
        size = math.ceil(len(positions) / num_workers(self._executor)) or 1
        todo = [slice(begin, begin + size) for begin in range(0, len(positions), size)]
        for attempt in range(1, MAX_ATTEMPTS + 1):
            error: BaseException | None = None
            lost: list[slice] = []
            for rows, outcome in self._outcomes(positions, todo):
                if isinstance(outcome, BaseException):
                    error, lost = outcome, [*lost, rows]
                else:
                    values[rows], gradients[rows] = outcome
            if error is None:
                # Workers keep the target: later tasks name it only.
                self._task = self.recipe.without_model()
                return values, gradients
            todo = lost
            if attempt < MAX_ATTEMPTS:
                self._replace(error)
        raise self._failure(error)

    def close(self) -> None:
        """Shut down the pool that replaced that of the user, if there is one."""
        if self._own is not None:
            self._own.shutdown(wait=False, cancel_futures=True)

    def _outcomes(
        self, positions: Float[np.ndarray, "n d"], parts: list[slice]
    ) -> Iterator[tuple[slice, BatchEvaluation | BaseException]]:
        """The results of the parts, or the errors of their lost workers."""
        futures: list[Future] = []
        try:
            futures = [self._submit(self._task, positions[rows]) for rows in parts]
            for rows, future in zip(parts, futures, strict=True):
                try:
                    outcome = future.result()
                    if outcome is None:
                        outcome = self._submit(self.recipe, positions[rows]).result()
                except Exception as error:
                    if not is_lost(error):
                        raise
                    outcome = error
                yield rows, outcome
        finally:
            for future in futures:
                future.cancel()

    def _submit(self, recipe: ModelRecipe, positions: Float[np.ndarray, "n d"]) -> Future:
        try:
            return self._executor.submit(evaluate_rows, recipe, positions)
        except BrokenExecutor as error:
            broken: Future = Future()
            broken.set_exception(error)
            return broken
        except RuntimeError as error:
            raise WorkersLostError(
                f"the executor accepts no more tasks ({error}): keep it open until the fit "
                "returns, with the call inside 'with ProcessPoolExecutor(...) as executor:'"
            ) from error

    def _replace(self, error: BaseException) -> None:
        """Continue with a new pool where the executor cannot replace its workers."""
        if not isinstance(error, BrokenExecutor):
            return
        if self._make is None:
            raise self._failure(error)
        warn_user(
            f"a worker of the executor was lost ({type(error).__name__}). The fit starts new "
            "processes and continues."
        )
        self.close()
        self._executor = self._own = self._make()
        self._task = self.recipe

    def _failure(self, error: BaseException | None) -> WorkersLostError:
        if self.checkpoint is None:
            remedy = "pass checkpoint='fit.npz', so that another call can continue the fit"
        else:
            remedy = f"call again with checkpoint={str(self.checkpoint)!r} to continue the fit"
        failure = WorkersLostError(
            f"the workers of the executor were lost ({type(error).__name__}: {error}). A worker "
            "may have had too little memory, or the model crashed. Start a new executor, if "
            f"necessary with fewer workers, and {remedy}."
        )
        failure.__cause__ = error
        return failure


def is_lost(error: Exception) -> bool:
    """Whether an error means that a worker was lost; dask's errors are known by their package."""
    return isinstance(error, LOST) or type(error).__module__.partition(".")[0] == "distributed"


@contextlib.contextmanager
def evaluated_by(
    executor: Executor | None,
    target: Target,
    model: tuple[object, tuple[object, ...], Mapping[str, object], int],
    checkpoint: object = None,
) -> Iterator[Target]:
    """The target, evaluated by the workers of an executor; the target itself without one.

    Parameters
    ----------
    executor
        The executor or None.
    target
        The target of the model.
    model
        The arguments of :func:`isogmm.model.to_target.to_target`.
    checkpoint
        Path of the checkpoint of the fit, for error messages.
    """
    if executor is None:
        yield target
        return
    recipe = recipe_of(*model)
    # The program of a row is traced here, not by several threads at once.
    (target.evaluate_row or target.evaluate_point)(np.zeros(target.dim))
    register(recipe.key, target)
    rows = WorkerRows(executor, recipe, checkpoint)
    try:
        yield replace(target, evaluate_rows=functools.partial(WorkerRows.__call__, rows))
    finally:
        rows.close()
        unregister(recipe.key)

"""What the library needs to know about an executor: whether it can be used, and its workers."""

import os
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor

from isogmm.errors import OptionError

#: Attributes with the number of workers: those of ``mpi4py.futures``, of the pools of the standard
#: library and of loky, in this order.
NUMBERS_OF_WORKERS = ("num_workers", "_max_workers", "max_workers")


def checked_executor(executor: object) -> Executor | None:
    """The executor itself, or None.

    Raises
    ------
    OptionError
        If it is no executor, or starts its workers by fork.
    """
    if executor is None:
        return None
    if not isinstance(executor, Executor):
        hint = (
            "pass client.get_executor()"
            if hasattr(executor, "get_executor")
            else "pass for example concurrent.futures.ProcessPoolExecutor(4, "
            "mp_context=multiprocessing.get_context('spawn'))"
        )
        raise OptionError(
            f"executor must be a concurrent.futures.Executor, not {executor!r}: {hint}"
        )
    context = vars(executor).get("_mp_context")
    is_pool = isinstance(executor, ProcessPoolExecutor)
    if is_pool and context is not None and context.get_start_method() == "fork":
        raise OptionError(
            "executor is a ProcessPoolExecutor that starts its workers by fork, in which JAX can "
            f"deadlock: create it as ProcessPoolExecutor({num_workers(executor)}, "
            "mp_context=multiprocessing.get_context('spawn'))"
        )
    return executor


def num_workers(executor: Executor) -> int:
    """Number of workers; the number of processors for an executor that does not tell it."""
    client = getattr(executor, "_client", None)
    if client is not None and hasattr(client, "nthreads"):  # dask, whose clusters can grow
        return max(1, sum(client.nthreads().values()))
    for name in NUMBERS_OF_WORKERS:
        number = getattr(executor, name, None)
        if isinstance(number, int) and number > 0:
            return number
    return os.cpu_count() or 1


def replacement(executor: Executor) -> Callable[[], Executor] | None:
    """Makes a process pool like a broken one; None for executors that replace workers themselves.

    A process pool of the standard library is unusable after the loss of one worker.
    """
    if type(executor) is not ProcessPoolExecutor:
        return None
    return lambda: ProcessPoolExecutor(
        num_workers(executor),
        mp_context=vars(executor)["_mp_context"],
        initializer=vars(executor)["_initializer"],
        initargs=vars(executor)["_initargs"],
    )

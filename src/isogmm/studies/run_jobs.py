"""All data sets, one after another or by the workers of an executor."""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import contextmanager

from isogmm.errors import OptionError, WorkersLostError, warn_user
from isogmm.model.workers.executors import checked_executor, num_workers, replacement
from isogmm.model.workers.rows import is_lost
from isogmm.studies.datasets import Job
from isogmm.studies.work import FailedFit, Outcome, Work
from isogmm.studies.worker import WorkTask, run_task, task_of
from isogmm.validation import whole_number

#: How often a data set is fitted at most if its worker is lost each time.  The last attempt runs
#: alone, so that the loss is not that of another data set.
MAX_ATTEMPTS = 3
#: Data sets for each worker that wait in the executor.
QUEUED_FOR_EACH_WORKER = 2

#: A data set and what became of it.
Finished = Iterator[tuple[Job, Outcome]]


@contextmanager
def opened(executor: object) -> Iterator[Executor | None]:
    """The executor of the user; for a number, a pool of as many processes.

    Raises
    ------
    OptionError
        If it is neither.
    """
    if isinstance(executor, int):
        number = whole_number("executor", executor)
        pool = ProcessPoolExecutor(number, mp_context=multiprocessing.get_context("spawn"))
        try:
            yield pool
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        return
    yield checked_executor(executor)


def run_jobs(work: Work, jobs: list[Job], executor: Executor | None, remedy: str) -> Finished:
    """Fit all data sets; yields each as soon as it is finished.

    Parameters
    ----------
    work, jobs
        What all data sets share, and the data sets.
    executor
        The executor, or None to fit one after another.
    remedy
        The end of the message if the executor cannot continue.

    Raises
    ------
    WorkersLostError
        If the executor cannot continue.
    """
    if executor is None or not jobs:
        for job in jobs:
            yield job, work.run(job)
        return
    with task_of(work) as task:
        yield from _Dispatcher(executor, task, remedy).run(jobs)


class _Dispatcher:
    """Submits data sets, and those of lost workers again."""

    def __init__(self, executor: Executor, task: WorkTask, remedy: str) -> None:
        self._executor, self._task, self._remedy = executor, task, remedy
        self._make: Callable[[], Executor] | None = replacement(executor)
        self._own: Executor | None = None
        self._attempts: dict[int, int] = {}
        self._has_succeeded = False

    def run(self, jobs: list[Job]) -> Finished:
        waiting, suspects = deque(jobs), deque[Job]()
        running: dict[Future[Outcome], Job] = {}
        broken: Exception | None = None
        try:
            while waiting or suspects or running:
                if broken is not None and not running:
                    self._replace(broken)
                    broken = None
                if broken is None:
                    self._fill(running, waiting, suspects)
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    job, error = running.pop(future), _error_of(future)
                    if error is None:
                        self._has_succeeded = True
                        yield job, future.result()
                        continue
                    if not is_lost(error):
                        raise OptionError(
                            f"data set {job.label!r} or its result cannot be sent between "
                            f"processes: {type(error).__name__}: {error}"
                        ) from error
                    broken = error if isinstance(error, BrokenExecutor) else broken
                    attempts = self._attempts[job.index] = self._attempts.get(job.index, 0) + 1
                    if attempts < MAX_ATTEMPTS:
                        (suspects if attempts == MAX_ATTEMPTS - 1 else waiting).appendleft(job)
                    elif self._has_succeeded:
                        yield job, Outcome(FailedFit(job.label, self._lost(job, error)))
                    else:
                        raise self._failure(error)
        finally:
            for future in running:
                future.cancel()
            if self._own is not None:
                self._own.shutdown(wait=False, cancel_futures=True)

    def _fill(
        self, running: dict[Future[Outcome], Job], waiting: deque[Job], suspects: deque[Job]
    ) -> None:
        """Submit data sets; one that has lost several workers runs alone."""
        if suspects:
            if not running:
                job = suspects.popleft()
                running[self._submit(job)] = job
            return
        while waiting and len(running) < QUEUED_FOR_EACH_WORKER * num_workers(self._executor):
            job = waiting.popleft()
            running[self._submit(job)] = job

    def _submit(self, job: Job) -> Future[Outcome]:
        try:
            return self._executor.submit(run_task, self._task, job)
        except BrokenExecutor as error:
            broken: Future[Outcome] = Future()
            broken.set_exception(error)
            return broken
        except RuntimeError as error:
            raise WorkersLostError(
                f"the executor accepts no data sets ({error}): keep it open until fit_many "
                "returns, with the call inside 'with ProcessPoolExecutor(...) as executor:'"
            ) from error

    def _replace(self, error: Exception) -> None:
        """Continue with a new pool, since a broken one accepts nothing."""
        if self._make is None:
            raise self._failure(error)
        warn_user(
            f"a worker of the executor was lost ({type(error).__name__}); the fits continue in a "
            "new pool of the same size, and those that it had begun start again."
        )
        if self._own is not None:
            self._own.shutdown(wait=False, cancel_futures=True)
        self._executor = self._own = self._make()

    def _lost(self, job: Job, error: Exception) -> WorkersLostError:
        lost = WorkersLostError(
            f"data set {job.label!r} lost its worker {MAX_ATTEMPTS} times "
            f"({type(error).__name__}: {error}). Often the worker had too little memory, or the "
            "model crashed."
        )
        lost.__cause__ = error
        return lost

    def _failure(self, error: Exception) -> WorkersLostError:
        failure = WorkersLostError(
            f"the workers of the executor were lost ({type(error).__name__}: {error}). Often they "
            "had too little memory, the model crashed, or the script has no "
            f"'if __name__ == \"__main__\":'. Start a new executor and {self._remedy}."
        )
        failure.__cause__ = error
        return failure


def _error_of(future: Future[Outcome]) -> Exception | None:
    """The error of a future that has ended, cancelled ones included."""
    try:
        future.result()
    except Exception as error:
        return error
    return None

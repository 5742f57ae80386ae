"""The worker of a study: it unpickles the model once, and fits one data set in each task."""

import hashlib
import pickle
import signal
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import parent_process

import jax

from isogmm.errors import OptionError
from isogmm.model.adapter import find_adapter, installed_adapters
from isogmm.model.functions.log_density import LogDensity
from isogmm.model.programs.precision import in_precision
from isogmm.model.workers.recipe import pickled
from isogmm.studies.compilation_cache import cache_folder, enable_compilation_cache
from isogmm.studies.datasets import Job
from isogmm.studies.work import FailedFit, Outcome, Work

#: Names this process, also among those of other machines.
_PROCESS = uuid.uuid4().hex
#: Studies that this process knows; a worker keeps the latest one.
_works: dict[str, Work] = {}


@dataclass(frozen=True)
class WorkTask:
    """A study as bytes.

    Parameters
    ----------
    key
        Names the study; computed from its content.
    process
        The process of the user.
    x64
        Whether JAX has 64-bit floats there.
    language, settings
        Name of the adapter and its settings; empty for a model without a language.
    cache
        Folder of JAX's compilation cache.
    work
        The pickled :class:`isogmm.studies.work.Work`.
    """

    key: str
    process: str
    x64: bool
    language: str
    settings: tuple[tuple[str, str], ...]
    cache: str
    work: bytes


@contextmanager
def task_of(work: Work) -> Iterator[WorkTask]:
    """The study as a task; the threads of this process use the study itself.

    Raises
    ------
    OptionError
        If the model or an option cannot be pickled.
    """
    language, settings = "", {}
    if not isinstance(work.model, LogDensity):
        adapter = find_adapter(work.model)
        work = replace(work, model=adapter.of_context(work.model))
        language, settings = adapter.name, dict(adapter.worker_settings())
    try:
        data = pickled(work, parts=(work.model, work.reduce, *work.options.values()))
    except Exception as error:  # objects may raise any exception when they are pickled
        raise OptionError(
            "executor= needs a model and options that can be sent to other processes, but one "
            f"cannot be pickled: {error}. Remove locks, open files and compiled functions from "
            "it, or leave executor out."
        ) from error
    key = hashlib.sha256(data).hexdigest()
    x64 = bool(jax.config.jax_enable_x64)
    _works[key] = work
    try:
        yield WorkTask(key, _PROCESS, x64, language, tuple(settings.items()), cache_folder(), data)
    finally:
        _works.pop(key, None)


def run_task(task: WorkTask, job: Job) -> Outcome:
    """Fit one data set in a worker."""
    if task.process == _PROCESS:  # a thread of the process of the user
        with in_precision(task.x64):
            return _works[task.key].run(job)
    if task.key not in _works:
        _prepare(task)
    with in_precision(task.x64):
        return _portable(_works[task.key].run(job))


def _prepare(task: WorkTask) -> None:
    """Settings of the process, then the study."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    if parent_process() is not None and in_main_thread:
        # Ctrl-C in a terminal reaches all processes; the process of the user handles it.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    enable_compilation_cache(task.cache)
    if task.language:
        installed_adapters()[task.language].apply_settings(dict(task.settings))
    _works.clear()
    with in_precision(task.x64):
        _works[task.key] = pickle.loads(task.work)


def _portable(outcome: Outcome) -> Outcome:
    """The same outcome; an error that cannot be pickled becomes a RuntimeError with its text."""
    failed = outcome.result
    if not isinstance(failed, FailedFit):
        return outcome
    try:
        pickle.loads(pickle.dumps(failed))
    except Exception:
        text = f"{type(failed.error).__name__}: {failed.error}"
        return replace(outcome, result=replace(failed, error=RuntimeError(text)))
    return outcome

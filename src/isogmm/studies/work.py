"""The fit of one data set, in the process of the user or in a worker; errors are returned."""

import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from isogmm.errors import FitWarning, OptionError
from isogmm.model.with_data import bound
from isogmm.results.arviz.warning_filters import in_main_thread
from isogmm.results.groups import Result
from isogmm.studies.datasets import Job

#: Modeling languages have global state: the threads of a process fit one after another.
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class FailedFit:
    """Takes the place of a result in the list of :func:`isogmm.fit_many`.

    Parameters
    ----------
    dataset
        Name or number of the data set.
    error
        The exception.
    traceback
        Where it was raised, as text.

    Examples
    --------
    >>> results = [FailedFit(3, ValueError("no data"))]
    >>> [each.dataset for each in results if isinstance(each, FailedFit)]
    [3]
    """

    dataset: str | int
    error: BaseException
    traceback: str = field(default="", repr=False)


@dataclass(frozen=True)
class Outcome:
    """What became of one data set: its result, or its error, and the warnings of the fit."""

    result: Result | FailedFit
    messages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Work:
    """What all data sets of a study share.

    Parameters
    ----------
    model
        The model.
    fit
        The function that fits, such as :func:`isogmm.fit_isogmm`.
    model_kwargs
        Arguments of the model that all data sets share.
    options
        Options of ``fit``.
    reduce
        ``(job, result) -> result``, applied where the fit runs; None for none.
    """

    model: object
    fit: Callable[..., Result]
    model_kwargs: Mapping[str, object]
    options: Mapping[str, object]
    reduce: Callable[[Job, Result], Result] | None = None

    def run(self, job: Job) -> Outcome:
        """Fit one data set.  The result of an error is a :class:`FailedFit`."""
        with _one_at_a_time, _recorded() as caught:
            result: Result | FailedFit
            try:
                result = self._fit(job)
            except Exception as error:  # of the model, of the data or of the options
                result = FailedFit(job.label, error, traceback.format_exc())
        for each in caught:
            if not issubclass(each.category, FitWarning):
                warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
        messages = [str(each.message) for each in caught if issubclass(each.category, FitWarning)]
        return Outcome(result, tuple(dict.fromkeys(messages)))

    def _fit(self, job: Job) -> Result:
        with bound(self.model, job.data, self.model_kwargs) as (model, args, kwargs):
            result = self.fit(
                model,
                *args,
                model_kwargs=kwargs or None,
                random_seed=job.seed,
                progressbar=False,
                **self.options,
            )
        return result if self.reduce is None else self.reduce(job, result)


@contextmanager
def _recorded() -> Iterator[list[warnings.WarningMessage]]:
    """Records warnings in the main thread; the filters belong to all threads of the process."""
    if not in_main_thread():
        yield []
        return
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", FitWarning)
        yield caught


def concerns_all(outcome: Outcome) -> OptionError | None:
    """The error of an invalid option, which no data set can have caused; None otherwise."""
    failed = outcome.result
    if isinstance(failed, FailedFit) and isinstance(failed.error, OptionError):
        return failed.error
    return None

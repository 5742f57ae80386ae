"""A study: its data sets are fitted, stored and counted."""

import os
from concurrent.futures import Executor

from isogmm.errors import OptionError, warn_user
from isogmm.model.interrupts import check_interrupt, interrupts_noticed
from isogmm.progress.progress import Progress, duration
from isogmm.results.groups import Result, attributes
from isogmm.results.stop_reason import StopReason
from isogmm.studies.datasets import Job, by_shape
from isogmm.studies.folder import StudyFolder
from isogmm.studies.run_jobs import opened, run_jobs
from isogmm.studies.summary import warn_of_problems
from isogmm.studies.work import FailedFit, Outcome, Work, concerns_all
from isogmm.validation import seed_of


class Study:
    """The fits of one model to many data sets.

    Parameters
    ----------
    work
        What all data sets share.
    folder
        Where results are stored, or None.
    seed
        The seed, or None for that of the folder or a random one.
    """

    def __init__(self, work: Work, folder: str | os.PathLike[str] | None, seed: int | None) -> None:
        self._work = work
        self._folder = None if folder is None else StudyFolder(folder, work, seed)
        stored = None if self._folder is None else self._folder.seed
        known = stored if seed is None else seed
        self.seed = seed_of(None) if known is None else known
        self._outcomes: dict[int, Outcome] = {}
        self._has_warned = False

    def run(self, jobs: list[Job], executor: object, progressbar: bool) -> list[Result | FailedFit]:
        """Fit the data sets that have no stored result; returns all results in order.

        An interrupt (Ctrl-C) ends the study; data sets that are not fitted have a record of it.
        """
        stage = "fitting data sets"
        with (
            interrupts_noticed(),
            opened(executor) as workers,
            Progress(progressbar, stage) as line,
        ):
            if self._folder is not None:
                found = self._folder.begin(jobs, self.seed)
                self._outcomes = {index: Outcome(result) for index, result in found.items()}
            num_stored = len(self._outcomes)
            line.show(stage, lambda: self._progress(len(jobs), num_stored, line.seconds))
            try:
                self._fit([job for job in jobs if job.index not in self._outcomes], workers)
            except KeyboardInterrupt:
                for job in jobs:
                    error = KeyboardInterrupt("the study was interrupted before this fit ended")
                    failed = FailedFit(job.label, error)
                    self._outcomes.setdefault(job.index, Outcome(failed))
        outcomes = [self._outcomes[job.index] for job in jobs]
        warn_of_problems({job.label: each for job, each in zip(jobs, outcomes, strict=True)})
        return [each.result for each in outcomes]

    def _fit(self, jobs: list[Job], executor: Executor | None) -> None:
        remedy = "pass folder=, so that another call skips the finished data sets"
        if self._folder is not None:
            remedy = f"call again with folder={str(self._folder.path)!r} to fit the other data sets"
        for job, outcome in run_jobs(self._work, by_shape(jobs), executor, remedy):
            invalid = concerns_all(outcome)
            if invalid is not None and not self._has_result():
                raise OptionError(f"data set {job.label!r}: {invalid}") from invalid
            self._outcomes[job.index] = outcome
            if isinstance(outcome.result, FailedFit):
                continue
            if attributes(outcome.result).get("stop_reason") == StopReason.INTERRUPTED.value:
                raise KeyboardInterrupt  # the fit has returned what it had
            self._store(job, outcome.result)
            check_interrupt()

    def _store(self, job: Job, result: Result) -> None:
        """Write a result to the folder; a failure does not lose the results in memory."""
        if self._folder is None:
            return
        try:
            self._folder.write(job, result)
        except OSError as error:
            if not self._has_warned:
                self._has_warned = True
                warn_user(
                    f"isogmm.fit_many: the result of data set {job.label!r} could not be written "
                    f"to {self._folder.path} ({error.strerror or error}). The study continues and "
                    "returns all results. Free space on the disk or make the folder writable, and "
                    "another call fits the data sets without a file."
                )

    def _has_result(self) -> bool:
        return any(not isinstance(each.result, FailedFit) for each in self._outcomes.values())

    def _progress(self, total: int, stored: int, seconds: float) -> str:
        """How many data sets are done, and an estimate of the time that is left."""
        done = len(self._outcomes)
        failed = sum(isinstance(each.result, FailedFit) for each in list(self._outcomes.values()))
        text = f"{done} of {total}" + (f", {failed} failed" if failed else "")
        if done > stored and done < total:
            left = seconds / (done - stored) * (total - done)
            text += f", about {duration(left)} left"
        return text

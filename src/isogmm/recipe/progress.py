"""The progress line of a fit: the stage, its share of the budget, and the elapsed time."""

import time

from isogmm.optimize.check import Check
from isogmm.progress.progress import Progress, percent
from isogmm.recipe.options import Options
from isogmm.recipe.stage_costs import StageCosts
from isogmm.results.labeling.labels import Stage

#: Stages that the option ``max_seconds`` limits.
_LIMITED = (Stage.LOCATE, Stage.MIXTURE, Stage.JUDGE, Stage.REFINE)


class FitProgress:
    """What the line shows while a fit runs.

    Parameters
    ----------
    progress
        The line.
    options
        The options of the fit, which hold its budgets.
    """

    def __init__(self, progress: Progress, options: Options) -> None:
        self.progress, self.options = progress, options
        self.costs = StageCosts(self.begin)
        self._stage, self._note = Stage.COMPILE, ""
        self._check: Check | None = None
        self._limited_since: float | None = None

    def begin(self, stage: Stage, note: str = "") -> None:
        """Show a stage; the note says which part of it."""
        self._stage, self._note, self._check = stage, note, None
        if self._limited_since is None and stage in _LIMITED:
            self._limited_since = time.perf_counter()
        self.progress.show(stage.description, self.details)

    def update(self, check: Check) -> None:
        """Show the ELBO of a window."""
        self._check = check

    def details(self) -> str:
        """The state of the current stage, in words."""
        if self._check is None:
            count = self.costs.stage_gradients
            state = f"{count:,} gradients" if count else ""
        else:
            check, best = self._check, int(self._check.elbo.argmax())
            averaging = "averaging, " if check.in_tail else ""
            state = (
                f"{averaging}iteration {check.iteration}, ELBO {check.elbo[best]:.2f} "
                f"± {check.elbo_se[best]:.2f}, {check.gradient_evaluations:,} gradients"
            )
        return ", ".join(filter(None, (self._note, state, self._budget())))

    def _budget(self) -> str:
        """The largest used share of a budget of this stage, with the name of its option."""
        shares, stopping = {}, self.options.algorithm.stopping
        settings = self.options.refinement.settings
        if stopping.max_seconds and self._limited_since is not None and self._stage in _LIMITED:
            elapsed = time.perf_counter() - self._limited_since
            shares["max_seconds"] = elapsed / stopping.max_seconds
        if self._check is not None and stopping.max_iterations:
            shares["max_iterations"] = self._check.iteration / stopping.max_iterations
        if self._stage is Stage.REFINE and settings is not None:
            shares["max_gradients"] = self.costs.stage_gradients / settings.max_gradients
        if not shares:
            return ""
        largest = max(shares, key=lambda name: shares[name])
        return f"{percent(shares[largest])} of {largest}"

"""The content of a report, independent of its layout."""

import enum
from dataclasses import dataclass

import numpy as np

from isogmm.results.labeling.labels import Verdict
from isogmm.views.report.formatting import change

#: Rows shown in the table of modes.
MAX_MODES = 8
#: Rows shown in the table of variables.
MAX_VARIABLES = 8


class Outcome(enum.Enum):
    """How the verdict is highlighted; the value is part of the name of a CSS class."""

    SUCCESS = "good"
    FAILURE = "bad"
    UNKNOWN = "other"


#: Verdicts by the text that a result stores.
_OUTCOMES = {
    Verdict.GOOD.value: Outcome.SUCCESS,
    Verdict.REWEIGHTED.value: Outcome.SUCCESS,
    Verdict.REFINED.value: Outcome.SUCCESS,
    Verdict.UNRELIABLE.value: Outcome.FAILURE,
}


@dataclass(frozen=True)
class Variable:
    """How the delivered draws of one coordinate differ from draws of the mixture.

    Parameters
    ----------
    name
        Name of the unconstrained coordinate.
    mean_shift
        Difference of the means, in standard deviations of the mixture.
    log_sd_shift
        Difference of the log standard deviations.
    correlation
        Correlation of the chains with their starting points; NaN if no chains ran.
    drift, drift_se
        Change of the mean between the two halves of the recorded chains and its standard error,
        in standard deviations; NaN if no chains ran.
    """

    name: str
    mean_shift: float
    log_sd_shift: float
    correlation: float
    drift: float
    drift_se: float


@dataclass(frozen=True)
class Mode:
    """One mode of the posterior.

    Parameters
    ----------
    number
        Index of the mode in the group ``fit``.
    mass, mass_se
        Posterior probability of the mode and its standard error.
    num_components
        Components of the mixture that belong to the mode, over all chains.
    means
        Names of a few coordinates and the mean of the mode in each.
    """

    number: int
    mass: float
    mass_se: float
    num_components: int
    means: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Stage:
    """Time and gradient evaluations of one stage of the fit."""

    name: str
    description: str
    seconds: float
    gradients: float


@dataclass(frozen=True)
class Facts:
    """Everything that a report shows.

    Parameters
    ----------
    title, created_at
        Name and version of the library, and the time of the fit.
    verdict, advice
        The verdict in one word and the advice in sentences, as the result stores them.
    rows
        Labels and values of the summary.
    stop
        Why the fit stopped, as a sentence.
    modes, num_modes
        The modes with the largest masses, and the number of all modes; no rows for a single mode.
    variables, num_variables
        The variables with the largest shifts, and the number of all variables.
    trace
        ELBO by check and chain, shape (t, c).
    trace_gradients
        Gradient evaluations up to each check, shape (t,).
    stages
        Cost of each stage.
    evaluations
        What the costs count: evaluations of the gradient, or of the log density alone.

    Notes
    -----
    Numbers that the result does not contain are NaN; texts and tables are empty.
    """

    title: str
    verdict: str
    advice: str
    rows: tuple[tuple[str, str], ...]
    stop: str
    modes: tuple[Mode, ...]
    num_modes: int
    variables: tuple[Variable, ...]
    num_variables: int
    trace: np.ndarray
    trace_gradients: np.ndarray
    stages: tuple[Stage, ...]
    evaluations: str
    created_at: str

    #: Shown in place of the table of variables if no draws were changed.
    no_shift = "All draws are draws of the mixture, so no variable differs from it."

    @property
    def outcome(self) -> Outcome:
        """How the verdict is highlighted."""
        return _OUTCOMES.get(self.verdict, Outcome.UNKNOWN)

    @property
    def modes_title(self) -> str:
        """Heading of the table of modes."""
        return "Modes" + _of(len(self.modes), self.num_modes)

    @property
    def trace_ends(self) -> tuple[str, str, str]:
        """Mean ELBO of the first check and of the last one, and the change between them.

        The digits are enough to show the change.
        """
        with np.errstate(all="ignore"):
            first, last = (float(self.trace[check].mean()) for check in (0, -1))
        return change(first, last)

    @property
    def cost_rows(self) -> list[tuple[str, str, float, float]]:
        """Name, description, seconds and gradients of every stage, and the totals."""
        rows = [(one.name, one.description, one.seconds, one.gradients) for one in self.stages]
        seconds = sum(one.seconds for one in self.stages)
        gradients = sum(one.gradients for one in self.stages)
        return [*rows, ("total", "", seconds, gradients)]

    @property
    def variables_title(self) -> str:
        """Heading of the table of variables."""
        shown = _of(len(self.variables), self.num_variables)
        return f"Largest differences between the draws and the mixture, unconstrained{shown}"

    @property
    def variables_header(self) -> list[str]:
        """Head of the table of variables."""
        header = ["variable", "mean shift, sd", "log sd shift"]
        return [*header, "correlation with start", "drift, sd"] if self.has_chains else header

    @property
    def has_shifts(self) -> bool:
        """Whether the delivered draws differ from draws of the mixture."""
        return any(abs(one.mean_shift) + abs(one.log_sd_shift) > 0 for one in self.variables)

    @property
    def has_chains(self) -> bool:
        """Whether the shown variables have diagnostics of HMC chains."""
        return any(not np.isnan(one.correlation) for one in self.variables)


def _of(shown: int, total: int) -> str:
    return f" ({shown} of {total})" if shown < total else ""

"""The stages of a fit in order, for every family; no ArviZ object is made here."""

import numpy as np

from isogmm.model.fit_target import FitTarget
from isogmm.model.target import Target
from isogmm.optimize.loop import Observer, run_windows
from isogmm.recipe.context import FitContext, Save
from isogmm.recipe.families.base import AbstractFamily
from isogmm.recipe.stage_costs import StageCosts
from isogmm.recipe.start import Start
from isogmm.results.building.fit_result import FitResult
from isogmm.results.labeling.labels import Stage


def fit(
    target: Target,
    family: AbstractFamily,
    generator: np.random.Generator,
    *,
    callback: Observer | None = None,
    save: Save | None = None,
    start: Start | None = None,
    seed: int = 0,
    costs: StageCosts | None = None,
) -> FitResult:
    """Fit a target: all stages, from the search of the modes to the draws.

    Parameters
    ----------
    target
        What is fitted.
    family
        The family of mixtures, with its options.
    generator
        Source of all noise, unless the chains are fitted one after another.
    callback
        Sees a :class:`isogmm.optimize.check.Check` after every window; True ends the fit.
    save
        Called with the mixture, the centers of its modes (or None) and the number of iterations:
        after every window, and once more where the last windows are dropped.
    start
        Continues a mixture of an earlier fit in its own coordinates.
    seed
        Seed of the chains that are fitted one after another.
    costs
        Counts the costs of the stages, also of those before and after this function.

    Raises
    ------
    ModelError
        If the log density is not finite at any starting point.
    OptionError
        If the options do not fit the target.
    """
    limited = FitTarget.of(target, family.options.algorithm.stopping.max_seconds)
    costs = StageCosts() if costs is None else costs
    costs.count_with(limited)
    context = FitContext(limited, generator, costs, callback, save, seed)
    # Numerical trouble is in the verdict; NumPy's own warnings name lines of this library.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        costs.begin(Stage.LOCATE)
        start = start or family.start(context)
        while True:
            finished = _fit_from(context, family, start)
            if isinstance(finished, FitResult):
                return finished
            start = finished


def _fit_from(context: FitContext, family: AbstractFamily, start: Start) -> FitResult | Start:
    """The optimizations from one start, and the draws."""
    rounds = family.rounds(context, start)
    observers = context.observers(start.centers, rounds.whole)
    for planned in rounds.planned():
        rounds.add(
            run_windows(
                planned.runner,
                planned.schedule,
                planned.stopping,
                planned.whitening,
                observers,
            )
        )
    return family.finish(context, start, rounds)

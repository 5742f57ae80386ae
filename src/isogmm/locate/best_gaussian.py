"""The best Gaussian: that of a few scouts, unless something speaks against it."""

from dataclasses import replace

import numpy as np

from isogmm.errors import ModelError
from isogmm.locate.candidates import EARLY, EVERYWHERE, candidates_from
from isogmm.locate.follow_chains import follow_chains
from isogmm.locate.modes import LocalMaximum
from isogmm.locate.paths import DENSE_LIMIT, Path
from isogmm.locate.race import PATIENCE, Outcome, Race, better, race
from isogmm.model.target import Target

#: When the scouts are asked whether they agree.
SCOUTED = (8, 16)
#: Scouts that do not agree make so many times the iterations at most.
LITTLE_PATIENCE = 2
#: Laplace's estimate of the mass at a local maximum may be off by so much where it is skewed.
PROMISE = 3.0


def best_gaussian(
    target: Target,
    generator: np.random.Generator,
    paths: list[Path],
    maxima: list[LocalMaximum],
    num_full: int,
    num_iterations: int,
) -> Outcome:
    """The Gaussian with the best ELBO among candidates from optimization paths.

    Candidates of two paths scout.  Where they do not agree, all paths race if the scouts were
    still improving, if a local maximum promises more than their ELBO, or if chains that start
    from their Gaussian lead to another one.  Chains have the last word in any case.

    Parameters
    ----------
    maxima
        Where paths ended in local maxima.
    num_full, num_iterations
        As in :func:`isogmm.locate.race.race`.

    Raises
    ------
    ModelError
        If every candidate diverges.
    """

    def everyone() -> Outcome:
        return race(target, generator, paths, num_full, num_iterations)

    if target.dim > DENSE_LIMIT:
        outcome = everyone()
    else:
        promised = max((maximum.log_mass for maximum in maxima), default=-np.inf)
        outcome, others = scout(target, generator, paths, num_iterations), None
        if not outcome.agreed and outcome.interruption is None:
            if outcome.settled and outcome.best.elbo[0] > promised - PROMISE:
                others = everyone
            else:
                outcome = better(outcome, everyone())
        if outcome.best.alive[0]:
            outcome = follow_chains(target, outcome, generator, num_iterations, others)
    if not outcome.best.alive[0]:
        raise ModelError(
            "every Gaussian candidate diverged: the log density may be improper (its "
            "integral infinite). Check for flat priors on parameters the data say nothing of."
        )
    return outcome


def scout(
    target: Target, generator: np.random.Generator, paths: list[Path], num_iterations: int
) -> Outcome:
    """A few candidates, the best of which go on: all that most models need.

    One path has candidates everywhere, a second one near its beginning.  Where the better half
    of them meets at one ELBO (regressions, most models that are not hierarchical) the outcome
    is agreed.  Otherwise the winner has to be doubted.
    """
    found = candidates_from(target, paths[0], EVERYWHERE)
    found += [one for path in paths[1:2] for one in candidates_from(target, path, EARLY)]
    scouts, agreed = Race(target, generator, found), False
    for iteration in SCOUTED:
        if not scouts.run_until(iteration):
            break
        if agreed := scouts.agree():
            break
    if scouts.interruption is None:
        scouts.keep(2)
        scouts.run(num_iterations, PATIENCE if agreed else LITTLE_PATIENCE)
    outcome = scouts.outcome()
    return replace(outcome, agreed=agreed and bool(outcome.best.alive[0]))

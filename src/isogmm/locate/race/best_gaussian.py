"""The best Gaussian: candidates of two paths compete first, and those of all paths if needed."""

import functools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from isogmm.errors import ModelError
from isogmm.locate.paths.candidates import (
    ALL_PLACES,
    BEST_SINGLE_PLACE,
    FIRST_QUARTER,
    candidates_from,
)
from isogmm.locate.paths.lbfgs import Path
from isogmm.locate.paths.maxima import LocalMaximum
from isogmm.locate.race.follow_chains import follow_chains
from isogmm.locate.race.hard_edge import gaussian_at_edge
from isogmm.locate.race.race import MAX_LENGTH_FACTOR, MIN_KEPT, Outcome, Race, better
from isogmm.locate.race.state import SearchState
from isogmm.model.programs.size import fills_cache
from isogmm.model.target import Target

#: Iterations after which the candidates of the first race are compared.
AGREEMENT_ITERATIONS = (8, 16)
#: Iterations after which an exact candidate ends the first race of a model with a costly gradient.
NUM_COSTLY_ITERATIONS = 2
#: Largest number of iterations of the first race, as a multiple of ``num_iterations``, if its
#: candidates do not agree.
MAX_LENGTH_FACTOR_WITHOUT_AGREEMENT = 2
#: Excess of the Laplace estimate of the log mass at a local maximum over the ELBO, in nats, up to
#: which the maximum is no reason for a race of all paths.  The estimate errs by about this much if
#: the posterior is skewed.
MAX_LAPLACE_EXCESS = 3.0


def best_gaussian(
    target: Target,
    generator: np.random.Generator,
    paths: Sequence[Path],
    maxima: Sequence[LocalMaximum],
    num_full: int,
    num_iterations: int,
    state: SearchState,
) -> Outcome:
    """The Gaussian with the highest ELBO among candidates from optimization paths.

    Candidates of two paths compete in a first race.  If they do not agree, a race of all paths
    follows under one of three conditions: the ELBO was still improving, the Laplace estimate at a
    local maximum exceeds it, or chains from the winner lead to another Gaussian.  The chains are
    run in every case, and their result is final.

    Parameters
    ----------
    target
        The target.
    generator
        Random numbers.
    paths
        The optimization paths.
    maxima
        Local maxima at the ends of paths.
    num_full, num_iterations
        As in :func:`race`.
    state
        Keeps the best result so far, for an interrupt.

    Raises
    ------
    ModelError
        If every candidate diverges.
    """
    race_all = functools.partial(race, target, generator, paths, num_full, num_iterations, state)
    outcome, alternative = scout(target, generator, paths, num_iterations, state), None
    state.best = outcome
    if not outcome.agreed:
        largest = max((maximum.log_mass for maximum in maxima), default=-np.inf)
        if outcome.settled and outcome.elbo > largest - MAX_LAPLACE_EXCESS:
            alternative = race_all
        else:
            outcome = better(outcome, race_all())
    state.best = outcome
    if outcome.is_alive:
        outcome = follow_chains(target, outcome, generator, num_iterations, state, alternative)
        state.best = outcome
    if not outcome.is_alive:
        at_edge = gaussian_at_edge(target, generator, paths, outcome.num_diverged)
        state.best = outcome = at_edge or outcome
    check_alive(outcome)
    return outcome


def check_alive(outcome: Outcome) -> None:
    """Raise a ModelError if the winner of a race has diverged."""
    if not outcome.is_alive:
        raise ModelError(
            "no Gaussian approximation has a finite ELBO: the posterior may be improper. Give a "
            "proper prior to every parameter, above all to those that the data do not inform."
        )


def scout(
    target: Target,
    generator: np.random.Generator,
    paths: Sequence[Path],
    num_iterations: int,
    state: SearchState,
) -> Outcome:
    """The first race: candidates from all places of one path and one candidate of a second path.

    The outcome is agreed if the better half of the candidates reaches one ELBO.  This holds for
    regressions and for most models that are not hierarchical.  Where a gradient is costly and a
    candidate from the end of a path is exact, it wins at once.
    """
    found = candidates_from(target, paths[0], ALL_PLACES)
    for path in paths[1:2]:
        found += candidates_from(target, path, BEST_SINGLE_PLACE)
    scouts, agreed = state.enter(Race(target, generator, found)), False
    if fills_cache(target.batch_size):
        scouts.run_until(NUM_COSTLY_ITERATIONS)
        if scouts.is_exact():
            scouts.keep(MIN_KEPT)
            return replace(scouts.outcome(), agreed=True)
    for iteration in AGREEMENT_ITERATIONS:
        if not scouts.run_until(iteration):
            break
        if agreed := scouts.agree():
            break
    scouts.keep(MIN_KEPT)
    factor = MAX_LENGTH_FACTOR if agreed else MAX_LENGTH_FACTOR_WITHOUT_AGREEMENT
    scouts.run(num_iterations, factor)
    outcome = scouts.outcome()
    return replace(outcome, agreed=agreed and outcome.is_alive)


def race(
    target: Target,
    generator: np.random.Generator,
    paths: Sequence[Path],
    num_full: int,
    num_iterations: int,
    state: SearchState,
) -> Outcome:
    """A race of candidates from all paths, in one batch with successive halving.

    No candidates come from the later parts of the paths.  Where a race of all paths is needed,
    the paths mostly approach scale zero of a hierarchy.  Candidates from there often lead at first,
    and remain in that local maximum of the ELBO.

    Parameters
    ----------
    target
        The target.
    generator
        Random numbers.
    paths
        Paths, each with at least one candidate near its beginning.
    num_full
        Number of paths with candidates at their start and in their first quarter.
    num_iterations
        Smallest number of iterations; the race goes on while the ELBO improves.
    state
        Records the race, for an interrupt.
    """
    found = [
        candidate
        for index, path in enumerate(paths)
        for candidate in candidates_from(
            target, path, FIRST_QUARTER if index < num_full else BEST_SINGLE_PLACE
        )
    ]
    all_paths = state.enter(Race(target, generator, found))
    all_paths.run(num_iterations)
    return all_paths.outcome()

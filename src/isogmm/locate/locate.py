"""Locate the posterior mass and its modes: many paths, batch and match, the highest ELBO."""

import numpy as np

from isogmm.errors import DeadlineReachedError
from isogmm.locate.located import Located
from isogmm.locate.options import Locate
from isogmm.locate.paths.candidates import candidate_at_end, candidate_of
from isogmm.locate.paths.lbfgs import Path, follow_paths
from isogmm.locate.race.best_gaussian import check_alive
from isogmm.locate.search import Search
from isogmm.locate.values.by_values import locate_by_values
from isogmm.model.fit_target import FitTarget
from isogmm.model.target import Target
from isogmm.results.interruption import interruptible
from isogmm.results.stop_reason import StopReason

__all__ = ["Locate", "Located", "locate"]

#: Starting points that are tried if the search was interrupted before the end of a path.
NUM_LATE_STARTS = 4
#: What a search raises that ended before the first point of a path.
_FAILURES = {
    StopReason.MAX_SECONDS: DeadlineReachedError,
    StopReason.INTERRUPTED: KeyboardInterrupt,
    StopReason.ERROR: MemoryError,  # other errors are not caught without a result
}


def locate(
    target: Target, generator: np.random.Generator, options: Locate | None = None
) -> Located:
    """Find the typical set and the modes; needs no starting point, step size or scale.

    An interrupted search delivers the best Gaussian so far.

    Parameters
    ----------
    target
        The target.
    generator
        Random numbers.
    options
        Options of the search.

    Raises
    ------
    ModelError
        If no starting point has a finite log density, or every candidate diverges.
    KeyboardInterrupt, MemoryError
        If the search was interrupted, or the memory was not sufficient, and there is no
        optimization path.
    """
    target = FitTarget.of(target)
    if not target.has_gradient:
        return locate_by_values(target, generator, options or Locate())
    search = Search(target, generator, options or Locate())
    with interruptible(target) as interruption:
        return search.run()
    return _interrupted(search, interruption.reason or StopReason.INTERRUPTED)


def _short_path(search: Search) -> Path | None:
    """A path from the first starting point with a finite log density, or None.

    The time limit ends the path, not this function.
    """
    for start in search.target.initial_positions(search.generator, NUM_LATE_STARTS):
        (path,) = follow_paths(search.target, start[None])
        if path is not None:
            return path
    return None


def _interrupted(search: Search, reason: StopReason) -> Located:
    """The best result so far; at least a Gaussian at the end of one path."""
    state, target = search.state, search.target
    leader = state.leader()
    if leader is not None:
        check_alive(leader)
        return Located.interrupted(leader.candidate, reason)
    with interruptible(target), target.limit.extended():
        if state.path is None:
            state.path = _short_path(search)
        if state.path is not None:
            return Located.interrupted(candidate_at_end(target, state.path), reason)
    if state.path is None:
        raise _FAILURES[reason]
    return Located.interrupted(candidate_of(state.path), reason)

"""Modes that HMC chains reach although the search has not found them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from isogmm.locate.gaussian.gaussians import Gaussians
from isogmm.locate.located import Located
from isogmm.locate.modes.estimates import (
    CHECKED_NATS_PER_DIM,
    MAX_LAPLACE_EXCESS,
    MAX_LOG_MASS_GAP,
)
from isogmm.locate.modes.fit_modes import (
    MAX_NEIGHBOR_ELBO_GAP,
    MAX_OVERLAP,
    are_separate,
    fit_modes,
    overlap,
)
from isogmm.locate.modes.mode_search import ModeSearch
from isogmm.locate.options import Locate
from isogmm.locate.paths.maxima import LocalMaximum
from isogmm.locate.paths.starts import follow_starts
from isogmm.mixtures.affine_map import AffineMap
from isogmm.model.fit_target import FitTarget


def new_maxima(
    target: FitTarget,
    positions: Float[np.ndarray, "n d"],
    known: Sequence[LocalMaximum],
    affine_map: AffineMap,
) -> list[LocalMaximum]:
    """Local maxima to which some positions lead and that are separate from all known ones.

    Their mass may be estimated as negligible: :class:`ModeSearch` checks the estimates.

    Parameters
    ----------
    target
        The target.
    positions
        Where the paths start.
    known
        The local maxima of the search.  If there is none, no path of the search has converged, and
        no path is followed.
    affine_map
        The coordinates in which the optimizer works.
    """
    if not known:
        return []
    maxima = [replace(maximum) for maximum in known]  # the paths count the known ones
    follow_starts(target, positions, maxima, affine_map)
    best = max(maximum.log_mass for maximum in known)
    lowest = best - MAX_LOG_MASS_GAP - CHECKED_NATS_PER_DIM * target.dim
    return [
        new
        for new in maxima[len(known) :]
        if new.log_mass > lowest and all(_is_separate(target, new, old, best) for old in known)
    ]


def _is_separate(
    target: FitTarget, new: LocalMaximum, old: LocalMaximum, best_log_mass: float
) -> bool:
    """Whether there is a dip between two maxima, or their Gaussians have little overlap.

    In many dimensions there is no dip on the line from a wide mode to a narrow one beside it: on a
    target in d = 26 a mode with a mass of 0.32 at 4.5 sds was left out.  Without a dip the new mode
    counts only if its estimated mass is similar to that of the best one.
    """
    first, second = (new.position, new.factor), (old.position, old.factor)
    if are_separate(target, first, second):
        return True
    gap = best_log_mass - new.log_mass
    is_similar = -MAX_LAPLACE_EXCESS < gap < MAX_NEIGHBOR_ELBO_GAP
    return is_similar and overlap(first, second) < MAX_OVERLAP


def extend(
    target: FitTarget,
    generator: np.random.Generator,
    options: Locate,
    located: Located,
    new: Sequence[LocalMaximum],
) -> Located:
    """The result of a search that goes on from further local maxima."""
    best = Gaussians.start(located.means[:1], located.factors[:1])
    best = replace(best, elbo=np.array([located.elbo]), elbo_se=np.array([located.elbo_se]))
    search = ModeSearch(target, generator, options, best, [*located.maxima, *new], 0)
    found = search.run()
    modes = fit_modes(target, generator, best, found.maxima)
    sources = located.num_starts.keys() | found.num_starts.keys()
    counts = {
        source: located.num_starts.get(source, 0) + found.num_starts.get(source, 0)
        for source in sorted(sources)
    }
    return replace(
        located,
        means=modes.means,
        factors=modes.factors,
        log_masses=modes.elbo,
        num_diverged=located.num_diverged + modes.num_diverged,
        num_starts={**counts, "chains": len(new)},
        num_starts_without_path=located.num_starts_without_path + found.num_without_path,
        num_screened=located.num_screened + found.num_screened,
        num_since_new=found.num_since_new,
        mode_counts=modes.counts,
        unseen=found.unseen,
        end=found.end,
        maxima=found.maxima,
    )

"""The steps of a search: optimization paths, the best Gaussian, one Gaussian for each mode."""

from typing import NamedTuple

import numpy as np

from isogmm.errors import ModelError
from isogmm.locate.gaussian.low_rank import elbo_of, low_rank_at
from isogmm.locate.located import Located
from isogmm.locate.modes.fit_modes import fit_modes
from isogmm.locate.modes.mode_search import ModeSearch
from isogmm.locate.options import Locate
from isogmm.locate.paths.candidates import Place
from isogmm.locate.paths.lbfgs import Path
from isogmm.locate.paths.maxima import LocalMaximum
from isogmm.locate.paths.starts import paths_from
from isogmm.locate.race.best_gaussian import best_gaussian
from isogmm.locate.race.race import Outcome
from isogmm.locate.race.state import SearchState
from isogmm.locate.spheres.sphere_search import prepare_spheres
from isogmm.mixtures.affine_map import MAX_DENSE_DIM, AffineMap
from isogmm.model.fit_target import FitTarget
from isogmm.model.target import Target

#: Divisor of ``num_starts`` in more than ``MAX_DENSE_DIM`` dimensions, where each path needs many
#: evaluations and much memory.
LARGE_DIM_DIVISOR = 4
#: Starting points that are tried if the first ``num_starts`` give no path, and largest number of
#: paths before the first race, as multiples of ``num_starts``.
RETRY_FACTOR, MAX_PATHS_FACTOR = 8, 4
#: Number of coordinates that an error message names.
MAX_NAMED_COORDINATES = 6
#: Number of starting points at which the terms of the log density are evaluated for the message.
NUM_EXPLAINED = 8


class LowRank(NamedTuple):
    """A low-rank map with the ELBO of its Gaussian and the standard error of the ELBO."""

    affine_map: AffineMap
    elbo: float
    elbo_se: float


class Search:
    """One search for the posterior mass and its modes.

    :meth:`run` may be interrupted at any evaluation.  :attr:`state` then holds the best result so
    far.

    Parameters
    ----------
    target
        The target, which counts the gradients.
    generator
        Random numbers.
    options
        Options of the search.
    """

    def __init__(self, target: FitTarget, generator: np.random.Generator, options: Locate) -> None:
        self.target, self.generator, self.options = target, generator, options
        self.state = SearchState()
        self.maxima: list[LocalMaximum] = []
        self.num_without_path = 0

    def run(self) -> Located:
        """The complete search.

        Raises
        ------
        ModelError
            If no starting point has a finite log density, or every candidate diverges.
        """
        prepare_spheres(self.target)
        paths = self._first_paths()
        outcome = best_gaussian(
            self.target,
            self.generator,
            paths[: self.options.num_starts],
            self.maxima,
            self.options.num_candidate_paths,
            self.options.num_iterations,
            self.state,
        )
        return self._with_modes(outcome, paths)

    def _first_paths(self) -> list[Path]:
        """Paths from at least ``num_starts`` starting points."""
        target, count = self.target, self.options.num_starts
        num_before = target.num_gradient_evaluations
        is_large = target.dim > MAX_DENSE_DIM
        paths = self._paths(max(count // LARGE_DIM_DIVISOR, 1) if is_large else count)
        if not paths:
            paths = self._paths(RETRY_FACTOR * count, wide=False)
        if not paths:
            raise ModelError(_no_path_message(target, self.num_without_path))
        while (
            target.num_gradient_evaluations - num_before < self.options.num_evaluations
            and len(paths) < MAX_PATHS_FACTOR * count
        ):
            paths = paths + self._paths(count)
        return paths

    def _paths(self, count: int, *, wide: bool = True) -> list[Path]:
        """Paths from further starting points; their ends are added to the maxima."""
        paths, num_without = paths_from(self.target, self.generator, count, self.maxima, wide=wide)
        self.num_without_path += num_without
        if self.state.path is None and paths:
            self.state.path = paths[0]
        return paths

    def _with_modes(self, outcome: Outcome, paths: list[Path]) -> Located:
        """The best Gaussian and, if paths ended in several local maxima, one for each mode."""
        search = ModeSearch(
            self.target, self.generator, self.options, outcome.best, self.maxima, len(paths)
        )
        found = search.run()
        modes = fit_modes(self.target, self.generator, outcome.best, found.maxima)
        origin, log_masses = outcome.origin, modes.elbo
        elbo, elbo_se, low_rank = outcome.elbo, outcome.elbo_se, None
        if self.target.dim > MAX_DENSE_DIM and len(modes.means) == 1:
            candidate = self._low_rank(outcome, paths)
            if candidate.elbo > elbo:
                low_rank, elbo, elbo_se = candidate
                origin, log_masses = Place.LOW_RANK, np.array([elbo])
        return Located(
            means=modes.means,
            factors=modes.factors,
            log_masses=log_masses,
            elbo=elbo,
            elbo_se=elbo_se,
            origin=origin.value,
            num_diverged=outcome.num_diverged + modes.num_diverged,
            num_starts=found.num_starts,
            num_starts_without_path=self.num_without_path + found.num_without_path,
            num_screened=found.num_screened,
            num_since_new=found.num_since_new,
            mode_counts=modes.counts,
            unseen=found.unseen,
            end=found.end,
            maxima=found.maxima,
            low_rank=low_rank,
        )

    def _low_rank(self, outcome: Outcome, paths: list[Path]) -> LowRank:
        """The low-rank map at the highest end of the paths, if the best Gaussian is from an end.

        Elsewhere the ends of the paths are near scale zero of a hierarchy.  The curvature is then
        taken at the mean of the best Gaussian.
        """
        point = outcome.best.means[0]
        if outcome.origin is Place.END:
            point = max(paths, key=lambda path: path.log_density[-1]).end
        affine_map = low_rank_at(self.target, point)
        return LowRank(affine_map, *elbo_of(self.target, affine_map, self.generator))


def _no_path_message(target: Target, count: int) -> str:
    names = ", ".join(target.coordinate_labels[:MAX_NAMED_COORDINATES])
    names += ", ..." if target.dim > MAX_NAMED_COORDINATES else ""
    terms = target.explain(target.initial_positions(np.random.default_rng(0), NUM_EXPLAINED))
    if terms is None:
        return (
            f"the log density or its gradient is not finite at any of {count} starting points "
            f"(coordinates {names}). Check the data for NaN or infinite values, that the priors "
            "cover the data, and that no operation in the model overflows or takes a logarithm of "
            "a negative number."
        )
    return (
        f"the log density or its gradient is not finite at any of {count} starting points "
        f"(coordinates {names}). {terms} Check these data, parameters and priors."
    )

"""The steps of a search: optimization paths, the best Gaussian, one Gaussian for each mode."""

from typing import NamedTuple

import numpy as np

from isogmm.errors import ModelError
from isogmm.locate.best_gaussian import best_gaussian
from isogmm.locate.candidates import Place
from isogmm.locate.located import Located
from isogmm.locate.low_rank import elbo_of, low_rank_at
from isogmm.locate.modes import LocalMaximum, fit_modes, unseen_probability
from isogmm.locate.options import Locate
from isogmm.locate.paths import Path
from isogmm.locate.race import Outcome
from isogmm.locate.starts import paths_from
from isogmm.locate.state import SearchState
from isogmm.mixtures.affine_map import MAX_DENSE_DIM, AffineMap
from isogmm.model.fit_target import FitTarget
from isogmm.model.target import Target

#: Divisor of ``num_starts`` in more than ``MAX_DENSE_DIM`` dimensions, where each path needs many
#: evaluations and much memory.
LARGE_DIM_DIVISOR = 4
#: Starting points that are tried if the first ``num_starts`` give no path, and largest number of
#: paths before the first race, as multiples of ``num_starts``.
RETRY_FACTOR, MAX_PATHS_FACTOR = 8, 4
#: Largest number of paths that are followed together in the search for modes.
MAX_PATHS_TOGETHER = 256
#: Number of nats by which the Laplace estimate of the log mass of a mode may be below the ELBO of
#: the best Gaussian.
MAX_LOG_MASS_GAP = 12.0
#: Probability of a new mode below which no more paths follow, and divisor of ``max_starts`` that
#: gives the number of paths before this is tested.
MAX_UNSEEN_PROBABILITY, MIN_STARTS_DIVISOR = 0.005, 4
#: Number of coordinates that an error message names.
MAX_NAMED_COORDINATES = 6


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
        floor = outcome.elbo - MAX_LOG_MASS_GAP
        num_paths = self._follow_modes(len(paths), floor)
        modes = fit_modes(self.target, self.generator, outcome.best, self.maxima)
        origin, log_masses = outcome.origin, modes.elbo
        elbo, elbo_se, low_rank = outcome.elbo, outcome.elbo_se, None
        if self.target.dim > MAX_DENSE_DIM and len(modes.means) == 1:
            candidate = self._low_rank(paths)
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
            num_starts=num_paths + self.num_without_path,
            num_diverged=outcome.num_diverged + modes.num_diverged,
            num_starts_without_path=self.num_without_path,
            unseen=unseen_probability(self.maxima) if len(self.maxima) > 1 else 0.0,
            low_rank=low_rank,
        )

    def _follow_modes(self, num_paths: int, floor: float) -> int:
        """Follow paths while they end in new modes with a log mass above the floor.

        Maxima below the floor are removed.  Returns the number of paths.
        """
        self._remove_below(floor)
        options, num_before = self.options, self.target.num_gradient_evaluations
        least = options.max_starts // MIN_STARTS_DIVISOR
        while (
            len(self.maxima) > 1
            and num_paths < options.max_starts
            and self.target.num_gradient_evaluations - num_before < options.max_evaluations
            and (num_paths < least or unseen_probability(self.maxima) > MAX_UNSEEN_PROBABILITY)
        ):
            num_paths += max(len(self._paths(min(num_paths, MAX_PATHS_TOGETHER))), 1)
            self._remove_below(floor)
        return num_paths

    def _remove_below(self, floor: float) -> None:
        """Remove maxima whose Laplace estimate of the log mass is not above the floor."""
        self.maxima = [maximum for maximum in self.maxima if maximum.log_mass > floor]

    def _low_rank(self, paths: list[Path]) -> LowRank:
        """The low-rank map at the highest end of the paths."""
        highest = max(paths, key=lambda path: path.log_density[-1])
        affine_map = low_rank_at(self.target, highest.end)
        return LowRank(affine_map, *elbo_of(self.target, affine_map, self.generator))


def _no_path_message(target: Target, count: int) -> str:
    names = ", ".join(target.coordinate_names[:MAX_NAMED_COORDINATES])
    names += ", ..." if target.dim > MAX_NAMED_COORDINATES else ""
    return (
        f"no finite log density or gradient at any of {count} starts (coordinates {names}). "
        "Check the data for NaN or infinite values, that the priors cover the data, and that "
        "no operation in the model overflows or takes a logarithm of a negative number."
    )

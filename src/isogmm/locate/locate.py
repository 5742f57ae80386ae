"""Locate: many paths, batch and match from several places on them, the best ELBO, all modes."""

from dataclasses import dataclass

import numpy as np

from isogmm.errors import ModelError
from isogmm.locate.best_gaussian import best_gaussian
from isogmm.locate.candidates import candidates_from
from isogmm.locate.low_rank import elbo_of, low_rank_at
from isogmm.locate.modes import LocalMaximum, fit_modes, unseen_probability
from isogmm.locate.paths import DENSE_LIMIT, Path
from isogmm.locate.race import Outcome
from isogmm.locate.starts import paths_from
from isogmm.mixtures.affine_map import AffineMap
from isogmm.model.fit_target import FitTarget
from isogmm.model.target import Target
from isogmm.validation import check_counts


@dataclass(frozen=True)
class Locate:
    """Options of the search; the defaults were measured on the development posteriors.

    Parameters
    ----------
    num_starts
        Paths followed at least; half of the starts are spread up to 15 times wider.
    num_evaluations
        More paths are followed while they cost less than this many gradients in all.
    num_candidate_paths
        Where all paths race, so many have candidates of batch and match at their start and in
        their first quarter; the others of the first ``num_starts`` have one, near the beginning.
    max_starts, max_evaluations
        Where there are several modes, starts go on while new modes appear, at least a quarter
        of ``max_starts`` and until either number is reached.
    num_iterations
        Iterations of batch and match at most.
    """

    num_starts: int = 16
    num_evaluations: int = 700
    num_candidate_paths: int = 4
    max_starts: int = 2048
    max_evaluations: int = 30_000
    num_iterations: int = 40

    def __post_init__(self) -> None:
        check_counts(self, least={"num_evaluations": 0, "max_starts": 0, "max_evaluations": 0})


@dataclass
class Located:
    """One Gaussian per mode, with the log of its estimated mass.

    Parameters
    ----------
    means, factors
        (m, d) and (m, d, d) (standard deviations (m, d) beyond 500 dimensions), best first.
    log_masses
        (m,): ELBO of each Gaussian, a lower bound of its mode's log evidence.
    elbo, elbo_se
        Of the best.
    origin
        From which place on the path the best came.
    num_starts, num_diverged, num_hopeless
        Starts followed, candidates that diverged, starts without a finite log density.
    unseen
        Good-Turing estimate of the chance that one more start finds a new mode.
    low_rank
        Beyond 500 dimensions, where it beats the diagonal form: the map of the best Gaussian.
    interruption
        What cut the search short (Ctrl-C or the time limit), or None.
    """

    means: np.ndarray
    factors: np.ndarray
    log_masses: np.ndarray
    elbo: float
    elbo_se: float
    origin: str
    num_starts: int
    num_diverged: int
    num_hopeless: int
    unseen: float
    low_rank: AffineMap | None = None
    interruption: KeyboardInterrupt | None = None

    @property
    def masses(self) -> np.ndarray:
        """(m,): the shares of the modes in all of them."""
        masses = np.exp(self.log_masses - self.log_masses.max())
        return masses / masses.sum()


def locate(
    target: Target, generator: np.random.Generator, options: Locate | None = None
) -> Located:
    """Find the typical set and the modes without a start, a step size or a scale from the user.

    Raises
    ------
    ModelError
        If no start has a finite log density, or no candidate survives.
    """
    target = FitTarget.of(target)
    options = options or Locate()
    begin = target.num_gradient_evaluations
    # Beyond 500 dimensions a path is long to walk and large to keep.
    at_first = options.num_starts if target.dim <= DENSE_LIMIT else max(options.num_starts // 4, 1)
    paths: list[Path] = []
    maxima: list[LocalMaximum] = []
    try:
        paths, hopeless = paths_from(target, generator, at_first, maxima)
        if not paths:
            paths, more = paths_from(target, generator, 8 * options.num_starts, maxima, wide=False)
            hopeless += more
        if not paths:
            raise ModelError(_hopeless_message(target, hopeless))
        while (
            target.num_gradient_evaluations - begin < options.num_evaluations
            and len(paths) < 4 * options.num_starts
        ):
            more_paths, more = paths_from(target, generator, options.num_starts, maxima)
            paths, hopeless = paths + more_paths, hopeless + more
    except KeyboardInterrupt as stop:
        # No Gaussian yet: one path and the curvature at its end are the least to offer.
        paths = paths or paths_from(target, generator, 1, [], wide=False)[0]
        if not paths:
            raise
        return _only(candidates_from(target, paths[0])[-1], stop)
    try:
        outcome = best_gaussian(
            target,
            generator,
            paths[: options.num_starts],
            maxima,
            options.num_candidate_paths,
            options.num_iterations,
        )
    except KeyboardInterrupt as stop:
        return _only(candidates_from(target, paths[0])[-1], stop)
    found = (outcome.origin, outcome.best.means[0], outcome.best.factors[0])
    if outcome.interruption is not None:
        return _only(found, outcome.interruption)
    try:
        return _with_modes(target, generator, options, outcome, paths, maxima, hopeless)
    except KeyboardInterrupt as stop:
        return _only(found, stop)


def _with_modes(
    target: FitTarget,
    generator: np.random.Generator,
    options: Locate,
    outcome: Outcome,
    paths: list[Path],
    maxima: list[LocalMaximum],
    hopeless: int,
) -> Located:
    """The best Gaussian and, where paths ended in several local maxima, one for each mode."""
    best, best_origin = outcome.best, outcome.origin
    num_starts = len(paths)
    floor = float(best.elbo[0]) - 12.0
    maxima = [maximum for maximum in maxima if maximum.log_mass > floor]
    begin = target.num_gradient_evaluations
    while (
        len(maxima) > 1
        and num_starts < options.max_starts
        and target.num_gradient_evaluations - begin < options.max_evaluations
        and (num_starts < options.max_starts // 4 or unseen_probability(maxima) > 0.005)
    ):
        more_paths, more = paths_from(target, generator, min(num_starts, 256), maxima)
        hopeless += more
        num_starts += max(len(more_paths), 1)
        maxima = [maximum for maximum in maxima if maximum.log_mass > floor]
    means, factors, log_masses, diverged = fit_modes(target, generator, best, maxima)
    low_rank, elbo, elbo_se = None, float(best.elbo[0]), float(best.elbo_se[0])
    if target.dim > DENSE_LIMIT and len(means) == 1:
        highest = max(paths, key=lambda path: path.log_density[-1])
        candidate = low_rank_at(target, highest.end)
        value, error = elbo_of(target, candidate, generator)
        if value > elbo:
            low_rank, elbo, elbo_se = candidate, value, error
            best_origin, log_masses = "low-rank curvature at the mode", np.array([value])
    return Located(
        means=means,
        factors=factors,
        log_masses=log_masses,
        elbo=elbo,
        elbo_se=elbo_se,
        origin=best_origin,
        num_starts=num_starts + hopeless,
        num_diverged=outcome.num_diverged + diverged,
        num_hopeless=hopeless,
        unseen=unseen_probability(maxima) if len(maxima) > 1 else 0.0,
        low_rank=low_rank,
    )


def _only(
    candidate: tuple[str, np.ndarray, np.ndarray], interruption: KeyboardInterrupt
) -> Located:
    """One Gaussian, all that an interrupted search has to offer."""
    origin, mean, factor = candidate
    return Located(
        means=mean[None],
        factors=factor[None],
        log_masses=np.zeros(1),
        elbo=float("nan"),
        elbo_se=float("nan"),
        origin=origin,
        num_starts=1,
        num_diverged=0,
        num_hopeless=0,
        unseen=0.0,
        interruption=interruption,
    )


def _hopeless_message(target: Target, count: int) -> str:
    names = ", ".join(target.coordinate_names[:6]) + (", ..." if target.dim > 6 else "")
    return (
        f"no finite log density or gradient at any of {count} starts (coordinates {names}). "
        "Check the data for NaN or infinite values, that the priors cover the data, and that "
        "no operation in the model overflows or takes a logarithm of a negative number."
    )

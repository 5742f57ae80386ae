"""The search for the posterior mass and its modes from values of the log density alone."""

from collections import Counter

import numpy as np
from jaxtyping import Float

from isogmm.arrays import LOG_2PI
from isogmm.errors import DeadlineReachedError, ModelError
from isogmm.locate.gaussian.factors import log_det, lower_triangular, map_of
from isogmm.locate.located import Located, SearchEnd
from isogmm.locate.modes.fit_modes import ELBO_GAP_PER_DIM, MAX_MODE_ELBO_GAP, are_separate
from isogmm.locate.modes.screening import excess, points_around
from isogmm.locate.options import Locate
from isogmm.locate.paths.maxima import MIN_MODE_DISTANCE_SD, LocalMaximum, unseen_probability
from isogmm.locate.paths.starts import dispersed_positions
from isogmm.locate.values.climb import climb, laplace_from_values
from isogmm.locate.values.moment_matching import Matched, moment_matched
from isogmm.mixtures.affine_map import AffineMap, identity_map
from isogmm.model.fit_target import FitTarget
from isogmm.results.interruption import interruptible
from isogmm.results.stop_reason import StopReason

#: Starting points that are tried if none of the first has a finite log density, as a multiple.
RETRY_FACTOR = 64
#: Points around the known modes that are evaluated once in a round, and paths that follow: half of
#: them from the points with the largest excess, half from random ones; as many from the model.  A
#: mode with a tenth of the width of the other, 5 √d away, was found in 10 of 10 searches in d = 2,
#: 8 in d = 3 and 2 in d = 4 (with 2,048 points and 8 paths: 7, 4 and 0).
NUM_POINTS, NUM_PATHS = 8192, 16
#: Rounds without a new mode that end the search, where one mode is known and where several are.
MAX_QUIET_ROUNDS_ONE, MAX_QUIET_ROUNDS = 1, 2
#: The path to a new maximum is repeated until it gains less than this, at most so many times.  The
#: tolerance of the first path is relative to the position, which can be far from zero.
MIN_GAIN_NATS, MAX_REPEATED_PATHS = 0.01, 4
#: Nats by which the Laplace estimate of the log mass of a mode may be below the best one.
MAX_LOG_MASS_GAP = 12.0


class ValueSearch:
    """Local maxima by Powell's method, then one Gaussian for each mode by moment matching.

    Parameters
    ----------
    target, generator, options
        The target, random numbers, and the options of the search.
    """

    def __init__(self, target: FitTarget, generator: np.random.Generator, options: Locate) -> None:
        self.target, self.generator, self.options = target, generator, options
        self.maxima: list[LocalMaximum] = []
        self.matched: list[Matched] = []
        self.num_starts: Counter[str] = Counter()
        self.num_screened = self.num_without_path = self.num_since_new = 0
        self.end = SearchEnd.MAX_STARTS

    def run(self) -> None:
        """Rounds until they find no new mode or a limit is reached, then the Gaussians.

        Raises
        ------
        ModelError
            If no starting point has a finite log density.
        """
        self._follow("model", self._first_starts())
        num_quiet = 0
        while not self._is_at_limit():
            num_before = len(self.maxima)
            self._around_modes()
            self._follow("model", self._finite(self._starts(NUM_PATHS)))
            num_quiet = num_quiet + 1 if len(self.maxima) == num_before else 0
            is_one = len(self.maxima) == 1
            if num_quiet >= (MAX_QUIET_ROUNDS_ONE if is_one else MAX_QUIET_ROUNDS):
                self.end = SearchEnd.ONE_MODE if is_one else SearchEnd.NO_NEW_MODE
                break
        for maximum in self.relevant():
            matched = moment_matched(self.target, self.generator, maximum.position, maximum.factor)
            self.matched.append(matched)

    def relevant(self) -> list[LocalMaximum]:
        """The maxima whose estimated mass is not negligible, the best one first."""
        found = sorted(self.maxima, key=lambda maximum: -maximum.laplace)
        return [one for one in found if one.laplace > found[0].laplace - MAX_LOG_MASS_GAP]

    def located(self, reason: StopReason | None) -> Located:
        """The result so far: one Gaussian for each mode, at least one."""
        maxima = self.relevant()
        gaussians = self.matched or [
            Matched(one.position, lower_triangular(one.factor), one.laplace, float("nan"))
            for one in maxima[:1]
        ]
        counts = [maximum.count for maximum in maxima[: len(gaussians)]]
        best = max(gaussian.elbo for gaussian in gaussians)
        lowest = best - max(MAX_MODE_ELBO_GAP, ELBO_GAP_PER_DIM * self.target.dim)
        kept: list[int] = []
        for index in sorted(range(len(gaussians)), key=lambda i: -gaussians[i].elbo):
            same = [other for other in kept if not self._separate(gaussians, index, other, reason)]
            if same:
                counts[same[0]] += counts[index]
            elif gaussians[index].elbo >= lowest:
                kept.append(index)
        is_one = len(self.maxima) == 1
        return Located(
            means=np.stack([gaussians[index].mean for index in kept]),
            factors=np.stack([gaussians[index].factor for index in kept]),
            log_masses=np.array([gaussians[index].elbo for index in kept]),
            elbo=gaussians[kept[0]].elbo,
            elbo_se=gaussians[kept[0]].elbo_se,
            origin="values alone",
            num_diverged=0,
            num_starts=dict(self.num_starts),
            num_starts_without_path=self.num_without_path,
            num_screened=self.num_screened,
            num_since_new=self.num_since_new,
            mode_counts=np.array([counts[index] for index in kept]),
            unseen=0.0 if is_one else unseen_probability(maxima, self._num_paths()),
            end=self.end if reason is None else SearchEnd.INTERRUPTED,
            maxima=maxima,
            stop_reason=reason,
        )

    def _separate(
        self, found: list[Matched], index: int, other: int, reason: StopReason | None
    ) -> bool:
        """Whether two Gaussians belong to two modes; not tested after an interrupt."""
        pair = [(found[i].mean, found[i].factor) for i in (index, other)]
        return reason is None and are_separate(self.target, *pair)

    def _num_paths(self) -> int:
        return self.num_starts.total() - self.num_without_path

    def _is_at_limit(self) -> bool:
        if self.target.num_gradient_evaluations >= self.options.max_evaluations:
            self.end = SearchEnd.MAX_EVALUATIONS
            return True
        return self.num_starts.total() >= max(self.options.max_starts, 1)

    def _starts(self, count: int) -> Float[np.ndarray, "n d"]:
        return dispersed_positions(self.target, self.generator, count)

    def _first_starts(self) -> Float[np.ndarray, "n d"]:
        """Starting points with a finite log density."""
        count = self.options.num_starts
        starts = self._finite(self._starts(count))
        if not len(starts):
            drawn = self.target.initial_positions(self.generator, RETRY_FACTOR * count)
            starts = self._finite(drawn)[:count]
        if not len(starts):
            raise ModelError(
                f"no finite log density at any of {(RETRY_FACTOR + 1) * count} starting points. "
                "Check the function at one point, and give starting points inside its support: "
                "isogmm.LogDensity(..., initial=position)."
            )
        return starts

    def _finite(self, positions: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "m d"]:
        """The positions with a finite log density."""
        return positions[np.isfinite(self.target.values(positions))]

    def _around_modes(self) -> None:
        """Paths from points around the known modes."""
        maps = [map_of(one.position, one.factor) for one in self.relevant()]
        count, half = NUM_POINTS // len(maps), max(NUM_PATHS // (2 * len(maps)), 1)
        for own in maps:
            points = points_around(own, self.generator, count)
            values = self.target.values(points)
            self.num_screened += count
            finite = np.isfinite(values)
            if not finite.any():
                continue
            points = points[finite]
            order = np.argsort(-excess(own, points, values[finite]))
            others = self.generator.permutation(order[half:])[:half]
            self._follow("around modes", points[np.concatenate([order[:half], others])], own)

    def _follow(
        self,
        source: str,
        starts: Float[np.ndarray, "n d"],
        affine_map: AffineMap | None = None,
    ) -> None:
        """Paths in the coordinates of a Gaussian; by default of the best one that is known."""
        for start in starts:
            own = affine_map
            if own is None and self.maxima:
                best = self.relevant()[0]
                own = map_of(best.position, best.factor)
            end, value = climb(self.target, start, own or identity_map(self.target.dim))
            self.num_starts[source] += 1
            self.num_since_new += 1
            if not self._count(end):
                self._add(end, value)

    def _count(self, end: Float[np.ndarray, " d"]) -> bool:
        """Count the end of a path with the maximum that it has reached; False if there is none."""
        for maximum in self.maxima:
            if maximum.is_within(end, MIN_MODE_DISTANCE_SD):
                maximum.count += 1
                return True
        return False

    def _add(self, end: Float[np.ndarray, " d"], value: float) -> None:
        """A new local maximum; the path continues in the coordinates of its curvature."""
        for _ in range(MAX_REPEATED_PATHS):
            curvature = laplace_from_values(self.target, end, np.eye(self.target.dim))
            factor, before = lower_triangular(curvature), value
            end, value = climb(self.target, end, map_of(end, factor))
            if value - before < MIN_GAIN_NATS:
                break
        if self._count(end):
            return
        laplace = value + 0.5 * self.target.dim * LOG_2PI + log_det(factor)
        self.maxima.append(LocalMaximum(end, factor, value, float(laplace)))
        self.num_since_new = 0


def locate_by_values(target: FitTarget, generator: np.random.Generator, options: Locate) -> Located:
    """Find the typical set and the modes of a target without a gradient.

    Raises
    ------
    ModelError
        If no starting point has a finite log density.
    KeyboardInterrupt
        If the search was interrupted before the first maximum was found.
    """
    search = ValueSearch(target, generator, options)
    with interruptible(target) as interruption:
        search.run()
    if not search.maxima:
        is_deadline = interruption.reason is StopReason.MAX_SECONDS
        raise DeadlineReachedError if is_deadline else KeyboardInterrupt
    return search.located(interruption.reason)

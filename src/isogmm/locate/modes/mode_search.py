"""The search for further modes, after the first Gaussian is known."""

from collections import Counter

import numpy as np
from jaxtyping import Float

from isogmm.locate.gaussian.factors import map_of
from isogmm.locate.gaussian.gaussians import Gaussians
from isogmm.locate.located import INCOMPLETE, SearchEnd
from isogmm.locate.modes.estimates import MAX_LOG_MASS_GAP, check_estimates, without_slopes
from isogmm.locate.modes.found_modes import FoundModes
from isogmm.locate.modes.kinks import merge_kinks
from isogmm.locate.modes.local_gaussians import fit_shapes
from isogmm.locate.modes.open_cone import check_no_open_cone
from isogmm.locate.modes.quiet_rounds import num_quiet_rounds
from isogmm.locate.modes.screening import choose_starts, points_around
from isogmm.locate.options import Locate
from isogmm.locate.paths.maxima import LocalMaximum, unseen_probability
from isogmm.locate.paths.mode_shape import ModeShape, shape_of
from isogmm.locate.paths.starts import (
    DrawStarts,
    dispersed_positions,
    follow_starts,
    prior_positions,
)
from isogmm.locate.spheres.sphere_centers import SphereCenter, widest_centers
from isogmm.locate.spheres.sphere_search import num_sphere_points, starts_from_spheres
from isogmm.mixtures.affine_map import MAX_DENSE_DIM, AffineMap
from isogmm.model.fit_target import FitTarget
from isogmm.model.programs.size import fills_cache

#: Points that are screened and paths that follow in one round, while one mode is known and after
#: several are.  The first round of a posterior with one mode costs about 2,300 gradients.
NUM_POINTS, NUM_PATHS = 2048, 32
#: Points of the first round, if one mode is known, of models with a costly gradient.
NUM_COSTLY_POINTS = 512
NUM_POINTS_SEVERAL, NUM_PATHS_SEVERAL = 32768, 192
#: Largest number of coordinates of the points of one round.
MAX_POINT_NUMBERS = 10_000_000
#: Points of the model that are screened, and paths that follow from them, in one round after
#: several modes are known; the same numbers for its prior.
NUM_MODEL_POINTS, NUM_MODEL_PATHS = 2048, 48
#: Smallest number of paths around each known Gaussian, and largest number of these Gaussians.
MIN_PATHS_AROUND, MAX_CENTERS = 4, 48
#: Largest number of evaluations of one path of a round.  In the coordinates of a mode, paths to new
#: modes had 6 to 35 iterates.
NUM_PATH_EVALUATIONS = 100
#: Gap of the new modes that prolong the search, in nats.  A periodogram has dozens of modes that
#: are 7 to 12 nats below the best one; all of them together have a mass below 1 %.
MAX_COUNTED_GAP = 7.0
#: Probability that a path ends in a new local maximum, however low, above which the log density is
#: so rough that narrow modes may be missing.
MAX_ROUGHNESS = 0.05
#: Share of the paths of a round that end in new modes, after this number of rounds, above which
#: there are too many modes to find them all; and the number of modes kept then, and otherwise.
MAX_NEW_SHARE, MIN_ROUNDS = 0.05, 3
MAX_MODES_IF_TOO_MANY, MAX_MODES = 8, 64
#: Share of the paths that end in no known maximum above which the modes are also too many, if new
#: ones are still found.  In a tanh network with 16 weights and 3,840 equivalent modes, it was 0.94.
MAX_UNRESOLVED = 0.8
#: Probability of a new mode above which the search goes on, even if one mode is known.
MAX_UNSEEN_PROBABILITY = 0.005


class ModeSearch:
    """Rounds of paths from screened points around the known modes, and from those of the model.

    Parameters
    ----------
    target, generator, options
        The target, random numbers, and the options of the search.
    best
        The first Gaussian.
    maxima
        Local maxima at the ends of the first paths; new ones are added.
    num_paths
        Number of the first paths.
    """

    def __init__(
        self,
        target: FitTarget,
        generator: np.random.Generator,
        options: Locate,
        best: Gaussians,
        maxima: list[LocalMaximum],
        num_paths: int,
    ) -> None:
        self.target, self.generator, self.options = target, generator, options
        self.maxima, self.elbo, self.mean = maxima, float(best.elbo[0]), best.means[0]
        self.map = map_of(self.mean, best.factors[0])
        self.shape: ModeShape | None = None
        self.num_starts = Counter({"model": num_paths})
        self.num_screened = self.num_without_path = 0
        self.num_since_new = num_paths if len(self.relevant()) < 2 else 0
        self.first_count = target.num_gradient_evaluations

    def run(self) -> FoundModes:
        """Rounds until some of them find no new mode, or a limit is reached."""
        is_large = self.target.dim > MAX_DENSE_DIM
        if not self.maxima and not is_large:
            # The optimizer does not converge in the units of the user if these differ too much.
            self._follow("first Gaussian", self.mean[None], self.map)
        end: SearchEnd | None = SearchEnd.NO_MAXIMUM
        num_rounds = num_quiet = 0
        if self.maxima:
            self._check_maxima()
            end = self._limit()
            if is_large and not self._has_several():
                end = SearchEnd.ONE_MODE
        while end is None:
            known = self.relevant()
            self._round()
            num_rounds += 1
            self._check_maxima()
            new = [one for one in self._counted() if all(one is not other for other in known)]
            num_new = len(without_slopes(self.target, self.generator, new, known))
            num_quiet = 0 if num_new else num_quiet + 1
            is_several = self._has_several()
            if is_several and not is_large:
                check_no_open_cone(self.target, self.generator, self.map, self.maxima)
            if num_new and is_several:  # otherwise it takes the place of the only one
                self.num_since_new = 0
            if not is_several:
                end = SearchEnd.ONE_MODE
            elif num_quiet >= num_quiet_rounds(self.target, self.relevant()):
                end = SearchEnd.NO_NEW_MODE
            elif num_rounds >= MIN_ROUNDS and self._are_too_many(num_new):
                end = SearchEnd.TOO_MANY_MODES
            else:
                end = self._limit()
        maxima = sorted(self.relevant(), key=lambda maximum: -maximum.log_mass)
        most = MAX_MODES_IF_TOO_MANY if end is SearchEnd.TOO_MANY_MODES else MAX_MODES
        return FoundModes(
            maxima=maxima[:most],
            num_starts=dict(self.num_starts),
            num_screened=self.num_screened,
            num_without_path=self.num_without_path,
            num_since_new=self.num_since_new,
            unseen=max(self._unseen(), self._unresolved() if end in INCOMPLETE else 0.0),
            end=end,
        )

    def relevant(self) -> list[LocalMaximum]:
        """The maxima whose estimated mass is not negligible beside that of the best one."""
        best = max([self.elbo, *(maximum.log_mass for maximum in self.maxima)])
        lowest = best - MAX_LOG_MASS_GAP
        return [one for one in self.maxima if max(one.log_mass, one.reach) > lowest]

    def _check_maxima(self) -> None:
        """Merge the maxima of one mode, and replace wrong estimates of masses."""
        merge_kinks(self.target, self.generator, self.maxima, self.elbo)
        check_estimates(self.target, self.generator, self.maxima, self.elbo)

    def _counted(self) -> list[LocalMaximum]:
        """The relevant maxima whose estimated mass is not small; an ELBO is only a lower bound."""
        best = max([self.elbo, *(maximum.log_mass for maximum in self.maxima)])
        return [
            maximum
            for maximum in self.relevant()
            if maximum.elbo is not None or maximum.laplace > best - MAX_COUNTED_GAP
        ]

    def _unseen(self) -> float:
        """Good-Turing estimate; 0 if all paths that converged ended in one maximum."""
        if len(self.maxima) < 2:
            return 0.0
        total = sum(maximum.count for maximum in self.maxima)
        return unseen_probability(self.relevant(), total)

    def _are_too_many(self, num_new: int) -> bool:
        """Whether many paths of a round found new modes, or some did and most ended in none."""
        is_large_share = num_new > MAX_NEW_SHARE * NUM_PATHS_SEVERAL
        return is_large_share or (num_new > 0 and self._unresolved() > MAX_UNRESOLVED)

    def _unresolved(self) -> float:
        """Share of the paths that ended in no known maximum, such as those that are too short."""
        num_paths = self.num_starts.total() - self.num_without_path
        return max(0.0, 1.0 - sum(maximum.count for maximum in self.maxima) / max(num_paths, 1))

    def _has_several(self) -> bool:
        """Whether several modes are known, or one that few paths reach, or many lower maxima."""
        return (
            len(self.relevant()) > 1
            or self._unseen() > MAX_UNSEEN_PROBABILITY
            or (len(self.maxima) > 1 and unseen_probability(self.maxima) > MAX_ROUGHNESS)
        )

    def _limit(self) -> SearchEnd | None:
        """The limit that is reached, or None."""
        if self.num_starts.total() >= self.options.max_starts:
            return SearchEnd.MAX_STARTS
        num_gradients = self.target.num_gradient_evaluations - self.first_count
        if num_gradients >= self.options.max_evaluations:
            return SearchEnd.MAX_EVALUATIONS
        return None

    def _round(self) -> None:
        """One round of paths."""
        is_several = self._has_several()
        few = NUM_COSTLY_POINTS if fills_cache(self.target.batch_size) else NUM_POINTS
        num_points = NUM_POINTS_SEVERAL if is_several else few
        num_paths = NUM_PATHS_SEVERAL if is_several else NUM_PATHS
        centers = self._centers()
        if is_several:
            fit_shapes(self.target, self.generator, centers)
        known = [self._first_shape(), *map(self._shape, centers)]
        share = min(num_points, MAX_POINT_NUMBERS // self.target.dim) // len(known)
        quota = max(num_paths // len(known), MIN_PATHS_AROUND)
        for shape, maximum in zip(known, [self._nearest(), *centers], strict=True):
            points = points_around(shape.own, self.generator, share)
            log_density, gradients = self.target.evaluate(points)
            self.num_screened += len(points)
            index = choose_starts(
                known, shape, points, log_density, gradients, quota, self.generator
            )
            self._follow_around(maximum, points[index], shape.own)
        if is_several:
            self._from_model()
        self._from_spheres(is_several)

    def _first_shape(self) -> ModeShape:
        """The shape of the first Gaussian."""
        if self.shape is None:
            self.shape = shape_of(self.target, self.generator, self.map, self.elbo)
        return self.shape

    def _shape(self, maximum: LocalMaximum) -> ModeShape:
        """The fitted shape of a mode, or its Laplace approximation."""
        if maximum.shape is not None:
            return maximum.shape
        own = map_of(maximum.position, maximum.factor)
        return ModeShape(own, maximum.laplace, np.zeros((0, self.target.dim)))

    def _from_spheres(self, is_several: bool) -> None:
        """Paths from values on spheres around the only known mode, or around the widest ones."""
        if not (count := num_sphere_points(self.target)):
            return
        if is_several:
            centers = widest_centers(self.relevant())
        else:
            centers = [SphereCenter.of(self.map, self.elbo, self._nearest())]
        self.num_screened += count * len(centers)
        found = starts_from_spheres(self.target, self.generator, centers, count)
        for center, starts in zip(centers, found, strict=True):
            self._follow_around(center.maximum, *starts)

    def _centers(self) -> list[LocalMaximum]:
        """Known modes around which points are screened: all, or a random selection."""
        maxima = self.relevant()
        if len(maxima) > MAX_CENTERS:
            index = self.generator.choice(len(maxima), MAX_CENTERS, replace=False)
            maxima = [maxima[i] for i in index]
        return maxima

    def _nearest(self) -> LocalMaximum:
        """The local maximum that is nearest to the mean of the first Gaussian."""
        return min(self.maxima, key=lambda maximum: maximum.distance(self.mean))

    def _from_model(self) -> None:
        """Paths from starting points of the model and from draws of its prior."""
        self._from_highest("model", dispersed_positions)
        if self.target.prior_positions is not None:
            self._from_highest("prior", prior_positions)

    def _from_highest(self, source: str, draw: DrawStarts) -> None:
        """Paths from many points: half of them from the highest, half from random ones."""
        count = min(NUM_MODEL_POINTS, MAX_POINT_NUMBERS // self.target.dim)
        points = draw(self.target, self.generator, count)
        log_density, _ = self.target.evaluate(points)
        self.num_screened += len(points)
        order = np.argsort(-log_density)[: np.isfinite(log_density).sum()]
        highest, others = np.split(order, [NUM_MODEL_PATHS // 2])
        others = self.generator.permutation(others)[: NUM_MODEL_PATHS - len(highest)]
        self._follow(source, points[np.concatenate([highest, others])])

    def _follow_around(
        self, maximum: LocalMaximum, starts: Float[np.ndarray, "n d"], own: AffineMap
    ) -> None:
        """Paths from points around one maximum, in the coordinates of its Gaussian."""
        num_before = maximum.count
        self._follow("around modes", starts, own)
        maximum.num_from_own += maximum.count - num_before

    def _follow(
        self,
        source: str,
        starts: Float[np.ndarray, "n d"],
        affine_map: AffineMap | None = None,
    ) -> None:
        """Paths in the coordinates of a Gaussian, or in those of the target."""
        paths = follow_starts(
            self.target, starts, self.maxima, affine_map, max_evaluations=NUM_PATH_EVALUATIONS
        )
        self.num_starts[source] += len(starts)
        self.num_since_new += len(starts)
        self.num_without_path += len(starts) - len(paths)

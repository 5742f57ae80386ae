"""Parallel chains with their tuning: step size, coordinates, second tries of rejections."""

from contextlib import suppress

import numpy as np

from isogmm.draws.chains.coordinates import straightened, whitened
from isogmm.draws.chains.hmc import HOPELESS, Chains, Density, hmc_transition, start_chains
from isogmm.draws.chains.learn_noncentering import LARGEST, learn_noncentering
from isogmm.draws.chains.noncentering import NonCenteredTarget, NonCentering
from isogmm.draws.chains.trajectories import LONG, QUARTER_TURN, Trajectories
from isogmm.errors import OptionError
from isogmm.model.fit_target import FitTarget
from isogmm.model.target import Target

#: Transitions after which the coordinates are whitened anew from the chains.
REWHITEN = (3, 6, 12, 24, 48, 96)
#: Of this many transitions the positions are looked at for funnels.
MOST_VISITED = 12
#: Funnels are straightened where the log ratio to a Gaussian varies so many times as much then:
#: 0.85 and less, often 0.2, in hierarchies; bananas, which do not get straight so, reach 0.93.
#: What is hopeful at the first look is looked at again.
CALMER, HOPEFUL = 0.9, 0.97
#: Acceptance probability the step size aims at.
ACCEPTANCE = 0.8
#: Steps of mixed sizes go down to this share of the step size.
SMALLEST_FACTOR = 0.03
#: With more than this share of proposals all but hopeless, rejections get a second, smaller try.
HOPELESS_SHARE = 0.01
#: With more than this share of chains for which the second try is as hopeless, even once, a third.
NECK_SHARE = 0.005
#: Transitions in new coordinates before the step size is one to judge necks by.
UNTUNED = 4


class Sampler:
    """Chains and what is tuned while they warm up.

    Parameters
    ----------
    target, chains, groups, generator
        As for :func:`isogmm.draws.refine.refine`; one group where modes do not matter.
    retries
        False spares second tries and straight funnels: chains that only look around may leave
        necks to others.
    """

    def __init__(
        self,
        target: Target,
        chains: Chains,
        groups: np.ndarray,
        generator: np.random.Generator,
        *,
        retries: bool = True,
    ) -> None:
        target = FitTarget.of(target)
        self.target, self.chains, self.groups, self.generator = target, chains, groups, generator
        self.retries = retries
        self.step_size = min(1.0, 1.5 * chains.points.shape[1] ** -0.25)
        self.retry = 0.0
        self.trajectories = Trajectories()
        self.count = 0
        #: Where chains stood for which even a second try was hopeless; none where there are few.
        self.neck: list[np.ndarray] = []
        #: The transition after which funnels were straightened last, and how; the warm-up lasts
        #: until they have been looked at three times.
        self.straightened = self.settled_at = 0
        self.noncentering: NonCentering | None = None
        self._space: Density = target
        self._before = chains.affine_map
        self._visited: list[tuple[np.ndarray, np.ndarray]] = []
        # Several modes have funnels of their own, and are left alone.
        one_mode = bool(np.all(groups == groups[0]))
        self._straightens = retries and one_mode and chains.points.shape[1] <= LARGEST

    @property
    def positions(self) -> np.ndarray:
        """Where the chains are, in the coordinates of the target."""
        points = self.chains.positions
        return points if self.noncentering is None else self.noncentering.forward(points)

    @property
    def log_density(self) -> np.ndarray:
        """log π there."""
        if self.noncentering is None:
            return self.chains.log_density
        return self.chains.log_density - self.noncentering.log_det(self.chains.positions)

    @property
    def scales(self) -> np.ndarray:
        """Coordinates that are scales of others, where funnels were straightened."""
        if self.noncentering is None:
            return np.zeros(0, dtype=int)
        return self.noncentering.roots[self.noncentering.exponents.any(axis=0)]

    def transition(self, *, tune: bool) -> tuple[float, np.ndarray]:
        """One transition of all chains: mean acceptance probability, who moved."""
        is_warmup = tune
        kind = self.trajectories.choose(self.count, has_neck=bool(self.retry and self.neck))
        length = QUARTER_TURN * (LONG if kind == "long" else 1.0)
        length *= self.generator.uniform(0.8, 1.2)
        factors = None
        if kind == "mixed":
            # Steps of all sizes: a chain deep in a neck moves when its turn for a small one
            # comes.
            low = np.log(SMALLEST_FACTOR)
            factors = np.exp(self.generator.uniform(low, 0.0, len(self.chains.points)))
            tune = False
        is_short, had_retry = kind == "short", bool(self.retry)
        before, begin = self.positions, self.target.num_gradient_evaluations
        self.chains, probability, moved, hopeless = hmc_transition(
            self._space,
            self.chains,
            self.generator,
            self.step_size,
            length,
            retry=self.retry,
            tries=3 if self.neck and self.count % 3 == 0 else 2,
            step_factors=factors,
        )
        self.count += 1
        if is_warmup:
            spent = (self.target.num_gradient_evaluations - begin) / len(before)
            self.trajectories.note(kind, before, self.positions, self.groups, spent)
        is_seen = self.neck or hopeless.mean() > NECK_SHARE
        is_tuned = self.count - self.straightened > UNTUNED
        if is_warmup and is_short and had_retry and is_tuned and is_seen:
            self.neck.append(self.positions[hopeless])
        if tune:
            error = probability.mean() - ACCEPTANCE
            rate = 2.0 if self.count < 6 else 0.7
            self.step_size *= float(np.exp(np.clip(rate * error, -1.0, 0.3)))
            if self.count >= 3 and self.retries:
                share = float((probability < HOPELESS).mean())
                self.retry = 4.0 if share > HOPELESS_SHARE else 0.0
        if is_warmup and self._straightens:
            self._visited.append((self.positions, self.log_density))
        if is_warmup and self.count in REWHITEN:
            self._whiten()
            if self._straightens and self.count > REWHITEN[0]:
                # Degenerate draws leave the coordinates as they are.
                with suppress(OptionError, np.linalg.LinAlgError):
                    self._straighten()
            self._visited = []
        return float(probability.mean()), moved

    def _whiten(self) -> None:
        """Coordinates in which the chains, within their modes, have unit covariance."""
        centered = self.chains.points.copy()
        for group in np.unique(self.groups):
            members = self.groups == group
            centered[members] -= centered[members].mean(axis=0)
        affine_map = whitened(self.chains.affine_map, centered, len(centered))
        self.chains = self.chains.moved_to(affine_map)

    def _straighten(self) -> None:
        """Coordinates in which conditional scales do not vary, where they do."""
        visited = self._visited[-MOST_VISITED:]
        positions, log_density = (np.concatenate(part) for part in zip(*visited, strict=True))
        count, old = len(self.groups), self.noncentering
        if old is None:
            self._before = self.chains.affine_map
        elif self.count > self.settled_at:
            # Once settled they change only where funnels remain in the coordinates they have.
            points, densities = old.inverse(positions), log_density + old.log_det(positions)
            remaining = learn_noncentering(points, densities, count)
            if remaining is None or not remaining[1] < CALMER:
                return
        found = learn_noncentering(positions, log_density, count)
        if found is None:
            return
        noncentering, ratio = found
        if not ratio < CALMER:
            if old is not None and self.count <= self.settled_at:
                self._bend_back()
            elif ratio < HOPEFUL and self.count == REWHITEN[1]:
                self.settled_at = 2 * self.count
            return
        affine_map = straightened(noncentering, self._before, positions, count)
        space = NonCenteredTarget(self.target, noncentering)
        self.chains = start_chains(space, noncentering.inverse(self.positions), affine_map)
        self._space, self.noncentering = space, noncentering
        self._start_anew()
        if old is None:
            # Deeper in the neck the scales may be others: two more looks, as many times later.
            self.settled_at = 4 * self.count

    def _bend_back(self) -> None:
        """The coordinates of the target: what looked like a funnel at first was none."""
        self.chains = start_chains(self.target, self.positions, self._before)
        self._space, self.noncentering = self.target, None
        self._whiten()
        self._start_anew()

    def _start_anew(self) -> None:
        """In new coordinates nothing is known yet of trajectories and necks."""
        self.straightened = self.count
        self.retry, self.neck, self.trajectories = 0.0, [], Trajectories()

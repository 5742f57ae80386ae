"""Parallel HMC chains and their adaptation: step size, delayed rejection, coordinates."""

from collections import deque

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import ndtr, ndtri

from isogmm.draws.chains.adaptation import CoordinateAdaptation
from isogmm.draws.chains.hmc import MIN_ACCEPTANCE, TrajectorySettings, Transition, hmc_transition
from isogmm.draws.chains.state import Chains
from isogmm.draws.chains.trajectories import LONG_FACTOR, QUARTER_PERIOD, Kind, Trajectories
from isogmm.mixtures.affine_map import MAX_DENSE_DIM
from isogmm.model.fit_target import FitTarget
from isogmm.model.target import Target

#: Acceptance probability that the step size is tuned to.
TARGET_ACCEPTANCE = 0.8
#: Mean acceptance probability below which steps are too long, in more than ``MAX_DENSE_DIM``
#: dimensions: the warm-up continues, and steps are shortened when a recording is discarded.  With
#: 100,000 coordinates it was 0.3 and less.
MIN_RECORDED_ACCEPTANCE = 0.5
#: Interquartile range of a standard normal distribution.
NORMAL_QUARTILE_RANGE = 1.349
#: Change of the log step size for each unit of the error of the acceptance probability: at
#: first, and after this number of transitions.
EARLY_TUNING_RATE, LATE_TUNING_RATE, NUM_EARLY_TRANSITIONS = 2.0, 0.7, 6
#: Bounds of the change of the log step size in one transition.
MIN_LOG_STEP_CHANGE, MAX_LOG_STEP_CHANGE = -1.0, 0.3
#: The upper bound in more than ``MAX_DENSE_DIM`` dimensions, where the wanted step is computed.
MAX_LARGE_LOG_STEP_CHANGE = 0.5
#: Bounds of the random factor of each integration time, against periodic trajectories.
MIN_LENGTH_FACTOR, MAX_LENGTH_FACTOR = 0.8, 1.2
#: Smallest factor of the step sizes of a transition with mixed ones.
MIN_STEP_FACTOR = 0.03
#: Factor between the step sizes of two tries of delayed rejection.
RETRY_FACTOR = 4.0
#: Transitions before delayed rejection may begin.
MIN_RETRY_TRANSITIONS = 3
#: Share of chains with an acceptance probability below ``MIN_ACCEPTANCE`` above which rejected
#: proposals are followed by a second try.
MAX_LOW_ACCEPTANCE_SHARE = 0.01
#: Share of chains whose second try has such a probability too, above which there are third tries.
MAX_NECK_SHARE = 0.005
#: Transitions in new coordinates before the tuned step size is used to detect necks.
NUM_TUNING_TRANSITIONS = 4
#: Third tries are made in every transition whose number is a multiple of this.
THIRD_TRY_PERIOD = 3


class Sampler:
    """Parallel chains with the settings that are tuned during the warm-up.

    Parameters
    ----------
    target, chains, groups, generator
        As for :func:`isogmm.draws.refine.refine`; one group where modes do not matter.
    adapt_to_funnels
        False for chains that only explore: no delayed rejection, no non-centered coordinates, and
        steps that grow while all proposals are accepted.

    Attributes
    ----------
    count
        Number of transitions so far.
    recycled
        States from the middles of the last trajectories, of the same distribution; the chains
        themselves before the first transition.
    neck
        Positions of chains for which even the second step size was too large; empty where there
        are only few such chains.
    """

    def __init__(
        self,
        target: Target,
        chains: Chains,
        groups: Int[np.ndarray, " m"],
        generator: np.random.Generator,
        *,
        adapt_to_funnels: bool = True,
    ) -> None:
        self.target = FitTarget.of(target)
        self.chains, self.groups, self.generator = chains, groups, generator
        self.recycled = chains
        self.adapt_to_funnels = adapt_to_funnels
        self.step_size = min(1.0, 1.5 * chains.points.shape[1] ** -0.25)
        self.retry_factor = 0.0
        self.trajectories = Trajectories()
        self.count = 0
        self.neck: list[np.ndarray] = []
        self._is_large = chains.points.shape[1] > MAX_DENSE_DIM
        self._acceptance: deque[float] = deque(maxlen=NUM_TUNING_TRANSITIONS)
        self.coordinates = CoordinateAdaptation(
            self.target, chains, groups, allow_noncentering=adapt_to_funnels
        )

    @property
    def has_several_modes(self) -> bool:
        """Whether the chains belong to more than one mode."""
        return bool(np.any(self.groups != self.groups[0]))

    @property
    def has_tuned_steps(self) -> bool:
        """Whether the step size suits the present coordinates.

        In few dimensions it always counts as suitable.  In many, the acceptance probabilities of
        several transitions after the last change of the coordinates decide.
        """
        is_known = self.count >= self.coordinates.adapted_at + NUM_TUNING_TRANSITIONS
        is_high = float(np.mean(self._acceptance or [0.0])) >= MIN_RECORDED_ACCEPTANCE
        return not self._is_large or (is_known and is_high)

    @property
    def positions(self) -> Float[np.ndarray, "m d"]:
        """Positions of the chains in the coordinates of the target."""
        return self.coordinates.positions(self.chains)

    @property
    def log_density(self) -> Float[np.ndarray, " m"]:
        """log π of the target at these positions."""
        return self.coordinates.log_density(self.chains)

    def points_of(self, positions: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """Positions of the target in the coordinates of the chains."""
        noncentering = self.coordinates.noncentering
        inner = positions if noncentering is None else noncentering.inverse(positions)
        return self.chains.affine_map.inverse(inner)

    def transition(self, *, tune: bool) -> tuple[float, Bool[np.ndarray, " m"]]:
        """One transition of all chains.

        Parameters
        ----------
        tune
            Whether it belongs to the warm-up.

        Returns
        -------
        acceptance, moved
            Mean acceptance probability; which chains moved.
        """
        has_neck = bool(self.retry_factor and self.neck)
        kind = self.trajectories.choose(self.count, has_neck=has_neck)
        settings = self._settings(kind)
        before, num_gradients = self.positions, self.target.num_gradient_evaluations
        transition = hmc_transition(self.coordinates.space, self.chains, self.generator, settings)
        self.chains, self.recycled = transition.chains, transition.recycled
        self.count += 1
        if tune:
            spent = (self.target.num_gradient_evaluations - num_gradients) / len(before)
            self.trajectories.update(kind, before, self.positions, self.groups, spent)
            if kind is Kind.SHORT:
                self._detect_neck(transition)
            if kind is not Kind.MIXED:
                self._tune_steps(transition, kind)
            self._adapt_coordinates()
        return float(transition.acceptance.mean()), transition.moved

    def shorten_steps(self, acceptance: float) -> None:
        """Shorten the steps for which a discarded recording had this mean acceptance probability.

        In many dimensions the chains reach the typical set late, and steps that were tuned before
        are too long there.
        """
        if self._is_large and acceptance < MIN_RECORDED_ACCEPTANCE:
            self.step_size *= float(np.exp(log_step_change(acceptance)))

    def _settings(self, kind: Kind) -> TrajectorySettings:
        """Settings of a trajectory of this kind, with a random integration time."""
        length = QUARTER_PERIOD * (LONG_FACTOR if kind is Kind.LONG else 1.0)
        length *= self.generator.uniform(MIN_LENGTH_FACTOR, MAX_LENGTH_FACTOR)
        step_factors = None
        if kind is Kind.MIXED:
            # A chain in a narrow region moves when its random step is small enough.
            lowest = np.log(MIN_STEP_FACTOR)
            step_factors = np.exp(self.generator.uniform(lowest, 0.0, len(self.chains.points)))
        has_third_try = self.neck and self.count % THIRD_TRY_PERIOD == 0
        return TrajectorySettings(
            step_size=self.step_size,
            length=length,
            retry_factor=self.retry_factor,
            num_tries=3 if has_third_try else 2,
            step_factors=step_factors,
        )

    def _detect_neck(self, transition: Transition) -> None:
        """Store positions of chains that need steps many times smaller than the others."""
        is_tuned = self.count - self.coordinates.changed_at > NUM_TUNING_TRANSITIONS
        has_neck = self.neck or transition.step_too_large.mean() > MAX_NECK_SHARE
        if self.retry_factor and is_tuned and has_neck:
            self.neck.append(self.positions[transition.step_too_large])

    def _tune_steps(self, transition: Transition, kind: Kind) -> None:
        """Update the step size, and whether rejected proposals are tried again."""
        acceptance = float(transition.acceptance.mean())
        rate = EARLY_TUNING_RATE if self.count < NUM_EARLY_TRANSITIONS else LATE_TUNING_RATE
        change = rate * (acceptance - TARGET_ACCEPTANCE)
        change = float(np.clip(change, MIN_LOG_STEP_CHANGE, MAX_LOG_STEP_CHANGE))
        # Chains that only explore may take long steps while all energies decrease.
        if self._is_large and self.adapt_to_funnels:
            expected = stationary_acceptance(transition.energy_decrease)
            by_energy = log_step_change(expected)
            # The error of the energy returns to zero in long trajectories.
            may_grow = kind is Kind.SHORT and acceptance > TARGET_ACCEPTANCE
            change = by_energy if may_grow else min(change, by_energy)
            change = float(np.clip(change, MIN_LOG_STEP_CHANGE, MAX_LARGE_LOG_STEP_CHANGE))
            acceptance = min(acceptance, expected)
        self._acceptance.append(acceptance)
        self.step_size *= float(np.exp(change))
        if self.adapt_to_funnels and self.count >= MIN_RETRY_TRANSITIONS:
            low_share = float((transition.acceptance < MIN_ACCEPTANCE).mean())
            self.retry_factor = RETRY_FACTOR if low_share > MAX_LOW_ACCEPTANCE_SHARE else 0.0

    def _adapt_coordinates(self) -> None:
        """Adapt the coordinates; after a change of their form the tuning begins again."""
        self.chains = self.coordinates.adapt(self.chains, self.count)
        if self.coordinates.changed_at == self.count:
            self.retry_factor, self.neck, self.trajectories = 0.0, [], Trajectories()


def stationary_acceptance(energy_decrease: Float[np.ndarray, " m"]) -> float:
    """Acceptance probability of stationary chains whose energies change by values this different.

    In many dimensions the change of the energy of stationary chains is normal with variance σ² and
    mean σ²/2, so that the acceptance probability is 2 Φ(-σ/2) (Beskos, Pillai, Roberts, Sanz-Serna
    and Stuart 2013, Bernoulli 19).  Before chains are stationary, the energies of all change by a
    common amount, proportional to the dimension.  If these decrease, all proposals are accepted,
    whatever the step size.  The differences between chains depend on the step size alone.
    """
    finite = energy_decrease[np.isfinite(energy_decrease)]
    if not len(finite):
        return 0.0
    low, high = np.quantile(finite, [0.25, 0.75])
    return float(2.0 * ndtr(-0.5 * (high - low) / NORMAL_QUARTILE_RANGE))


def log_step_change(acceptance: float) -> float:
    """Change of the log step size that leads from this acceptance probability to the wanted one.

    In many dimensions, the acceptance probability of steps ε is about 2 Φ(-c ε²).
    """
    bounded = np.clip(acceptance, 1e-3, 1.0 - 1e-3)
    wanted, found = ndtri(0.5 * np.array([TARGET_ACCEPTANCE, bounded]))
    return float(0.5 * np.log(wanted / found))

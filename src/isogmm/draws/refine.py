"""Refinement: parallel HMC chains that start from draws of a fit and run until independent."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from isogmm.draws.chains.convergence import Drift, drift, start_correlation
from isogmm.draws.chains.extension import (
    EXTENSIONS_PER_LENGTH,
    MAX_LOG_SD_ERROR,
    extend_until_accurate,
    spread_error,
)
from isogmm.draws.chains.recording import Recording, States
from isogmm.draws.chains.remaining_bias import remaining_bias
from isogmm.draws.chains.sampler import Sampler
from isogmm.draws.chains.state import start_chains
from isogmm.draws.chains.warmup import WarmUp
from isogmm.mixtures.affine_map import AffineMap
from isogmm.model.fit_target import FitTarget
from isogmm.model.target import Target
from isogmm.validation import check_counts

#: Change between the halves of a recording, in standard deviations, that is not a drift.
MAX_DRIFT_SD = 0.05
#: Largest bias of a mean, in standard deviations, or of a log standard deviation, that the
#: starting points may leave before the recording is continued.  Results with errors of 0.09 to 0.21
#: had 0.025 to 0.18, and correct ones 0 to 0.07.
MAX_REMAINING_BIAS = 0.03
#: The same, and the standard error of a log standard deviation, in a result that is trusted if the
#: budget allows no further transitions.  Results with errors of 0.13 and 0.17 exceeded one.
#: Correct results of heavy tails, as of a hierarchy of four groups, had a standard error of 0.037.
MAX_TRUSTED_BIAS, MAX_TRUSTED_LOG_SD_ERROR = 0.1, 0.05
#: A recording is continued while this multiple of the gradients spent is within the budget.
CONTINUED_COST_FACTOR = 2.0
#: Last transitions of a recording over which the minimum of the correlations with the starting
#: points is taken; heavy tails make single ones noisy.
NUM_FINAL_CORRELATIONS = 4
#: Excess over the threshold of independence that the Monte Carlo error of many coordinates may
#: cause after the warm-up.
CORRELATION_MARGIN = 0.05
#: A chain that moved in a smaller share of the recorded transitions counts as stuck.
MIN_MOVE_SHARE = 0.1
#: Draws of all chains for which the defaults of :class:`Refine` were chosen.
NUM_USUAL_DRAWS = 4000
#: Largest recording as a multiple of ``max_numbers``: 1.6 GB in double precision.
MAX_RECORDING_FACTOR = 5
#: Chains on an accelerator, which evaluates thousands of rows in the time of a few.  Not yet
#: measured on one: ``tests/benchmarks/gpu.py`` does.
NUM_ACCELERATOR_CHAINS = 4096


@dataclass(frozen=True)
class Refine:
    """Options of the HMC chains that follow the mixture.

    Parameters
    ----------
    num_chains
        Number of parallel chains.  A multiple of the batch size of the target is fastest.  128
        instead of the default run where a gradient is costly, as with 70,000 rows of data.
    max_numbers
        Floating-point numbers kept in memory.  If the chains need more, fewer chains run, and
        fewer of their positions are recorded.  4,000 draws of more than 10,000 coordinates have
        more numbers: as many positions, or five times ``max_numbers``, are recorded then.
    max_gradients
        Budget of gradient evaluations.  The warm-up uses at most half of it.  The recording ends at
        the budget if it has ``min_recorded`` transitions.  Otherwise it ends at twice the budget,
        if it has half as many.
    min_warmup
        Smallest number of transitions of each chain that are discarded as warm-up.
    min_recorded
        Smallest number of transitions of each chain that are recorded.
    """

    num_chains: int = 384
    max_numbers: int = 40_000_000
    max_gradients: int = 1_000_000
    min_warmup: int = 8
    # 18 fits of models with stretched variables: 12 need 16 % fewer gradients, but 8 of 98
    # variables instead of 5 of 99 exceed the limits of tests/benchmarks/transformed_scalars.py.
    min_recorded: int = 20

    @classmethod
    def for_backend(cls, backend: str) -> "Refine":
        """The default for a backend of JAX; an accelerator runs thousands of chains together."""
        if backend == "cpu":
            return cls()
        factor = NUM_ACCELERATOR_CHAINS / cls.num_chains
        return cls(NUM_ACCELERATOR_CHAINS, max_gradients=int(factor * cls.max_gradients))

    def with_draws(self, num_draws: int) -> "Refine":
        """The same for this number of draws: the recording and the budget grow in proportion.

        Without this, 10,000 draws of eight schools contained repeats and had an autocorrelation of
        0.4 at lag 1.
        """
        factor = max(num_draws / NUM_USUAL_DRAWS, 1.0)
        return replace(
            self,
            min_recorded=math.ceil(factor * self.min_recorded),
            max_gradients=int(factor * self.max_gradients),
        )

    def max_recorded(self, dim: int) -> int:
        """Numbers that a recording in this dimension may have."""
        usual = min(NUM_USUAL_DRAWS * dim, MAX_RECORDING_FACTOR * self.max_numbers)
        return max(self.max_numbers, usual)

    def __post_init__(self) -> None:
        # The two halves of a recording are compared.
        check_counts(self, least={"min_recorded": 2})


@dataclass
class Refined:
    """Draws of the chains and their diagnostics.

    Axes: m chains, t recorded transitions, d coordinates.

    Parameters
    ----------
    draws
        (m, t, d): every recorded position of every chain.
    log_density
        (m, t): log π of the draws.
    states
        The draws and, if memory allows it, the states in the middle of the trajectories.
    starting_points
        (m, d): starting points; see ``WarmUp.widest_start``.
    groups
        (m,): the mode of each starting point.
    start_correlation
        (d,): correlation with the starting points at the end of the recording.
    slowness
        (d,): estimated bias from the starting points, or standard error of the log sd, as a
        multiple of its limit in a trusted result.
    is_independent
        Whether the correlation fell below the threshold before the recording, and stayed there,
        and no coordinate is too slow.
    still_drifting
        Whether the halves of the recording differ.
    drift
        The differences between the halves.
    acceptance, step_size
        Mean acceptance probability and step size of the recording.
    num_transitions
        Number of transitions, warm-up included.
    stuck_share
        Share of chains that hardly moved while recording.
    neck
        (p, d): positions in the warm-up at which chains needed steps many times smaller.
    scales
        Coordinates that are scales of others, where the chains ran in a non-centered form.
    """

    draws: Float[np.ndarray, "m t d"]
    log_density: Float[np.ndarray, "m t"]
    states: States
    starting_points: Float[np.ndarray, "m d"]
    groups: Int[np.ndarray, " m"]
    start_correlation: Float[np.ndarray, " d"]
    slowness: Float[np.ndarray, " d"]
    is_independent: bool
    still_drifting: bool
    drift: Drift
    acceptance: float
    step_size: float
    num_transitions: int
    stuck_share: float
    neck: Float[np.ndarray, "p d"]
    scales: Int[np.ndarray, " s"]


def refine(
    target: Target,
    positions: Float[np.ndarray, "m d"],
    groups: Int[np.ndarray, " m"],
    affine_map: AffineMap,
    generator: np.random.Generator,
    options: Refine,
    is_confirmed: Callable[[np.ndarray], bool] | None = None,
) -> Refined | None:
    """Run chains until they are independent of their starting points, then record them.

    The warm-up ends when the correlation across chains with the starting points has vanished for
    every coordinate, and as many transitions again have passed.  The recording is at least as
    long as the warm-up, and is extended until tails and sds are accurate, as far as the budget
    allows.  If the halves differ, or if the autocorrelation shows that the starting points still
    bias the recording, its first half counts as warm-up, and as many transitions as it had follow.

    Parameters
    ----------
    target
        The target.
    positions
        Starting points.
    groups
        The mode of each starting point.
    affine_map
        The map that whitens the target.
    generator
        Source of random numbers.
    options
        Lengths and budgets.
    is_confirmed
        Called with the positions (m, d) after the shortest warm-up.  Where it returns True the
        draws of the mixture are good enough, and no chains are recorded.

    Returns
    -------
    Refined or None
        None where ``is_confirmed`` returned True.
    """
    target = FitTarget.of(target)
    sampler = Sampler(target, start_chains(target, positions, affine_map), groups, generator)
    warmup = WarmUp(sampler, options.min_warmup, options.max_gradients)
    if not warmup.run(is_confirmed):
        return None
    recording, change, slowness = _record_until_stationary(warmup, options)
    correlation = _final_correlation(recording, warmup)
    draws = recording.finished()
    is_low = correlation.max() < warmup.threshold + CORRELATION_MARGIN
    return Refined(
        draws=draws,
        log_density=np.stack(recording.log_density, axis=1),
        states=recording.states(draws),
        starting_points=warmup.widest_start(),
        groups=groups,
        start_correlation=correlation,
        slowness=slowness,
        is_independent=bool(warmup.independent_at is not None and is_low and slowness.max() <= 1.0),
        still_drifting=change.is_significant(MAX_DRIFT_SD),
        drift=change,
        acceptance=float(np.mean(recording.acceptance)),
        step_size=sampler.step_size,
        num_transitions=sampler.count,
        stuck_share=float((recording.num_moves < MIN_MOVE_SHARE * len(recording)).mean()),
        neck=np.concatenate([warmup.start[:0], *sampler.neck]),
        scales=sampler.coordinates.scales,
    )


def _record_until_stationary(
    warmup: WarmUp, options: Refine
) -> tuple[Recording, Drift, Float[np.ndarray, " d"]]:
    """A recording without drift and slow coordinates if the budget allows it; both of these."""
    sampler = warmup.sampler
    length = max(options.min_recorded, warmup.age)
    most = options.max_recorded(sampler.target.dim)
    is_narrow = sampler.target.single_precision and most > options.max_numbers
    recording = Recording(
        sampler,
        warmup.gradients_before,
        length,
        most,
        options.max_gradients,
        np.float32 if is_narrow else np.float64,
    )
    while True:
        extend_until_accurate(recording, length, options.min_recorded)
        draws = recording.draws
        change = drift(draws)
        age = recording.num_before / recording.thinning
        bias = remaining_bias(warmup.start, draws, sampler.groups, age).largest()
        error = spread_error(recording)
        if sampler.has_several_modes:
            bias = 0.0 * bias  # chains that cross between modes look slow
        depends_on_start = change.is_significant(MAX_DRIFT_SD) or bias.max() > MAX_REMAINING_BIAS
        is_complete = not depends_on_start and error.max() <= MAX_LOG_SD_ERROR
        is_affordable = recording.num_gradients() * CONTINUED_COST_FACTOR <= options.max_gradients
        if is_complete or not is_affordable:
            slowness = np.maximum(bias / MAX_TRUSTED_BIAS, error / MAX_TRUSTED_LOG_SD_ERROR)
            return recording, change, slowness
        length = len(recording)
        if depends_on_start:
            recording.discard_first_half()
            sampler.shorten_steps(float(np.mean(recording.acceptance)))
            length += len(recording)
        else:
            length += max(length // EXTENSIONS_PER_LENGTH, 1)
        recording.plan(length)


def _final_correlation(recording: Recording, warmup: WarmUp) -> Float[np.ndarray, " d"]:
    """Smallest correlation with the starting points over the last transitions."""
    last = recording.draws[:, -NUM_FINAL_CORRELATIONS:].astype(np.float64)
    return np.minimum.reduce(
        [
            start_correlation(warmup.starting_points, positions, warmup.sampler.groups)
            for positions in last.transpose(1, 0, 2)
        ]
    )

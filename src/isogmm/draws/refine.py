"""Refine: parallel chains from the draws of a fit until they have forgotten where they started."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from isogmm.draws.chains.hmc import start_chains
from isogmm.draws.chains.memory import Drift, drift, forgotten_below, memory, tail_error
from isogmm.draws.chains.recording import Recording
from isogmm.draws.chains.sampler import Sampler
from isogmm.mixtures.affine_map import AffineMap
from isogmm.model.fit_target import FitTarget
from isogmm.model.target import Target
from isogmm.validation import check_counts

#: A recording goes on until the tails are known about as well as 4,000 independent draws know
#: them (0.034), but not beyond this multiple of its first length.
TAIL_ERROR, LONGEST_RECORDING = 0.037, 3.0
#: Transitions at the end of a recording that memory is looked for at.
LAST_LOOKS = 4


@dataclass(frozen=True)
class Refine:
    """Options of the refinement.

    Parameters
    ----------
    num_chains
        Parallel chains; a multiple of the batch size wastes no evaluations.
    max_numbers
        Coordinates that may be kept in memory: beyond, fewer chains run and fewer of their
        positions are recorded.
    max_gradients
        Budget of gradient evaluations.  Half of it ends the warm-up, all of it the recording
        once ``min_recorded`` transitions are recorded, twice of it once half of them are.
    min_warmup, min_recorded
        Transitions before recording and while recording, at least.
    """

    num_chains: int = 384
    max_numbers: int = 40_000_000
    max_gradients: int = 1_000_000
    min_warmup: int = 8
    min_recorded: int = 20

    def __post_init__(self) -> None:
        # The halves of a recording are compared.
        check_counts(self, least={"min_warmup": 0, "min_recorded": 2})


@dataclass
class Refined:
    """What the chains found.

    Parameters
    ----------
    draws
        (m, t, d): every recorded position of every chain.
    log_density
        (m, t).
    start
        (m, d): where the chains began.
    groups
        (m,): the mode each chain began in.
    memory
        (d,): correlation with the start when the recording ended.
    forgotten
        Whether all of it fell below the threshold before the recording, and stayed there.
    still_drifting
        Whether the halves of the recording differ.
    acceptance, step_size, num_transitions
        Of the recording.
    stuck
        Share of chains that hardly moved while recording.
    neck
        (·, d): where chains stood, in the warm-up, that needed steps many times smaller.
    scales
        Coordinates that are scales of others, where the chains ran in a non-centered form.
    """

    draws: Float[np.ndarray, "m t d"]
    log_density: Float[np.ndarray, "m t"]
    start: Float[np.ndarray, "m d"]
    groups: Int[np.ndarray, " m"]
    memory: Float[np.ndarray, " d"]
    forgotten: bool
    still_drifting: bool
    drift: Drift
    acceptance: float
    step_size: float
    num_transitions: int
    stuck: float
    neck: Float[np.ndarray, "p d"]
    scales: Int[np.ndarray, " s"]


def refine(
    target: Target,
    positions: Float[np.ndarray, "m d"],
    groups: Int[np.ndarray, " m"],
    affine_map: AffineMap,
    generator: np.random.Generator,
    options: Refine,
    is_enough: Callable[[np.ndarray], bool] | None = None,
) -> Refined | None:
    """Run the chains until they have forgotten their starts, then record as long again.

    Memory is the correlation across chains between now and the start, or the last change to a
    non-centered form; once it has faded for every coordinate, the same number of transitions
    again passes before the recording begins.
    The recording is extended until the tails are known well enough.  One whose halves differ
    counts as warm-up, and another of twice its length follows, as long as the budget allows.
    ``is_enough`` sees the positions (m, d) after the shortest warm-up; where it answers True the
    chains were only a check, and None is returned.
    """
    target = FitTarget.of(target)
    sampler = Sampler(target, start_chains(target, positions, affine_map), groups, generator)
    begin = target.num_gradient_evaluations
    start = origin = sampler.positions
    limit = forgotten_below(*start.shape)
    forgotten_at, warmup = None, options.min_warmup
    while sampler.count < max(warmup, sampler.settled_at) or forgotten_at is None:
        sampler.transition(tune=True)
        if sampler.straightened == sampler.count:
            # In new coordinates the clock starts anew.
            origin, forgotten_at, warmup = sampler.positions, None, options.min_warmup
        remembered = memory(origin, sampler.positions, groups)
        age = sampler.count - sampler.straightened
        if forgotten_at is None and age > 1 and remembered.max() < limit:
            forgotten_at = sampler.count
            warmup = max(warmup, 2 * forgotten_at - sampler.straightened)
        if (
            is_enough is not None
            and sampler.count == options.min_warmup
            and is_enough(sampler.positions)
        ):
            return None
        if target.num_gradient_evaluations - begin > 0.5 * options.max_gradients:
            break
    num_recorded = max(options.min_recorded, sampler.count - sampler.straightened)
    while True:
        record = Recording(sampler, begin, num_recorded, options.max_numbers, options.max_gradients)
        record.extend(num_recorded, at_least=options.min_recorded)
        more = max(num_recorded // 4, 1)
        while (
            len(record.accepted) < LONGEST_RECORDING * num_recorded
            and record.has_room(more)
            and tail_error(record.draws, groups) > TAIL_ERROR
        ):
            record.extend(more)
        moving = drift(record.draws)
        # Far tails make correlations noisy: what is remembered is so at several looks.
        looks = [memory(origin, positions, groups) for positions in record.positions[-LAST_LOOKS:]]
        remembered = np.minimum.reduce(looks)
        still = moving.is_significant(0.05)
        if not still or record.spent() * 2.5 > options.max_gradients:
            break
        num_recorded = 2 * len(record.accepted)
    return Refined(
        draws=record.draws,
        log_density=np.stack(record.log_density, axis=1),
        start=start,
        groups=groups,
        memory=remembered,
        # A little above the limit may be the noise of many coordinates.
        forgotten=bool(forgotten_at is not None and remembered.max() < limit + 0.05),
        still_drifting=still,
        drift=moving,
        acceptance=float(np.mean(record.accepted)),
        step_size=sampler.step_size,
        num_transitions=sampler.count,
        stuck=float((record.moves < 0.1 * len(record.accepted)).mean()),
        neck=np.concatenate([start[:0], *sampler.neck]),
        scales=sampler.scales,
    )

"""Refine: parallel chains from the draws of a fit until they have forgotten where they started."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from isogmm.refine.hmc import Chains, hmc_transition, start_chains
from isogmm.refine.memory import Drift, drift, forgotten_below, memory, tail_error
from isogmm.target import Target
from isogmm.whitening.base import AffineMap

#: Transitions after which the coordinates are whitened anew from the chains.
REWHITEN = (3, 6, 12, 24, 48, 96)
#: Acceptance probability the step size aims at.
ACCEPTANCE = 0.8
#: Steps of mixed sizes go down to this share of the step size.
SMALLEST_FACTOR = 0.03
#: A recording goes on until the tails are known about as well as 4,000 independent draws know
#: them (0.034), but not beyond this multiple of its first length.
TAIL_ERROR, LONGEST_RECORDING = 0.037, 3.0
#: With more than this share of proposals all but hopeless, rejections get a second, smaller try.
HOPELESS_SHARE = 0.01


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
        Budget of gradient evaluations.
    min_warmup, min_recorded
        Transitions before recording and while recording, at least.
    """

    num_chains: int = 384
    max_numbers: int = 40_000_000
    max_gradients: int = 1_000_000
    min_warmup: int = 8
    min_recorded: int = 20


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


class _Sampler:
    """Chains with their tuning: step size, map, whether rejections get a second try."""

    def __init__(
        self, target: Target, chains: Chains, groups: np.ndarray, generator: np.random.Generator
    ) -> None:
        self.target, self.chains, self.groups, self.generator = target, chains, groups, generator
        self.step_size = min(1.0, 1.5 * chains.points.shape[1] ** -0.25)
        self.retry = 0.0
        self.count = 0

    def transition(self, *, tune: bool) -> tuple[float, np.ndarray]:
        """One transition of all chains: mean acceptance probability, who moved."""
        is_warmup = tune
        # A quarter turn of a Gaussian; every third is three times as long, for heavy tails.
        length = 0.5 * np.pi * (3.0 if self.count % 3 == 2 else 1.0)
        length *= self.generator.uniform(0.8, 1.2)
        factors = None
        if self.retry and self.count % 3 == 1:
            # Steps of all sizes: a chain deep in a neck moves when its turn for a small one
            # comes.
            low = np.log(SMALLEST_FACTOR)
            factors = np.exp(self.generator.uniform(low, 0.0, len(self.chains.points)))
            tune = False
        self.chains, probability, moved = hmc_transition(
            self.target,
            self.chains,
            self.generator,
            self.step_size,
            length,
            retry=self.retry,
            step_factors=factors,
        )
        self.count += 1
        if tune:
            error = probability.mean() - ACCEPTANCE
            rate = 2.0 if self.count < 6 else 0.7
            self.step_size *= float(np.exp(np.clip(rate * error, -1.0, 0.3)))
            if self.count >= 3:
                hopeless = float((probability < 0.1).mean())
                self.retry = 4.0 if hopeless > HOPELESS_SHARE else 0.0
        if is_warmup and self.count in REWHITEN:
            self._whiten()
        return float(probability.mean()), moved

    def _whiten(self) -> None:
        """Coordinates in which the chains, within their modes, have unit covariance.

        The sample covariance of m chains is shrunk to the identity (the old coordinates) by
        2d/m, about the relative error of its eigenvalues.
        """
        points = self.chains.points
        count, dim = points.shape
        old = self.chains.affine_map
        centered = points.copy()
        for group in np.unique(self.groups):
            members = self.groups == group
            centered[members] -= points[members].mean(axis=0)
        if old.kind == "dense":
            shrinkage = min(1.0, 2.0 * dim / count)
            covariance = (1.0 - shrinkage) * centered.T @ centered / count
            covariance[np.diag_indices(dim)] += shrinkage
            new = AffineMap(old.center, old.scale, old.factor @ np.linalg.cholesky(covariance))
        else:
            spread = np.sqrt((centered**2).mean(axis=0) + 1e-12)
            if old.kind == "low_rank":
                return
            new = replace(old, scale=old.scale * spread)
        self.chains = self.chains.moved_to(new)


class _Recording:
    """Transitions that are kept: every one, or as many as memory has room for."""

    def __init__(self, sampler: _Sampler, options: Refine, begin: int, length: int) -> None:
        self.sampler, self.options, self.begin = sampler, options, begin
        size = sampler.chains.points.size
        self.every = max(1, -(-length * size // options.max_numbers))
        self.positions: list[np.ndarray] = []
        self.log_density: list[np.ndarray] = []
        self.accepted: list[float] = []
        self.moves = np.zeros(len(sampler.chains.points))

    def spent(self) -> int:
        """Gradients since the refinement began."""
        return self.sampler.target.num_gradient_evaluations - self.begin

    def has_room(self) -> bool:
        """Whether memory and budget allow more."""
        size = self.sampler.chains.points.size
        fits = (len(self.positions) + 1) * size <= self.options.max_numbers
        return self.every == 1 and fits and self.spent() <= self.options.max_gradients

    def extend(self, count: int) -> None:
        """Record so many transitions more, as long as the budget allows."""
        for _ in range(count):
            probability, moved = self.sampler.transition(tune=False)
            if len(self.accepted) % self.every == 0:
                self.positions.append(self.sampler.chains.positions)
                self.log_density.append(self.sampler.chains.log_density)
            self.accepted.append(probability)
            self.moves += moved
            enough = len(self.accepted) >= self.options.min_recorded
            if enough and self.spent() > self.options.max_gradients:
                break

    @property
    def draws(self) -> Float[np.ndarray, "m t d"]:
        """Every kept position of every chain."""
        return np.stack(self.positions, axis=1)


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

    Memory is the correlation across chains between now and the start; once it has faded for
    every coordinate, the same number of transitions again passes before the recording begins.
    The recording is extended until the tails are known well enough.  One whose halves differ
    counts as warm-up, and another of twice its length follows, as long as the budget allows.
    ``is_enough`` sees the positions (m, d) after the shortest warm-up; where it answers True the
    chains were only a check, and None is returned.
    """
    sampler = _Sampler(target, start_chains(target, positions, affine_map), groups, generator)
    begin = target.num_gradient_evaluations
    start = sampler.chains.positions
    limit = forgotten_below(*start.shape)
    forgotten_at, warmup = None, options.min_warmup
    while sampler.count < warmup or forgotten_at is None:
        sampler.transition(tune=True)
        remembered = memory(start, sampler.chains.positions, groups)
        if forgotten_at is None and sampler.count > 1 and remembered.max() < limit:
            forgotten_at = sampler.count
            warmup = max(warmup, 2 * forgotten_at)
        if (
            is_enough is not None
            and sampler.count == options.min_warmup
            and is_enough(sampler.chains.positions)
        ):
            return None
        if target.num_gradient_evaluations - begin > 0.5 * options.max_gradients:
            break
    num_recorded = max(options.min_recorded, sampler.count)
    while True:
        record = _Recording(sampler, options, begin, num_recorded)
        record.extend(num_recorded)
        while (
            tail_error(record.draws, groups) > TAIL_ERROR
            and len(record.accepted) < LONGEST_RECORDING * num_recorded
            and record.has_room()
        ):
            record.extend(max(num_recorded // 4, 1))
        moving = drift(record.draws)
        remembered = memory(start, sampler.chains.positions, groups)
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
        # One look at the end: a little above the limit may be the noise of many coordinates.
        forgotten=bool(forgotten_at is not None and remembered.max() < limit + 0.05),
        still_drifting=still,
        drift=moving,
        acceptance=float(np.mean(record.accepted)),
        step_size=sampler.step_size,
        num_transitions=sampler.count,
        stuck=float((record.moves < 0.1 * len(record.accepted)).mean()),
    )

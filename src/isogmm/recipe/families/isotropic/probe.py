"""Random-walk chains that look for posterior mass outside a mixture, by values alone."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from isogmm.arrays import systematic_indices
from isogmm.draws.pool import Pool
from isogmm.draws.weigh import SmoothedWeights
from isogmm.mixtures.affine_map import AffineMap
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.model.fit_target import FitTarget

#: Chains, steps of each, and steps from one recorded position to the next.
NUM_CHAINS, NUM_STEPS, THINNING = 256, 200, 10
#: Range of the length of a step, log-uniform, in units of the standard deviations of the draws.
MIN_STEP, MAX_STEP = 0.03, 1.0
#: Chains in the tails, at least two for each, the posterior mass of a tail, and the largest length
#: of their steps.  Without these chains a Gaussian fitted to 0.99 N(0, 1) + 0.01 N(0, 36) in two
#: dimensions passed in three of four fits, although its sds were 15 % too small.
NUM_TAIL_CHAINS, TAIL_MASS, MAX_TAIL_STEP = 64, 0.01, 3.0
#: Importance weight, relative to the average one, above which the mixture misses a position.  In a
#: mixture that is correct up to a factor of 10 everywhere, no position is missed.
LARGE_WEIGHT = 10.0


class Probe(NamedTuple):
    """Positions of the chains.

    Parameters
    ----------
    positions
        (m, d): recorded positions in the coordinates of the mixture.
    log_weights
        (m,): log π - log q there, relative to the average importance weight.
    in_tail
        (m,): whether the position is from a chain in a tail.
    """

    positions: Float[np.ndarray, "m d"]
    log_weights: Float[np.ndarray, " m"]
    in_tail: Bool[np.ndarray, " m"]

    @property
    def missed(self) -> Bool[np.ndarray, " m"]:
        """Whether the mixture misses each position."""
        return self.log_weights > np.log(LARGE_WEIGHT)

    @property
    def missed_share(self) -> float:
        """Estimated share of the posterior mass that the mixture misses.

        It is the larger of two estimates: the share of the positions of chains that started from
        all draws, and the share of those in the tails times the mass of all tails.
        """
        tails = 2 * TAIL_MASS * self.positions.shape[1]
        everywhere = float(self.missed[~self.in_tail].mean())
        return max(everywhere, tails * float(self.missed[self.in_tail].mean()))


class _Limits(NamedTuple):
    """Half-spaces that chains may not leave: side · x[column] >= side · bound, for each chain."""

    columns: np.ndarray
    sides: np.ndarray
    bounds: np.ndarray

    def contain(self, positions: np.ndarray) -> np.ndarray:
        """Whether each chain is within its half-space."""
        values = positions[np.arange(len(positions)), self.columns]
        return self.sides * (values - self.bounds) >= 0


def probe(
    target: FitTarget,
    mixture: IsotropicMixture,
    pool: Pool,
    weights: SmoothedWeights,
    generator: np.random.Generator,
) -> Probe:
    """Run random-walk Metropolis chains from weighted draws of a mixture.

    The chains leave the draws for adjacent regions of the posterior that the mixture does not
    reach, such as the ends of a curved ridge.  Importance weights of draws cannot show these.
    Further chains start from the draws at the ends of each coordinate, and stay there: they show
    whether a tail of small mass is longer than that of the mixture.

    Parameters
    ----------
    target, mixture, pool, weights
        The target, the mixture with draws of it, and their importance weights.
    generator
        Source of the noise.
    """
    own, shares = mixture.affine_map, np.exp(weights.log_weights)
    draws = own.inverse(pool.positions.reshape(-1, target.dim))
    log_density, sds = pool.log_density.ravel(), draws.std(axis=0)
    index = systematic_indices(shares, NUM_CHAINS, generator)
    everywhere = _walk(target, own, draws[index], log_density[index], MAX_STEP * sds, generator)
    index, limits = _tails(draws, shares, generator)
    start = draws[index], log_density[index]
    tails = _walk(target, own, *start, MAX_TAIL_STEP * sds, generator, limits)
    positions, values = (np.concatenate(parts) for parts in zip(everywhere, tails, strict=True))
    log_q = mixture.pooled().log_prob(own.forward(positions))
    finite = pool.log_ratios[np.isfinite(pool.log_ratios)]
    largest = finite.max()
    average = largest + np.log(np.exp(finite - largest).sum() / pool.log_ratios.size)
    in_tail = np.arange(len(positions)) >= len(everywhere[0])
    return Probe(positions, values - log_q - average, in_tail)


def _tails(
    draws: Float[np.ndarray, "n d"], shares: Float[np.ndarray, " n"], generator: np.random.Generator
) -> tuple[np.ndarray, _Limits]:
    """Draws at both ends of each coordinate, and the half-spaces with the mass of a tail."""
    dim = draws.shape[1]
    each = max(2, NUM_TAIL_CHAINS // (2 * dim))
    index, bounds = [], []
    for column in range(dim):
        for side in (-1.0, 1.0):
            order = np.argsort(-side * draws[:, column])
            last = int(np.searchsorted(np.cumsum(shares[order]), TAIL_MASS * shares.sum()))
            members = order[: last + 1]
            index.append(members[systematic_indices(shares[members], each, generator)])
            bounds.append(draws[members[-1], column])
    columns, sides = np.repeat(np.arange(dim), 2 * each), np.tile(np.repeat([-1.0, 1.0], each), dim)
    return np.concatenate(index), _Limits(columns, sides, np.repeat(bounds, each))


def _walk(
    target: FitTarget,
    own: AffineMap,
    positions: Float[np.ndarray, "n d"],
    log_density: Float[np.ndarray, " n"],
    largest: Float[np.ndarray, " d"],
    generator: np.random.Generator,
    limits: _Limits | None = None,
) -> tuple[Float[np.ndarray, "m d"], Float[np.ndarray, " m"]]:
    """The recorded positions of chains from these positions, with their log densities."""
    chains, dim = positions.shape
    recorded = []
    for step in range(NUM_STEPS):
        length = np.exp(generator.uniform(np.log(MIN_STEP / MAX_STEP), 0.0, (chains, 1)))
        noise = generator.standard_normal((chains, dim))
        proposed = positions + length * largest * noise / np.sqrt(dim)
        values = target.values(own.forward(proposed))
        accepted = np.log(generator.random(chains)) < values - log_density
        if limits is not None:
            accepted &= limits.contain(proposed)
        positions = np.where(accepted[:, None], proposed, positions)
        log_density = np.where(accepted, values, log_density)
        if (step + 1) % THINNING == 0:
            recorded.append((positions, log_density))
    first, second = zip(*recorded, strict=True)
    return np.concatenate(first), np.concatenate(second)

"""Random-walk chains that look for posterior mass outside a mixture, by values alone."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from isogmm.arrays import systematic_indices
from isogmm.draws.pool import Pool
from isogmm.draws.weigh import SmoothedWeights
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.model.fit_target import FitTarget

#: Chains, steps of each, and steps from one recorded position to the next.
NUM_CHAINS, NUM_STEPS, THINNING = 256, 200, 10
#: Range of the length of a step, log-uniform, in units of the standard deviations of the draws.
MIN_STEP, MAX_STEP = 0.03, 1.0
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
    """

    positions: Float[np.ndarray, "m d"]
    log_weights: Float[np.ndarray, " m"]

    @property
    def missed(self) -> Float[np.ndarray, " m"]:
        """Whether the mixture misses each position."""
        return self.log_weights > np.log(LARGE_WEIGHT)

    @property
    def missed_share(self) -> float:
        """Share of the positions that the mixture misses."""
        return float(self.missed.mean())


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

    Parameters
    ----------
    target, mixture, pool, weights
        The target, the mixture with draws of it, and their importance weights.
    generator
        Source of the noise.
    """
    dim, own = target.dim, mixture.affine_map
    index = systematic_indices(np.exp(weights.log_weights), NUM_CHAINS, generator)
    positions = own.inverse(pool.positions.reshape(-1, dim)[index])
    log_density = pool.log_density.ravel()[index]
    sds = own.inverse(pool.positions.reshape(-1, dim)).std(axis=0)
    recorded = []
    for step in range(NUM_STEPS):
        length = np.exp(generator.uniform(np.log(MIN_STEP), np.log(MAX_STEP), (NUM_CHAINS, 1)))
        noise = generator.standard_normal((NUM_CHAINS, dim))
        proposed = positions + length * sds * noise / np.sqrt(dim)
        values = target.values(own.forward(proposed))
        accepted = np.log(generator.random(NUM_CHAINS)) < values - log_density
        positions = np.where(accepted[:, None], proposed, positions)
        log_density = np.where(accepted, values, log_density)
        if (step + 1) % THINNING == 0:
            recorded.append((positions, log_density))
    positions = np.concatenate([one for one, _ in recorded])
    log_density = np.concatenate([one for _, one in recorded])
    log_q = mixture.pooled().log_prob(own.forward(positions))
    finite = pool.log_ratios[np.isfinite(pool.log_ratios)]
    largest = finite.max()
    average = largest + np.log(np.exp(finite - largest).sum() / pool.log_ratios.size)
    return Probe(positions, log_density - log_q - average)

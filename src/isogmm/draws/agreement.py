"""Comparison of short chains with the weighted draws of a mixture that they started from."""

import numpy as np
from jaxtyping import Float

from isogmm.draws.blocks import coordinate_blocks
from isogmm.draws.pool import Pool

#: Probability of each of the two tails that are compared.
TAIL_PROBABILITY = 0.01


class Agreement:
    """Whether chains that started from the weighted draws still agree with them.

    Pareto k of q's own draws cannot detect a tail that q never visits, but chains reach it.
    Means, mean absolute deviations and the outer 1 % on each side are compared for each
    coordinate.  The limits allow for the Monte Carlo errors of chains and draws, and for the
    number of coordinates.

    Parameters
    ----------
    pool
        Draws of the mixture.
    log_weights
        Their log importance weights, normalized over all chains of the fit.
    """

    def __init__(self, pool: Pool, log_weights: Float[np.ndarray, " n"]) -> None:
        self.points = pool.positions.reshape(-1, pool.positions.shape[-1])
        self.weights = np.exp(log_weights)
        self.ess = 1.0 / (self.weights**2).sum()

    def __call__(self, positions: Float[np.ndarray, "m d"]) -> bool:
        """Whether chains at these positions agree with the draws."""
        dim = positions.shape[-1]
        limit = np.sqrt(2.0 * np.log(4.0 * dim)) + 0.5
        # Sorting all coordinates at once would take several times the memory of the draws.
        return all(
            self._agrees(self.points[:, block], positions[:, block], limit)
            for block in coordinate_blocks(dim)
        )

    def _agrees(
        self, points: Float[np.ndarray, "n b"], positions: Float[np.ndarray, "m b"], limit: float
    ) -> bool:
        """Whether some coordinates agree, within this number of standard errors."""
        mean = self.weights @ points
        sd = np.sqrt(self.weights @ (points - mean) ** 2)
        draws, chains = (points - mean) / sd, (positions - mean) / sd
        error = np.sqrt(1.0 / len(positions) + 1.0 / self.ess)
        for of_draws, of_chains in ((draws, chains), (np.abs(draws), np.abs(chains))):
            difference = of_chains.mean(axis=0) - self.weights @ of_draws
            if np.any(np.abs(difference) > limit * error):
                return False
        low, high = self._tail_quantiles(draws)
        max_share = TAIL_PROBABILITY + limit * np.sqrt(TAIL_PROBABILITY / len(positions))
        shares = np.maximum((chains < low).mean(axis=0), (chains > high).mean(axis=0))
        return bool(np.all(shares < max_share))

    def _tail_quantiles(
        self, draws: Float[np.ndarray, "n b"]
    ) -> tuple[Float[np.ndarray, " b"], Float[np.ndarray, " b"]]:
        """Weighted quantiles of the draws at both tail probabilities."""
        order = np.argsort(draws, axis=0)
        cumulative = np.cumsum(self.weights[order], axis=0)
        low, high = (
            np.take_along_axis(draws, order, 0)[
                np.argmax(cumulative > level, axis=0), np.arange(draws.shape[1])
            ]
            for level in (TAIL_PROBABILITY, 1.0 - TAIL_PROBABILITY)
        )
        return low, high

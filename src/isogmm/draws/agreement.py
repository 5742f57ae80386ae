"""Do chains that walked away from the mixture's draws still look like them?"""

import numpy as np
from jaxtyping import Float

from isogmm.draws.pool import Pool


class Agreement:
    """Whether chains that moved away from the weighted pool still look like it.

    Pareto k from q's own draws cannot see a tail that q never visits; chains walk into it.
    Means, mean absolute deviations and the outer 1 % on each side are compared coordinate by
    coordinate, with limits for the noise of both sides and for the number of coordinates.

    Parameters
    ----------
    pool
        Draws of the mixture.
    log_weights
        Their normalized importance weights, over all chains.
    """

    def __init__(self, pool: Pool, log_weights: Float[np.ndarray, " n"]) -> None:
        self.points = pool.positions.reshape(-1, pool.positions.shape[-1])
        self.weights = np.exp(log_weights)
        self.ess = 1.0 / (self.weights**2).sum()

    def __call__(self, positions: Float[np.ndarray, "m d"]) -> bool:
        """Whether chains at these positions agree with the pool."""
        dim = positions.shape[-1]
        limit = np.sqrt(2.0 * np.log(4.0 * dim)) + 0.5
        # A few coordinates at a time: sorting the whole pool would take several times its size.
        blocks = [slice(begin, begin + 64) for begin in range(0, dim, 64)]
        return all(
            self._agrees(self.points[:, block], positions[:, block], limit) for block in blocks
        )

    def _agrees(
        self, points: Float[np.ndarray, "n b"], positions: Float[np.ndarray, "m b"], limit: float
    ) -> bool:
        mean = self.weights @ points
        sd = np.sqrt(self.weights @ (points - mean) ** 2)
        error = np.sqrt(1.0 / len(positions) + 1.0 / self.ess)
        ours, theirs = (points - mean) / sd, (positions - mean) / sd
        for first, second in ((ours, theirs), (np.abs(ours), np.abs(theirs))):
            if np.any(np.abs(second.mean(axis=0) - self.weights @ first) > limit * error):
                return False
        # Tails: where the pool puts 1 % on each side the chains should put no more than twice.
        order = np.argsort(ours, axis=0)
        cumulative = np.cumsum(self.weights[order], axis=0)
        rows = [np.argmax(cumulative > level, axis=0) for level in (0.01, 0.99)]
        low, high = (np.take_along_axis(ours, order, 0)[r, np.arange(len(mean))] for r in rows)
        allowed = 0.01 + limit * np.sqrt(0.01 / len(positions))
        outside = np.maximum((theirs < low).mean(axis=0), (theirs > high).mean(axis=0))
        return bool(np.all(outside < allowed))

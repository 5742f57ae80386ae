"""Samples of earlier iterations, with the density that all of them together came from."""

import itertools

import numpy as np
from jaxtyping import Float, Int

from isogmm.arrays import logsumexp
from isogmm.optimize.gmmvi.base import Components, Samples, log_prob


class Database:
    """The samples of one chain over the last iterations.

    Batch b of n_b samples came from a mixture p_b of the components of its time, in proportion
    to the samples drawn from each.  Seen as one lot, all N samples come from
    Σ_b (n_b / N) p_b(x), and weights N(x; m_k, Σ_k) over that density give unbiased estimates of
    expectations under component k (the balance heuristic of multiple importance sampling: Veach
    and Guibas 1995).  A table holds log p_b at every sample, so that a batch can leave.

    Parameters
    ----------
    dim
        Dimension of the samples.
    reuse
        Batches that are kept.
    """

    def __init__(self, dim: int, reuse: int) -> None:
        self.reuse = reuse
        self.points = np.empty((0, dim))
        self.log_density = np.empty(0)
        self.gradients = np.empty((0, dim))
        self._proposals: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._table = np.empty((0, 0))
        self._sizes: list[int] = []

    def log_background(self) -> Float[np.ndarray, " n"]:
        """log Σ_b (n_b / N) p_b(x) at the samples."""
        if not self._sizes:
            return np.empty(0)
        return logsumexp(self._table + np.log(np.array(self._sizes) / sum(self._sizes)))

    def effective(self, log_components: Float[np.ndarray, "n k"]) -> Float[np.ndarray, " k"]:
        """Effective number of the samples for each component (Kish)."""
        weights = self._weights(log_components)
        squares = (weights**2).sum(axis=1)
        return np.divide(1.0, squares, out=np.zeros(len(weights)), where=squares > 0)

    def make_room(self) -> None:
        """Forget the oldest batch if one more would be too many."""
        if len(self._sizes) < self.reuse:
            return
        first = self._sizes.pop(0)
        self._proposals.pop(0)
        self._table = self._table[first:, 1:]
        self.points, self.log_density = self.points[first:], self.log_density[first:]
        self.gradients = self.gradients[first:]

    def add(
        self,
        components: Components,
        counts: Int[np.ndarray, " k"],
        points: Float[np.ndarray, "n d"],
        log_density: Float[np.ndarray, " n"],
        gradients: Float[np.ndarray, "n d"],
        old: tuple[np.ndarray, np.ndarray],
    ) -> Samples:
        """Add a batch and look at all samples from the components they were drawn from.

        ``old`` is what ``components.log_prob`` said of the samples that were there before.
        """
        new = components.log_prob(points)
        log_components = np.concatenate([old[0], new[0]])
        whitened = np.concatenate([old[1], new[1]], axis=1)
        drawn = counts > 0
        with np.errstate(divide="ignore"):
            shares = np.log(counts[drawn] / counts.sum())
        column = logsumexp(log_components[:, drawn] + shares)
        table = np.empty((len(self.points) + len(points), len(self._sizes) + 1))
        table[: len(self.points), :-1] = self._table
        table[len(self.points) :, :-1] = self._under_old_proposals(points)
        table[:, -1] = column
        self._table = table
        parts = (components.means[drawn], components.inverse_factors[drawn], shares)
        self._proposals.append(parts)
        self._sizes.append(len(points))
        self.points = np.concatenate([self.points, points])
        self.log_density = np.concatenate([self.log_density, log_density])
        self.gradients = np.concatenate([self.gradients, gradients])
        joint = log_components + components.log_weights
        log_q = logsumexp(joint)
        return Samples(
            points=self.points,
            log_density=self.log_density,
            gradients=self.gradients,
            log_components=log_components,
            whitened=whitened,
            log_q=log_q,
            score=components.score(whitened, np.exp(joint - log_q[:, None])),
            weights=self._weights(log_components),
        )

    def _under_old_proposals(self, points: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n b"]:
        """log p_b of new points for the batches so far, in one go."""
        if not self._proposals:
            return np.empty((len(points), 0))
        means, inverses, shares = (
            np.concatenate(parts) for parts in zip(*self._proposals, strict=True)
        )
        joint = log_prob(points, means, inverses)[0] + shares
        begins = np.cumsum([0, *(len(part[0]) for part in self._proposals)])
        return np.stack([logsumexp(joint[:, i:j]) for i, j in itertools.pairwise(begins)], axis=1)

    def _weights(self, log_components: np.ndarray) -> Float[np.ndarray, "k n"]:
        if not len(log_components):
            return np.zeros((log_components.shape[1], 0))
        log_weights = log_components.T - self.log_background()
        log_weights = np.where(np.isfinite(self.log_density), log_weights, -np.inf)
        largest = log_weights.max(axis=1, keepdims=True)
        weights = np.exp(log_weights - np.where(np.isfinite(largest), largest, 0.0))
        total = weights.sum(axis=1, keepdims=True)
        return weights / np.where(total > 0, total, 1.0)

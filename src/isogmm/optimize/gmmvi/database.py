"""The samples of the last iterations, and the density from which all of them were drawn."""

import itertools

import numpy as np
from jaxtyping import Float, Int

from isogmm.arrays import logsumexp, logsumexp_and_shares
from isogmm.optimize.gmmvi.components import Components, Samples, log_prob


class Database:
    """The samples of one chain over the last iterations.

    The n_b samples of batch b were drawn from a mixture p_b of the components of that iteration, in
    proportion to the number of samples of each.  All N samples together come from
    Σ_b (n_b / N) p_b(x).  The weights N(x; m_k, Σ_k) over this density give unbiased estimates of
    expectations under component k: the balance heuristic of multiple importance sampling (Veach
    and Guibas 1995).  A table holds log p_b at every sample, so that a batch can be removed.

    Parameters
    ----------
    dim
        Dimension of the samples.
    reuse
        Number of batches that are kept.
    """

    def __init__(self, dim: int, reuse: int) -> None:
        self.reuse = reuse
        self.points = np.empty((0, dim))
        self.log_density = np.empty(0)
        self.gradients = np.empty((0, dim))
        #: Of each batch: means, inverse factors and log shares of the components of p_b.
        self._proposals: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        #: log p_b at every sample (n, b).
        self._table = np.empty((0, 0))
        self._sizes: list[int] = []

    def log_background(self) -> Float[np.ndarray, " n"]:
        """log Σ_b (n_b / N) p_b(x) at the samples."""
        if not self._sizes:
            return np.empty(0)
        return logsumexp(self._table + np.log(np.array(self._sizes) / sum(self._sizes)))

    def effective(self, log_components: Float[np.ndarray, "n k"]) -> Float[np.ndarray, " k"]:
        """Kish's effective number of the samples for each component."""
        weights = self._weights(log_components)
        squares = (weights**2).sum(axis=1)
        return np.divide(1.0, squares, out=np.zeros(len(weights)), where=squares > 0)

    def make_room(self) -> None:
        """Remove the oldest batch if the number of batches is at its limit."""
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
        earlier: tuple[Float[np.ndarray, "n0 k"], Float[np.ndarray, "k n0 d"]],
    ) -> Samples:
        """Add a batch and return all samples with their densities.

        Parameters
        ----------
        components, counts
            The mixture, and the number of new samples of each of its components.
        points, log_density, gradients
            The new samples, log π and its gradient.
        earlier
            ``components.log_prob`` of the samples before the addition.
        """
        new = components.log_prob(points)
        log_components = np.concatenate([earlier[0], new[0]])
        whitened = np.concatenate([earlier[1], new[1]], axis=1)
        self._append(components, counts, points, log_components)
        self.points = np.concatenate([self.points, points])
        self.log_density = np.concatenate([self.log_density, log_density])
        self.gradients = np.concatenate([self.gradients, gradients])
        log_q, responsibilities = logsumexp_and_shares(log_components + components.log_weights)
        return Samples(
            points=self.points,
            log_density=self.log_density,
            gradients=self.gradients,
            log_components=log_components,
            whitened=whitened,
            log_q=log_q,
            score=components.score(whitened, responsibilities),
            weights=self._weights(log_components),
        )

    def _append(
        self,
        components: Components,
        counts: Int[np.ndarray, " k"],
        points: Float[np.ndarray, "n d"],
        log_components: Float[np.ndarray, "m k"],
    ) -> None:
        """Append a batch to the proposals and to the table."""
        drawn = counts > 0
        with np.errstate(divide="ignore"):
            shares = np.log(counts[drawn] / counts.sum())
        table = np.empty((len(log_components), len(self._sizes) + 1))
        table[: len(self.points), :-1] = self._table
        table[len(self.points) :, :-1] = self._under_earlier_proposals(points)
        table[:, -1] = logsumexp(log_components[:, drawn] + shares)
        self._table = table
        self._proposals.append((components.means[drawn], components.inverse_factors[drawn], shares))
        self._sizes.append(len(points))

    def _under_earlier_proposals(
        self, points: Float[np.ndarray, "n d"]
    ) -> Float[np.ndarray, "n b"]:
        """log p_b of new points for the earlier batches, with one evaluation for all components."""
        if not self._proposals:
            return np.empty((len(points), 0))
        means, inverses, shares = (
            np.concatenate(parts) for parts in zip(*self._proposals, strict=True)
        )
        joint = log_prob(points, means, inverses)[0] + shares
        begins = np.cumsum([0, *(len(part[0]) for part in self._proposals)])
        return np.stack([logsumexp(joint[:, i:j]) for i, j in itertools.pairwise(begins)], axis=1)

    def _weights(self, log_components: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "k n"]:
        """Importance weights of the samples, normalized for each component."""
        if not len(log_components):
            return np.zeros((log_components.shape[1], 0))
        log_weights = log_components.T - self.log_background()
        log_weights = np.where(np.isfinite(self.log_density), log_weights, -np.inf)
        largest = log_weights.max(axis=1, keepdims=True)
        weights = np.exp(log_weights - np.where(np.isfinite(largest), largest, 0.0))
        total = weights.sum(axis=1, keepdims=True)
        return weights / np.where(total > 0, total, 1.0)

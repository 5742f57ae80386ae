"""Fresh draws of the fitted mixtures and what their importance ratios say."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from isogmm.draws.importance import effective_sample_size
from isogmm.model.target import Target


@dataclass
class Pool:
    """Fresh draws of every chain's mixture, never those of the fit.

    Axes: c chains, n draws, d coordinates.

    Parameters
    ----------
    positions, components
        (c, n, d), (c, n).
    log_density
        (c, n): log joint; -inf outside the support.
    log_q_own, log_q_pooled
        (c, n): density of the chain's own mixture, and of all chains pooled.
    """

    positions: Float[np.ndarray, "c n d"]
    components: Int[np.ndarray, "c n"]
    log_density: Float[np.ndarray, "c n"]
    log_q_own: Float[np.ndarray, "c n"]
    log_q_pooled: Float[np.ndarray, "c n"]

    @property
    def log_ratios(self) -> Float[np.ndarray, " cn"]:
        """log π - log q of all draws, against the pooled mixture."""
        return (self.log_density - self.log_q_pooled).ravel()

    def elbos(self) -> tuple[Float[np.ndarray, " c"], Float[np.ndarray, " c"]]:
        """ELBO of every chain, E_q[log π - log q], and its standard error.

        Draws outside the support are left out; a mixture with such draws has an ELBO of minus
        infinity in theory, their share is reported as ``nonfinite``.  Where no draw is inside
        it is that: -inf, with an infinite error.
        """
        ratios = self.log_density - self.log_q_own
        finite = np.isfinite(ratios)
        count = np.maximum(finite.sum(axis=1), 1)
        mean = np.where(finite, ratios, 0.0).sum(axis=1) / count
        spread = np.where(finite, (ratios - mean[:, None]) ** 2, 0.0).sum(axis=1) / count
        none = ~finite.any(axis=1)
        return np.where(none, -np.inf, mean), np.where(none, np.inf, np.sqrt(spread / count))

    def pooled_elbo(self) -> tuple[float, float]:
        """ELBO of the pooled mixture and its standard error."""
        ratios = self.log_ratios
        ratios = ratios[np.isfinite(ratios)]
        if not len(ratios):
            return -np.inf, np.inf
        return float(ratios.mean()), float(ratios.std() / np.sqrt(len(ratios)))

    def importance_ess(self) -> float:
        """Kish's effective sample size of the importance ratios."""
        return effective_sample_size(self.log_ratios) if np.isfinite(self.log_ratios).any() else 0.0

    def joined(self, other: "Pool") -> "Pool":
        """The draws of both, chain by chain."""
        return Pool(
            *(
                np.concatenate([getattr(self, part.name), getattr(other, part.name)], axis=1)
                for part in fields(self)
            )
        )

    @property
    def nonfinite(self) -> int:
        """Draws without a finite log density."""
        return int((~np.isfinite(self.log_density)).sum())


def draw_pool(target: Target, mixture: Any, generator: np.random.Generator, num_draws: int) -> Pool:
    """Draw ``num_draws`` a chain, in strata over the components, and evaluate them."""
    positions, components = mixture.sample(generator, num_draws)
    log_density, _ = target.evaluate(positions)
    chains = len(positions)
    own = np.stack([mixture[chain].log_prob(positions[chain]) for chain in range(chains)])
    pooled = mixture.pooled()
    # In pieces: n by c k responsibilities of all draws at once would be the largest array.
    flat = positions.reshape(-1, positions.shape[-1])
    log_q = np.concatenate([pooled.log_prob(part) for part in np.array_split(flat, 16)])
    return Pool(positions, components, log_density, own, log_q.reshape(chains, num_draws))

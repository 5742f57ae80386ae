"""Draws of the fitted mixtures, independent of the fit, and estimates from their ratios."""

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float, Int

from isogmm.arrays import mean_and_standard_error
from isogmm.draws.importance import effective_sample_size
from isogmm.mixtures.abstract import AbstractMixture
from isogmm.model.target import Target


@dataclass
class Pool:
    """New draws of the mixture of every chain; none of them was used in the fit.

    Axes: c chains, n draws, d coordinates.

    Parameters
    ----------
    positions, components
        (c, n, d), (c, n): the draws and the component that each was drawn from.
    log_density
        (c, n): log joint density; -inf outside the support.
    log_q_own, log_q_pooled
        (c, n): log density of the chain's own mixture, and of the mixture of all chains.
    """

    positions: Float[np.ndarray, "c n d"]
    components: Int[np.ndarray, "c n"]
    log_density: Float[np.ndarray, "c n"]
    log_q_own: Float[np.ndarray, "c n"]
    log_q_pooled: Float[np.ndarray, "c n"]

    @property
    def log_ratios(self) -> Float[np.ndarray, " cn"]:
        """log π - log q of all draws, with q the mixture of all chains."""
        return (self.log_density - self.log_q_pooled).ravel()

    def elbos(self) -> tuple[Float[np.ndarray, " c"], Float[np.ndarray, " c"]]:
        """ELBO of every chain, E_q[log π - log q], and its standard error."""
        estimates = [_elbo(ratios) for ratios in self.log_density - self.log_q_own]
        elbos, errors = zip(*estimates, strict=True)
        return np.array(elbos), np.array(errors)

    def pooled_elbo(self) -> tuple[float, float]:
        """ELBO of the mixture of all chains, and its standard error."""
        return _elbo(self.log_ratios)

    def importance_ess(self) -> float:
        """Kish's effective sample size of the importance ratios."""
        return effective_sample_size(self.log_ratios) if np.isfinite(self.log_ratios).any() else 0.0

    def joined(self, other: "Pool") -> "Pool":
        """The draws of both pools, chain by chain."""
        return Pool(
            *(
                np.concatenate([getattr(self, part.name), getattr(other, part.name)], axis=1)
                for part in fields(self)
            )
        )

    @property
    def num_nonfinite(self) -> int:
        """Number of draws without a finite log density."""
        return int((~np.isfinite(self.log_density)).sum())


def _elbo(log_ratios: Float[np.ndarray, " n"]) -> tuple[float, float]:
    """Mean of the finite log π - log q and its standard error; -inf and inf if none is finite.

    The ELBO of a mixture with draws outside the support is -inf.  Such draws are left out here,
    and reported as ``num_nonfinite``.
    """
    finite = log_ratios[np.isfinite(log_ratios)]
    return mean_and_standard_error(finite) if len(finite) else (-np.inf, np.inf)


def draw_pool(
    target: Target, mixture: AbstractMixture, generator: np.random.Generator, num_draws: int
) -> Pool:
    """Draw ``num_draws`` for every chain, balanced over components and space; evaluate them."""
    positions, components = mixture.sample(generator, num_draws, is_balanced=True)
    log_density, _ = target.evaluate(positions)
    chains = len(positions)
    own = np.stack([mixture[chain].log_prob(positions[chain]) for chain in range(chains)])
    log_q = mixture.pooled().log_prob(positions.reshape(-1, positions.shape[-1]))
    return Pool(positions, components, log_density, own, log_q.reshape(chains, num_draws))

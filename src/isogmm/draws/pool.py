"""Draws of the fitted mixtures, independent of the fit, and estimates from their ratios."""

from dataclasses import dataclass, fields, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from isogmm.arrays import mean_and_standard_error
from isogmm.draws.importance import effective_sample_size
from isogmm.mixtures.abstract import AbstractMixture
from isogmm.model.fit_target import FitTarget
from isogmm.model.target import Target
from isogmm.results.interruption import interruptible


@dataclass
class Pool:
    """New draws of the mixture of every chain; none of them was used in the fit.

    Axes: c chains, n draws, d coordinates.

    Parameters
    ----------
    positions, components
        (c, n, d), (c, n): the draws and the component that each was drawn from.
    log_density
        (c, n): log joint density; -inf outside the support, and NaN for draws that were not
        evaluated because a time limit had passed.
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
        ratios = self.log_ratios[self.is_evaluated]
        return effective_sample_size(ratios) if np.isfinite(ratios).any() else 0.0

    def joined(self, other: "Pool") -> "Pool":
        """The draws of both pools, chain by chain."""
        return Pool(
            *(
                np.concatenate([getattr(self, part.name), getattr(other, part.name)], axis=1)
                for part in fields(self)
            )
        )

    def narrowed(self) -> "Pool":
        """The same with positions in single precision, which take half of the memory."""
        return replace(self, positions=self.positions.astype(np.float32))

    @property
    def is_evaluated(self) -> Bool[np.ndarray, " cn"]:
        """Whether the log density of each draw was evaluated, which a time limit can prevent."""
        return ~np.isnan(self.log_density.ravel())

    @property
    def num_nonfinite(self) -> int:
        """Number of draws that were evaluated and have no finite log density."""
        return int(np.isneginf(self.log_density).sum())


def _elbo(log_ratios: Float[np.ndarray, " n"]) -> tuple[float, float]:
    """Mean of the finite log π - log q and its standard error; -inf and inf if none is finite.

    The ELBO of a mixture with draws outside the support is -inf.  Such draws are left out here,
    and reported as ``num_nonfinite``.  The ELBO is NaN if no draw was evaluated.
    """
    finite = log_ratios[np.isfinite(log_ratios)]
    if not len(finite):
        return np.nan if np.isnan(log_ratios).all() else -np.inf, np.inf
    return mean_and_standard_error(finite)


def draw_pool(
    target: Target, mixture: AbstractMixture, generator: np.random.Generator, num_draws: int
) -> Pool:
    """Draw ``num_draws`` for every chain, balanced over components and space; evaluate them."""
    positions, components = mixture.sample(generator, num_draws, is_balanced=True)
    log_density = target.values(positions)
    return _pool_of(mixture, positions, components, log_density)


def draw_pool_in_time(
    target: FitTarget, mixture: AbstractMixture, generator: np.random.Generator, num_draws: int
) -> Pool:
    """A pool for a fit whose time limit has passed: as :func:`draw_pool`, partly evaluated.

    The first draws of every chain are evaluated, until the grace period of the limit ends.  If the
    fit has no limit, all are evaluated.
    """
    positions, components = mixture.sample(generator, num_draws, is_balanced=True)
    chains = len(positions)
    log_density = np.full((chains, num_draws), np.nan)
    largest, size, begin = max(1, target.batch_size // chains), 1, 0
    if target.limit.grace is None:
        largest = size = num_draws
    with interruptible(target, has_result=True), target.limit.extended():
        while begin < num_draws:
            rows = slice(begin, begin + size)
            log_density[:, rows] = target.values(positions[:, rows])
            # Small parts first, so that some draws of a costly model are evaluated in time.
            begin, size = begin + size, min(2 * size, largest)
    return _pool_of(mixture, positions, components, log_density)


def _pool_of(
    mixture: AbstractMixture,
    positions: Float[np.ndarray, "c n d"],
    components: Int[np.ndarray, "c n"],
    log_density: Float[np.ndarray, "c n"],
) -> Pool:
    """The pool of these draws, with the log densities of the mixtures."""
    chains = len(positions)
    own = np.stack([mixture[chain].log_prob(positions[chain]) for chain in range(chains)])
    log_q = mixture.pooled().log_prob(positions.reshape(-1, positions.shape[-1]))
    return Pool(positions, components, log_density, own, log_q.reshape(chains, -1))

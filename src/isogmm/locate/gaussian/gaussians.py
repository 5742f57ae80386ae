"""Several Gaussians N(m, L Lᵀ) of one dimension, with dense or diagonal factors."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from isogmm.locate.gaussian.factors import Factor


@dataclass
class Gaussians:
    """Several Gaussian candidates that advance together.

    Parameters
    ----------
    means
        (c, d).
    factors
        (c, d, d), lower triangular L with covariance L Lᵀ; or (c, d), standard deviations.
    elbo, elbo_se
        (c,): E_q[log π - log q] from the draws of the last iteration, and its standard error.
    alive
        (c,): False for candidates that have diverged.
    """

    means: Float[np.ndarray, "c d"]
    factors: Float[np.ndarray, "c d d"] | Float[np.ndarray, "c d"]
    elbo: Float[np.ndarray, " c"]
    elbo_se: Float[np.ndarray, " c"]
    alive: Bool[np.ndarray, " c"]

    @classmethod
    def start(
        cls,
        means: Float[np.ndarray, "c d"],
        factors: Float[np.ndarray, "c d d"] | Float[np.ndarray, "c d"],
    ) -> "Gaussians":
        """Candidates before their first iteration, without a known ELBO."""
        count = len(means)
        return cls(
            means=means,
            factors=factors,
            elbo=np.full(count, -np.inf),
            elbo_se=np.full(count, np.inf),
            alive=np.ones(count, dtype=bool),
        )

    @property
    def is_diagonal(self) -> bool:
        """Whether the factors are standard deviations."""
        return self.factors.ndim == 2

    def take(self, index: Int[np.ndarray, " k"]) -> "Gaussians":
        """The candidates with these indices."""
        return Gaussians(
            means=self.means[index],
            factors=self.factors[index],
            elbo=self.elbo[index],
            elbo_se=self.elbo_se[index],
            alive=self.alive[index],
        )

    def replaced(self, index: Int[np.ndarray, " k"], others: "Gaussians") -> "Gaussians":
        """All candidates, with others in place of those with these indices."""
        result = self.take(np.arange(len(self.means)))
        result.means[index], result.factors[index] = others.means, others.factors
        result.elbo[index], result.elbo_se[index] = others.elbo, others.elbo_se
        result.alive[index] = others.alive
        return result

    def covariance(self, index: int) -> Float[np.ndarray, "d d"]:
        """L Lᵀ of one candidate."""
        factor: Factor = self.factors[index]
        return np.diag(factor**2) if factor.ndim == 1 else factor @ factor.T

    def forward(self, normal_draws: Float[np.ndarray, "c n d"]) -> Float[np.ndarray, "c n d"]:
        """x = m + L ε for draws ε of each candidate."""
        if self.is_diagonal:
            return self.means[:, None] + normal_draws * self.factors[:, None]
        return self.means[:, None] + normal_draws @ self.factors.transpose(0, 2, 1)

    def pull_back(self, gradients: Float[np.ndarray, "c n d"]) -> Float[np.ndarray, "c n d"]:
        """Gradients Lᵀ ∇ log π with respect to the draws ε."""
        if self.is_diagonal:
            return gradients * self.factors[:, None]
        return gradients @ self.factors

    def log_det(self) -> Float[np.ndarray, " c"]:
        """log det L of each candidate."""
        if self.is_diagonal:
            return np.log(self.factors).sum(-1)
        return np.log(np.diagonal(self.factors, axis1=1, axis2=2)).sum(-1)

"""Design choice 1 of GMMVI: estimates of the natural gradient."""

import functools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from isogmm.errors import OptionError
from isogmm.optimize.gmmvi.base import AbstractNaturalGradients


@dataclass(frozen=True)
class Stein(AbstractNaturalGradients):
    """First order, by Stein's identity: E[∇² h] = E[z ∇h(z)ᵀ] under a standard normal.

    With δ = ∇ log(q/π), the estimates are Σ_i w_i δ_i and the symmetric part of Σ_i w_i z_i δ_iᵀ.

    References
    ----------
    Arenz, Dahlinger, Ye, Volpp, Neumann (2023). A unified perspective on natural gradient
    variational inference with Gaussian mixture models. arXiv:2209.11533; Lin, Khan, Schmidt
    (2019). Stein's lemma for the reparameterization trick with exponential family mixtures.
    arXiv:1910.13398.
    """

    def samples_needed(self, dim: int, diagonal: bool) -> int:
        """Twice the dimension, 20 at least."""
        return 20 if diagonal else max(20, 2 * dim)

    def estimate(
        self,
        whitened: Float[np.ndarray, "n d"],
        weights: Float[np.ndarray, " n"],
        log_ratio: Float[np.ndarray, " n"],
        difference: Float[np.ndarray, "n d"],
        diagonal: bool,
    ) -> tuple[Float[np.ndarray, " d"], np.ndarray]:
        """See :class:`isogmm.gmmvi.AbstractNaturalGradients`."""
        weighted = weights[:, None] * difference
        gradient = weighted.sum(axis=0)
        if diagonal:
            return gradient, (whitened * weighted).sum(axis=0)
        hessian = whitened.T @ weighted
        return gradient, 0.5 * (hessian + hessian.T)


@dataclass(frozen=True)
class Regression(AbstractNaturalGradients):
    """First order, by regression of δ = ∇ log(q/π) on z: the slope is E[∇² log(q/π)].

    With C the weighted covariance of the z and D that of z and δ, the slope is
    ((n C + ν I) / (n + ν))⁻¹ D, n the effective sample size.  Under a standard normal C is the
    identity, and replacing it so (ν → ∞) gives Stein's identity; its own noise cancels in the
    quotient, exactly so where π and q are Gaussian.

    Parameters
    ----------
    prior_count
        ν as a multiple of the dimension: samples that count for C = I.

    Raises
    ------
    OptionError
        If the count is not positive.
    """

    prior_count: float = 0.2

    def __post_init__(self) -> None:
        if not self.prior_count > 0:
            raise OptionError(f"prior_count must be positive, not {self.prior_count}")

    def samples_needed(self, dim: int, diagonal: bool) -> int:
        """Twice the dimension, 20 at least."""
        return 20 if diagonal else max(20, 2 * dim)

    def estimate(
        self,
        whitened: Float[np.ndarray, "n d"],
        weights: Float[np.ndarray, " n"],
        log_ratio: Float[np.ndarray, " n"],
        difference: Float[np.ndarray, "n d"],
        diagonal: bool,
    ) -> tuple[Float[np.ndarray, " d"], np.ndarray]:
        """See :class:`isogmm.gmmvi.AbstractNaturalGradients`."""
        dim = whitened.shape[1]
        center, middle = weights @ whitened, weights @ difference
        z, delta = whitened - center, difference - middle
        weighted = weights[:, None] * z
        count = 1.0 / (weights @ weights)
        prior = self.prior_count * (1.0 if diagonal else dim)
        if diagonal:
            spread = (count * (weighted * z).sum(axis=0) + prior) / (count + prior)
            slope = (weighted * delta).sum(axis=0) / spread
            return middle - slope * center, slope
        spread = (count * (weighted.T @ z) + prior * np.eye(dim)) / (count + prior)
        slope = np.linalg.solve(spread, weighted.T @ delta)
        slope = 0.5 * (slope + slope.T)
        return middle - slope @ center, slope


@functools.cache
def _pairs(dim: int, diagonal: bool) -> tuple[np.ndarray, np.ndarray]:
    if diagonal:
        return np.arange(dim), np.arange(dim)
    return np.triu_indices(dim)


@dataclass(frozen=True)
class More(AbstractNaturalGradients):
    """Zero order: a quadratic fitted to log(π/q) by weighted ridge regression; no gradient is used.

    log(π/q) ≈ c + bᵀ z + ½ zᵀ H z under the component; the estimates are −b and −H.  There are
    1 + d + d (d + 1) / 2 coefficients: this is for few dimensions.

    Parameters
    ----------
    ridge
        Penalty of the squared coefficients (the constant's left out), relative to the sum of the
        weights.

    Raises
    ------
    OptionError
        If the penalty is negative.

    References
    ----------
    Abdolmaleki, Lioutikov, Lau, Reis, Peters, Neumann (2015). Model-based relative entropy
    stochastic search; Arenz, Zhong, Neumann (2020). Trust-region variational inference with
    Gaussian mixture models. arXiv:1907.04710.
    """

    ridge: float = 1e-6

    def __post_init__(self) -> None:
        if not self.ridge >= 0:
            raise OptionError(f"ridge must not be negative: {self.ridge}")

    def samples_needed(self, dim: int, diagonal: bool) -> int:
        """Twice the number of coefficients, 20 at least."""
        return max(20, 2 * (1 + dim + len(_pairs(dim, diagonal)[0])))

    def estimate(
        self,
        whitened: Float[np.ndarray, "n d"],
        weights: Float[np.ndarray, " n"],
        log_ratio: Float[np.ndarray, " n"],
        difference: Float[np.ndarray, "n d"],
        diagonal: bool,
    ) -> tuple[Float[np.ndarray, " d"], np.ndarray]:
        """See :class:`isogmm.gmmvi.AbstractNaturalGradients`."""
        dim = whitened.shape[1]
        rows, columns = _pairs(dim, diagonal)
        features = np.concatenate(
            [np.ones((len(whitened), 1)), whitened, whitened[:, rows] * whitened[:, columns]],
            axis=1,
        )
        weighted = weights[:, None] * features
        penalty = np.full(features.shape[1], self.ridge)
        penalty[0] = 0.0
        # The smallest number that keeps the system solvable where samples are scarce.
        normal = weighted.T @ features + np.diag(penalty + 1e-12)
        coefficients = np.linalg.solve(normal, weighted.T @ log_ratio)
        gradient, products = coefficients[1 : dim + 1], coefficients[dim + 1 :]
        if diagonal:
            return -gradient, -2.0 * products
        hessian = np.zeros((dim, dim))
        hessian[rows, columns] = products
        return -gradient, -(hessian + hessian.T)

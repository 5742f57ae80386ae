"""Design choice 1 of GMMVI: estimates of the natural gradient from samples of a component."""

import functools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from isogmm.errors import OptionError
from isogmm.optimize.gmmvi.base import AbstractNaturalGradients

#: Smallest effective number of samples for an estimate.
MIN_SAMPLES = 20

#: Effective samples for each coordinate (first order) or for each coefficient (zero order).
SAMPLES_PER_COEFFICIENT = 2

#: Addition to the diagonal of the normal equations, which keeps them solvable with few samples.
MIN_RIDGE = 1e-12


def _first_order_samples(dim: int, diagonal: bool) -> int:
    """Effective number of samples for an estimate of first order."""
    return MIN_SAMPLES if diagonal else max(MIN_SAMPLES, SAMPLES_PER_COEFFICIENT * dim)


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
        """Twice the dimension, at least 20; for diagonals 20."""
        return _first_order_samples(dim, diagonal)

    def estimate(
        self,
        whitened: Float[np.ndarray, "n d"],
        weights: Float[np.ndarray, " n"],
        log_ratio: Float[np.ndarray, " n"],
        difference: Float[np.ndarray, "n d"],
        diagonal: bool,
    ) -> tuple[Float[np.ndarray, " d"], Float[np.ndarray, "d d"] | Float[np.ndarray, " d"]]:
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

    With C the weighted covariance of z, D the weighted covariance of z and δ, and n the effective
    sample size, the slope is ((n C + ν I) / (n + ν))⁻¹ D.  The expectation of C is the identity,
    and C = I (ν → ∞) gives Stein's identity.  With the estimated C the Monte Carlo errors of C and
    D cancel in the quotient, and they cancel exactly if π and q are Gaussian.

    Parameters
    ----------
    prior_count
        ν divided by the dimension (for diagonal covariances ν itself): the weight of C = I, as a
        number of samples.

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
        """Twice the dimension, at least 20; for diagonals 20."""
        return _first_order_samples(dim, diagonal)

    def estimate(
        self,
        whitened: Float[np.ndarray, "n d"],
        weights: Float[np.ndarray, " n"],
        log_ratio: Float[np.ndarray, " n"],
        difference: Float[np.ndarray, "n d"],
        diagonal: bool,
    ) -> tuple[Float[np.ndarray, " d"], Float[np.ndarray, "d d"] | Float[np.ndarray, " d"]]:
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
def _pairs(dim: int, diagonal: bool) -> tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"]]:
    """The two coordinates of each quadratic term."""
    if diagonal:
        return np.arange(dim), np.arange(dim)
    return np.triu_indices(dim)


@dataclass(frozen=True)
class More(AbstractNaturalGradients):
    """Zero order: a quadratic fitted to log(π/q) by weighted ridge regression, without gradients.

    log(π/q) ≈ c + bᵀ z + ½ zᵀ H z under the component; the estimates are −b and −H.  There are
    1 + d + d (d + 1) / 2 coefficients, so that the estimate is suitable for small d only.

    Parameters
    ----------
    ridge
        Penalty on the squared coefficients other than the constant, relative to the sum of the
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
            raise OptionError(f"ridge must be at least 0, not {self.ridge}")

    def samples_needed(self, dim: int, diagonal: bool) -> int:
        """Twice the number of coefficients, at least 20."""
        num_coefficients = 1 + dim + len(_pairs(dim, diagonal)[0])
        return max(MIN_SAMPLES, SAMPLES_PER_COEFFICIENT * num_coefficients)

    def estimate(
        self,
        whitened: Float[np.ndarray, "n d"],
        weights: Float[np.ndarray, " n"],
        log_ratio: Float[np.ndarray, " n"],
        difference: Float[np.ndarray, "n d"],
        diagonal: bool,
    ) -> tuple[Float[np.ndarray, " d"], Float[np.ndarray, "d d"] | Float[np.ndarray, " d"]]:
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
        normal = weighted.T @ features + np.diag(penalty + MIN_RIDGE)
        coefficients = np.linalg.solve(normal, weighted.T @ log_ratio)
        gradient, products = coefficients[1 : dim + 1], coefficients[dim + 1 :]
        if diagonal:
            return -gradient, -2.0 * products
        hessian = np.zeros((dim, dim))
        hessian[rows, columns] = products
        return -gradient, -(hessian + hessian.T)

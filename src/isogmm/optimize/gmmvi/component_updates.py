"""Design choice 2 of GMMVI: direct steps, steps that stay positive, and steps in a trust region.

All are natural-gradient steps, Λ⁺ = Λ + β G and m⁺ = m − β Σ⁺ g with G = E[∇² log(q/π)] and
g = E[∇ log(q/π)]; they differ in how β is found and in what keeps Λ⁺ positive.  In the own
coordinates of the component, turned so that G is diagonal with values b, Λ⁺ is 1 + β b.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from isogmm.optimize.gmmvi.base import AbstractComponentUpdate

Updated = tuple[Float[np.ndarray, "k d"], Float[np.ndarray, "k d"], Bool[np.ndarray, " k"]]

#: Halvings of the interval in which a multiplier is sought.
HALVINGS = 30


@dataclass(frozen=True)
class Direct(AbstractComponentUpdate):
    """β is the step size; a component whose precision would not be positive stays."""

    def update(
        self,
        gradients: Float[np.ndarray, "k d"],
        values: Float[np.ndarray, "k d"],
        steps: Float[np.ndarray, " k"],
    ) -> Updated:
        """See :class:`isogmm.gmmvi.AbstractComponentUpdate`."""
        return _moved(gradients, values, np.minimum(steps, 1.0))


@dataclass(frozen=True)
class ImprovedBayesian(AbstractComponentUpdate):
    """The improved Bayesian learning rule: Λ⁺ = Λ + β G + β²/2 G Σ G is always positive.

    The mean moves by −β Σ g, with the old covariance.

    References
    ----------
    Lin, Schmidt, Khan (2020). Handling the positive-definite constraint in the Bayesian learning
    rule. arXiv:2002.10060.
    """

    def update(
        self,
        gradients: Float[np.ndarray, "k d"],
        values: Float[np.ndarray, "k d"],
        steps: Float[np.ndarray, " k"],
    ) -> Updated:
        """See :class:`isogmm.gmmvi.AbstractComponentUpdate`."""
        change = np.minimum(steps, 1.0)[:, None] * values
        variances = 1.0 / (1.0 + change + 0.5 * change**2)
        means = -np.minimum(steps, 1.0)[:, None] * gradients
        return means, variances, _good(means, variances)


@dataclass(frozen=True)
class TrustRegion(AbstractComponentUpdate):
    """β is the largest, at most 1, with KL(new ‖ old) no larger than the step size.

    β = 1 / (1 + η), η the Lagrange multiplier of the bound, found by bisection: with b and g as
    above, KL = ½ Σ_i [1/(1 + β b_i) − 1 + log(1 + β b_i) + (β g_i / (1 + β b_i))²], which grows
    with β.

    References
    ----------
    Arenz, Zhong, Neumann (2020). Trust-region variational inference with Gaussian mixture
    models. arXiv:1907.04710.
    """

    def update(
        self,
        gradients: Float[np.ndarray, "k d"],
        values: Float[np.ndarray, "k d"],
        steps: Float[np.ndarray, " k"],
    ) -> Updated:
        """See :class:`isogmm.gmmvi.AbstractComponentUpdate`."""
        low, high = np.zeros(len(steps)), np.ones(len(steps))
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            fits = divergence(gradients, values, middle) <= steps
            low, high = np.where(fits, middle, low), np.where(fits, high, middle)
        whole = divergence(gradients, values, np.ones(len(steps))) <= steps
        return _moved(gradients, values, np.where(whole, 1.0, low))


def divergence(
    gradients: Float[np.ndarray, "k d"],
    values: Float[np.ndarray, "k d"],
    shares: Float[np.ndarray, " k"],
) -> Float[np.ndarray, " k"]:
    """KL(new ‖ old) after steps with these β; infinite where the precision is not positive."""
    shares = shares[:, None]
    precision = 1.0 + shares * values
    positive = (precision > 0).all(axis=1)
    precision = np.where(positive[:, None], precision, 1.0)
    shift = shares * gradients / precision
    terms = 1.0 / precision - 1.0 + np.log(precision) + shift**2
    return np.where(positive, 0.5 * terms.sum(axis=1), np.inf)


def _moved(gradients: np.ndarray, values: np.ndarray, shares: np.ndarray) -> Updated:
    precision = 1.0 + shares[:, None] * values
    variances = 1.0 / np.where(precision > 0, precision, np.nan)
    means = -shares[:, None] * variances * gradients
    return means, variances, _good(means, variances)


def _good(means: np.ndarray, variances: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        positive = (variances > 0) & np.isfinite(variances) & np.isfinite(means)
    return positive.all(axis=1)

"""Design choice 2 of GMMVI: direct steps, steps that stay positive, and trust regions.

All are natural-gradient steps, Λ⁺ = Λ + β G and m⁺ = m − β Σ⁺ g with G = E[∇² log(q/π)] and
g = E[∇ log(q/π)].  They differ in the choice of β and in how Λ⁺ is kept positive definite.  In the
own coordinates of the component, rotated so that G is diagonal with values b, Λ⁺ is 1 + β b.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float

from isogmm.optimize.gmmvi.base import AbstractComponentUpdate

#: New means and variances, and whether they are valid.
Updated: TypeAlias = tuple[
    Float[np.ndarray, "k d"], Float[np.ndarray, "k d"], Bool[np.ndarray, " k"]
]

#: Number of bisections of the interval [0, 1] in which β is sought: an error below 1e-9.
NUM_BISECTIONS = 30


@dataclass(frozen=True)
class Direct(AbstractComponentUpdate):
    """Λ⁺ = Λ + β G and m⁺ = m − β Σ⁺ g, where β is the step size.

    Here g = E[∇ log(q/π)] and G = E[∇² log(q/π)].  A component whose new precision is not positive
    stays unchanged.
    """

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
    """The improved Bayesian learning rule: Λ⁺ = Λ + β G + β²/2 G Σ G is always positive definite.

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
        return means, variances, _are_valid(means, variances)


@dataclass(frozen=True)
class TrustRegion(AbstractComponentUpdate):
    """The step of :class:`Direct` with the largest β ≤ 1 for which KL(new ‖ old) ≤ the step size.

    β = 1 / (1 + η), where η is the Lagrange multiplier of the bound, found by bisection.  In the
    coordinates in which Σ = I and G = diag(b), the divergence increases with β:
    KL = ½ Σ_i [1/(1 + β b_i) − 1 + log(1 + β b_i) + (β g_i / (1 + β b_i))²].

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
        for _ in range(NUM_BISECTIONS):
            middle = 0.5 * (low + high)
            fits = divergence(gradients, values, middle) <= steps
            low, high = np.where(fits, middle, low), np.where(fits, high, middle)
        is_full_step = divergence(gradients, values, np.ones(len(steps))) <= steps
        return _moved(gradients, values, np.where(is_full_step, 1.0, low))


def divergence(
    gradients: Float[np.ndarray, "k d"],
    values: Float[np.ndarray, "k d"],
    shares: Float[np.ndarray, " k"],
) -> Float[np.ndarray, " k"]:
    """KL(new ‖ old) after steps with these β; infinite if a precision is not positive."""
    shares = shares[:, None]
    precision = 1.0 + shares * values
    positive = (precision > 0).all(axis=1)
    precision = np.where(positive[:, None], precision, 1.0)
    shift = shares * gradients / precision
    terms = 1.0 / precision - 1.0 + np.log(precision) + shift**2
    return np.where(positive, 0.5 * terms.sum(axis=1), np.inf)


def _moved(
    gradients: Float[np.ndarray, "k d"],
    values: Float[np.ndarray, "k d"],
    shares: Float[np.ndarray, " k"],
) -> Updated:
    """Means and variances after steps with these β."""
    precision = 1.0 + shares[:, None] * values
    variances = 1.0 / np.where(precision > 0, precision, np.nan)
    means = -shares[:, None] * variances * gradients
    return means, variances, _are_valid(means, variances)


def _are_valid(
    means: Float[np.ndarray, "k d"], variances: Float[np.ndarray, "k d"]
) -> Bool[np.ndarray, " k"]:
    """Whether all numbers of a component are finite and its variances positive."""
    with np.errstate(invalid="ignore"):
        positive = (variances > 0) & np.isfinite(variances) & np.isfinite(means)
    return positive.all(axis=1)

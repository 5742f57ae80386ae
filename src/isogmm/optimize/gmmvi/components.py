"""The components and the samples of one chain, which the seven parts of GMMVI pass to each other.

All arrays are NumPy arrays in the coordinates of the affine map.  The own coordinates of a
component are z = F⁻¹ (x − m), with Σ = F Fᵀ.  In these coordinates it is a standard normal.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from isogmm.arrays import LOG_2PI
from isogmm.mixtures import gaussian_density as density

#: Smallest responsibility, or importance weight relative to the largest, that enters a sum.  With
#: many components in many dimensions most of them are smaller.
MIN_RELATIVE_WEIGHT = 1e-8

#: Largest number of coordinates (n k d) for which one broadcast over all components is faster than
#: a loop over the components.
MAX_BROADCAST_NUMBERS = 50_000


@dataclass(frozen=True)
class Components:
    """The mixture of one chain, with the step sizes and estimates of every component.

    Parameters
    ----------
    means
        (k, d).
    factors, inverse_factors
        (k, d, d), lower triangular F with Σ = F Fᵀ, or (k, d) for diagonal covariances.
    log_weights
        (k,), normalized.
    steps
        (k,): step size of each component, in the unit of its update.
    rewards
        (k,): the latest estimate of E_k[log π − log q], NaN before the first.
    weak
        (k,): number of successive iterations with a negligible weight.
    weight_step, elbo
        Step size of the weights, and the latest estimate of Σ_k w_k rewards_k.
    """

    means: Float[np.ndarray, "k d"]
    factors: Float[np.ndarray, "k d d"] | Float[np.ndarray, "k d"]
    inverse_factors: Float[np.ndarray, "k d d"] | Float[np.ndarray, "k d"]
    log_weights: Float[np.ndarray, " k"]
    steps: Float[np.ndarray, " k"]
    rewards: Float[np.ndarray, " k"]
    weak: Int[np.ndarray, " k"]
    weight_step: float
    elbo: float

    @property
    def is_diagonal(self) -> bool:
        """Whether the covariances are stored as diagonals."""
        return self.factors.ndim == 2

    def covariances(self) -> Float[np.ndarray, "k d d"] | Float[np.ndarray, "k d"]:
        """(k, d, d), or their diagonals (k, d)."""
        if self.is_diagonal:
            return self.factors**2
        return self.factors @ np.swapaxes(self.factors, -1, -2)

    def log_prob(
        self, points: Float[np.ndarray, "n d"]
    ) -> tuple[Float[np.ndarray, "n k"], Float[np.ndarray, "k n d"]]:
        """log N(x; m_k, Σ_k) and z for all points and components."""
        return log_prob(points, self.means, self.inverse_factors)

    def score(
        self, whitened: Float[np.ndarray, "k n d"], responsibilities: Float[np.ndarray, "n k"]
    ) -> Float[np.ndarray, "n d"]:
        """∇ log q = −Σ_k r_k F_k⁻ᵀ z."""
        total = np.zeros(whitened.shape[1:])
        for k, inverse in enumerate(self.inverse_factors):
            share = responsibilities[:, k]
            near = np.flatnonzero(share > MIN_RELATIVE_WEIGHT)
            pull = whitened[k, near] * share[near, None]
            total[near] -= pull * inverse if self.is_diagonal else pull @ inverse
        return total

    def take(self, index: Int[np.ndarray, " m"]) -> "Components":
        """Some of the components, with normalized weights."""
        parts = {name: getattr(self, name)[index] for name in COMPONENT_FIELDS}
        log_weights = parts["log_weights"]
        parts["log_weights"] = log_weights - np.logaddexp.reduce(log_weights)
        return replace(self, **parts)


def log_prob(
    points: Float[np.ndarray, "n d"],
    means: Float[np.ndarray, "k d"],
    inverse_factors: Float[np.ndarray, "k d d"] | Float[np.ndarray, "k d"],
) -> tuple[Float[np.ndarray, "n k"], Float[np.ndarray, "k n d"]]:
    """log N(x; m_k, Σ_k) and z = F_k⁻¹ (x − m_k) for all points and components."""
    count, dim = means.shape
    if points.size * count <= MAX_BROADCAST_NUMBERS:
        return density.component_log_prob(points, means, inverse_factors)
    whitened = np.empty((count, *points.shape))
    values = np.empty((len(points), count))
    # The loop writes every large array once, while it is in the cache.
    for k, (mean, inverse) in enumerate(zip(means, inverse_factors, strict=True)):
        z = whitened[k]
        if inverse.ndim == 1:
            np.multiply(points - mean, inverse, out=z)
            log_det = np.log(inverse).sum()
        else:
            np.matmul(points - mean, inverse.T, out=z)
            log_det = np.log(np.abs(np.diagonal(inverse))).sum()
        values[:, k] = log_det - 0.5 * np.einsum("nd,nd->n", z, z)
    return values - 0.5 * dim * LOG_2PI, whitened


#: Fields of :class:`Components` with one entry for each component.
COMPONENT_FIELDS = (
    "means",
    "factors",
    "inverse_factors",
    "log_weights",
    "steps",
    "rewards",
    "weak",
)


@dataclass(frozen=True)
class Samples:
    """The samples of one chain, with their densities under its components.

    Parameters
    ----------
    points, log_density, gradients
        (n, d), (n,), (n, d): log π and its gradient.  A sample without a finite log density has
        weight zero for every component.
    log_components
        (n, k): log N(x; m_k, Σ_k).
    whitened
        (k, n, d): z.
    log_q, score
        (n,), (n, d): log density and score of the mixture.
    weights
        (k, n): importance weights N(x; m_k, Σ_k) over the density from which the samples were
        drawn, normalized for each component.
    """

    points: Float[np.ndarray, "n d"]
    log_density: Float[np.ndarray, " n"]
    gradients: Float[np.ndarray, "n d"]
    log_components: Float[np.ndarray, "n k"]
    whitened: Float[np.ndarray, "k n d"]
    log_q: Float[np.ndarray, " n"]
    score: Float[np.ndarray, "n d"]
    weights: Float[np.ndarray, "k n"]

    def log_ratio(self) -> Float[np.ndarray, " n"]:
        """log π − log q; 0 for a sample without a finite log density, whose weight is 0."""
        finite = np.isfinite(self.log_density)
        return np.where(finite, self.log_density, 0.0) - np.where(finite, self.log_q, 0.0)

    def rewards(self) -> Float[np.ndarray, " k"]:
        """E_k[log π − log q]."""
        return self.weights @ self.log_ratio()

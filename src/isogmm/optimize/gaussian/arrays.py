"""The arrays of a Gaussian mixture that the loop moves, and their gradients by Stein's identity."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from isogmm.arrays import logsumexp
from isogmm.mixtures.affine_map import AffineMap
from isogmm.mixtures.gaussian import GaussianMixture
from isogmm.mixtures.gaussian_density import factors_of, is_diagonal, log_prob_and_score


class GaussianGradients(NamedTuple):
    """Gradients of KL(q‖π) divided by the weight of the component.

    With x ~ N(m_k, Σ_k) and δ(x) = ∇log q(x) − ∇log π(x), the score of the *whole mixture*:

    Parameters
    ----------
    means
        g_k = E[δ(x)], shape (..., k, d); ∂KL/∂m_k = w_k g_k.
    hessians
        G_k = E[∇δ(x)] = E[Σ_k⁻¹ (x − m_k) δ(x)ᵀ], symmetrized, shape (..., k, d, d), or its
        diagonal (..., k, d); ∂KL/∂Σ_k = w_k G_k / 2.
    local_kl
        a_k = E[log q(x) − log π(x)], shape (..., k).
    num_finite
        How many samples of the component had a finite log density, shape (..., k).
    """

    means: Float[Any, "*c k d"]
    hessians: Any
    local_kl: Float[Any, "*c k"]
    num_finite: Any


class GaussianArrays(NamedTuple):
    """The arrays of a mixture with full or diagonal covariances, without its map.

    Parameters
    ----------
    means
        (..., k, d).
    covariances
        (..., k, d, d) or, diagonal, (..., k, d).
    log_weights
        (..., k), normalized over the last axis.
    """

    means: Float[Any, "*c k d"]
    covariances: Any
    log_weights: Float[Any, "*c k"]

    @classmethod
    def of(cls, mixture: Any) -> "GaussianArrays":
        """Copies of the arrays of a mixture, on the host."""
        parts = (mixture.means, mixture.covariances, mixture.log_weights)
        return cls(*(np.array(part) for part in parts))

    def to_mixture(self, affine_map: AffineMap) -> Any:
        """The mixture behind a map; averaged log weights are normalized again."""
        log_weights = self.log_weights - logsumexp(self.log_weights)[..., None]
        return GaussianMixture(self.means, self.covariances, log_weights, affine_map)

    @property
    def is_diagonal(self) -> bool:
        """Whether the covariances are diagonals."""
        return is_diagonal(self.means, self.covariances)

    @property
    def variances(self) -> Any:
        """The smallest eigenvalue of every covariance, (..., k): a step that is safe along it is
        safe everywhere."""
        xp = self.means.__array_namespace__()
        if self.is_diagonal:
            return xp.min(self.covariances, axis=-1)
        good = xp.all(xp.isfinite(self.covariances), axis=(-2, -1))
        identity = xp.eye(self.means.shape[-1], dtype=self.means.dtype)
        safe = xp.where(good[..., None, None], self.covariances, identity)
        smallest = xp.linalg.eigvalsh(safe)[..., 0]
        return xp.where(good, smallest, xp.nan * smallest)

    def offsets(self, noise: Any) -> Any:
        """Offsets F ε of the samples from their means, (..., k, s, d)."""
        xp = self.means.__array_namespace__()
        factors, _ = factors_of(self.means, self.covariances)
        if self.is_diagonal:
            return factors[..., None, :] * noise
        return noise @ xp.matrix_transpose(factors)

    def gradients(
        self, offsets: Any, log_density: Any, gradient: Any, sample_weights: Any
    ) -> GaussianGradients:
        """Gradients of the KL from the target at the samples.

        Parameters
        ----------
        offsets
            x − m_k of the samples, (..., k, s, d).
        log_density, gradient
            log π and ∇log π there, in the coordinates of the mixture.  Samples whose log density
            is not finite are left out of the averages.
        sample_weights
            (s,), normalized over the finite samples here.
        """
        xp = self.means.__array_namespace__()
        *batch, k, s, d = offsets.shape
        _, inverses = factors_of(self.means, self.covariances)
        points = xp.reshape(self.means[..., None, :] + offsets, (*batch, k * s, d))
        log_q, score, _ = log_prob_and_score(points, self.means, inverses, self.log_weights)
        finite = xp.isfinite(log_density)
        weights = xp.astype(finite, sample_weights.dtype) * sample_weights
        total = xp.sum(weights, axis=-1, keepdims=True)
        weights = weights / xp.where(total == 0, xp.ones_like(total), total)
        log_density = xp.where(finite, log_density, xp.zeros_like(log_density))
        difference = xp.reshape(score, offsets.shape) - gradient
        weighted = weights[..., None] * difference
        if self.is_diagonal:
            hessians = xp.sum(offsets * weighted, axis=-2) * inverses**2
        else:
            whitened = offsets @ xp.matrix_transpose(inverses)
            hessians = xp.matrix_transpose(inverses) @ (xp.matrix_transpose(whitened) @ weighted)
            hessians = 0.5 * (hessians + xp.matrix_transpose(hessians))
        return GaussianGradients(
            means=xp.sum(weighted, axis=-2),
            hessians=hessians,
            local_kl=xp.sum(weights * (xp.reshape(log_q, log_density.shape) - log_density), -1),
            num_finite=xp.sum(finite, axis=-1),
        )

    def carried(self, means: Any, old_map: AffineMap, new_map: AffineMap) -> "GaussianArrays":
        """In the coordinates of another map, where the means are known: Σ ← M Σ Mᵀ, M = L'⁻¹ L.

        Of diagonal covariances the diagonal of the result is kept.
        """
        identity = np.eye(means.shape[-1])
        # Rows of this are M e_i: its transpose is M.
        moved = new_map.inverse(old_map.linear(identity) + new_map.center).T
        if self.is_diagonal:
            covariances = self.covariances @ (moved**2).T
        else:
            covariances = moved @ self.covariances @ moved.T
        return self._replace(means=means, covariances=covariances.astype(means.dtype))

    def is_valid(self) -> bool:
        """Whether these numbers are a mixture."""
        if not all(np.all(np.isfinite(part)) for part in self):
            return False
        with np.errstate(all="ignore"):
            _, inverses = factors_of(self.means, self.covariances)
        return bool(np.all(np.isfinite(inverses)))

"""The arrays of a Gaussian mixture in the loop, and their gradients by Stein's identity."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from isogmm.arrays import Array, logsumexp
from isogmm.mixtures.abstract import AbstractMixture
from isogmm.mixtures.affine_map import AffineMap
from isogmm.mixtures.gaussian import GaussianMixture
from isogmm.mixtures.gaussian_density import (
    Matrices,
    factors_of,
    is_diagonal,
    log_prob,
    log_prob_and_score,
)
from isogmm.optimize.gradients.base import normalized_weights
from isogmm.optimize.gradients.score_function import ScoreAverage, differences
from isogmm.optimize.updates.base import FamilyArrays, StepSize


class GaussianGradients(NamedTuple):
    """Gradients of KL(q‖π) divided by the weight of the component.

    With x ~ N(m_k, Σ_k) and δ(x) = ∇log q(x) − ∇log π(x), where q is the *whole mixture*:

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
        Number of samples of the component with a finite log density, shape (..., k).
    """

    means: Float[Array, "*c k d"]
    hessians: Matrices
    local_kl: Float[Array, "*c k"]
    num_finite: Int[Array, "*c k"]


class GaussianArrays(NamedTuple):
    """The arrays of a mixture with full or diagonal covariances, without its map.

    Parameters
    ----------
    means
        (..., k, d).
    covariances
        (..., k, d, d), or their diagonals (..., k, d).
    log_weights
        (..., k), normalized over the last axis.
    """

    means: Float[Array, "*c k d"]
    covariances: Matrices
    log_weights: Float[Array, "*c k"]

    @classmethod
    def of(cls, mixture: AbstractMixture) -> "GaussianArrays":
        """NumPy copies of the arrays of a mixture."""
        assert isinstance(mixture, GaussianMixture)
        parts = (mixture.means, mixture.covariances, mixture.log_weights)
        return cls(*(np.array(part) for part in parts))

    def to_mixture(self, affine_map: AffineMap) -> GaussianMixture:
        """The mixture in the coordinates of a map; averaged log weights are normalized again."""
        log_weights = self.log_weights - logsumexp(self.log_weights)[..., None]
        return GaussianMixture(self.means, self.covariances, log_weights, affine_map)

    @property
    def is_diagonal(self) -> bool:
        """Whether the covariances are stored as diagonals."""
        return is_diagonal(self.means, self.covariances)

    @property
    def variances(self) -> Float[Array, "*c k"]:
        """The smallest eigenvalue of every covariance, (..., k).

        A step size that is suitable for the direction of the smallest variance is suitable for all
        directions.
        """
        xp = self.means.__array_namespace__()
        if self.is_diagonal:
            return xp.min(self.covariances, axis=-1)
        good = xp.all(xp.isfinite(self.covariances), axis=(-2, -1))
        identity = xp.eye(self.means.shape[-1], dtype=self.means.dtype)
        finite = xp.where(good[..., None, None], self.covariances, identity)
        smallest = xp.linalg.eigvalsh(finite)[..., 0]
        return xp.where(good, smallest, xp.nan * smallest)

    def offsets(self, noise: Float[Array, "*c k s d"]) -> Float[Array, "*c k s d"]:
        """Offsets F ε of the samples from their means, (..., k, s, d)."""
        xp = self.means.__array_namespace__()
        factors, _ = factors_of(self.means, self.covariances)
        if self.is_diagonal:
            return factors[..., None, :] * noise
        return noise @ xp.matrix_transpose(factors)

    def gradients(
        self, offsets: Array, log_density: Array, gradient: Array, sample_weights: Array
    ) -> GaussianGradients:
        """Gradients of the KL from the target at the samples.

        Parameters
        ----------
        offsets
            x − m_k of the samples, (..., k, s, d).
        log_density, gradient
            log π and ∇log π there, in the coordinates of the mixture.  Samples whose log density
            is not finite are omitted from the averages.
        sample_weights
            (s,); they are normalized over the finite samples.
        """
        xp = self.means.__array_namespace__()
        *batch, k, s, d = offsets.shape
        _, inverses = factors_of(self.means, self.covariances)
        points = xp.reshape(self.means[..., None, :] + offsets, (*batch, k * s, d))
        log_q, score, _ = log_prob_and_score(points, self.means, inverses, self.log_weights)
        finite = xp.isfinite(log_density)
        weights = normalized_weights(finite, sample_weights)
        # Infinite values are replaced, because the product of zero and infinity is NaN.
        log_density = xp.where(finite, log_density, xp.zeros_like(log_density))
        weighted = weights[..., None] * (xp.reshape(score, offsets.shape) - gradient)
        return GaussianGradients(
            means=xp.sum(weighted, axis=-2),
            hessians=_hessians(offsets, weighted, inverses),
            local_kl=xp.sum(weights * (xp.reshape(log_q, log_density.shape) - log_density), -1),
            num_finite=xp.sum(finite, axis=-1),
        )

    def value_gradients(
        self, offsets: Array, log_density: Array, sample_weights: Array, average: ScoreAverage
    ) -> GaussianGradients:
        """The same gradients from values of the target alone.

        With ε = F_k⁻¹ (x − m_k) and f = log q − log π: g_k = F_k⁻ᵀ E[ε f], and
        G_k = F_k⁻ᵀ E[(ε εᵀ − I) f] F_k⁻¹.

        Parameters
        ----------
        offsets, log_density, sample_weights
            As in :meth:`gradients`.
        average
            Estimates the expectations; see :meth:`isogmm.gradients.ScoreFunction.average`.
        """
        xp = self.means.__array_namespace__()
        *batch, k, s, d = offsets.shape
        _, inverses = factors_of(self.means, self.covariances)
        points = xp.reshape(self.means[..., None, :] + offsets, (*batch, k * s, d))
        log_q = log_prob(points, self.means, inverses, self.log_weights)
        weights, values, num_finite = differences(
            xp.reshape(log_q, log_density.shape), log_density, sample_weights
        )
        if self.is_diagonal:
            noise = inverses[..., None, :] * offsets
            means = inverses * average(noise, values, weights)
            hessians = inverses**2 * average(noise * noise - 1.0, values, weights)
        else:
            noise = offsets @ xp.matrix_transpose(inverses)
            transposed = xp.matrix_transpose(inverses)
            means = (transposed @ average(noise, values, weights)[..., None])[..., 0]
            products = noise[..., :, None] * noise[..., None, :]
            products = products - xp.eye(d, dtype=noise.dtype)
            features = xp.reshape(products, (*batch, k, s, d * d))
            averages = xp.reshape(average(features, values, weights), (*batch, k, d, d))
            hessians = transposed @ averages @ inverses
        local_kl = xp.sum(weights * values, axis=-1)
        return GaussianGradients(means, hessians, local_kl, num_finite)

    def carried(self, means: Array, old_map: AffineMap, new_map: AffineMap) -> "GaussianArrays":
        """The arrays in the coordinates of another map: means as given, Σ ← M Σ Mᵀ, M = L'⁻¹ L.

        Diagonal covariances become the diagonal of this matrix.
        """
        identity = np.eye(means.shape[-1])
        # The rows of the mapped identity are M e_i, so that its transpose is M.
        moved = new_map.inverse(old_map.linear(identity) + new_map.center).T
        if self.is_diagonal:
            covariances = self.covariances @ (moved**2).T
        else:
            covariances = moved @ self.covariances @ moved.T
        return self._replace(means=means, covariances=covariances.astype(means.dtype))

    def with_log_weights(self, log_weights: Array) -> "GaussianArrays":
        """The arrays with other log weights."""
        return self._replace(log_weights=log_weights)

    def mapped(self, function: Callable[[Array], Array]) -> "GaussianArrays":
        """The arrays with a function applied to each of them."""
        return GaussianArrays(*map(function, self))

    def averaged(self, newest: FamilyArrays, share: StepSize) -> "GaussianArrays":
        """(1 − share) times these arrays plus share times the newest ones."""
        pairs = zip(self, newest, strict=True)
        return GaussianArrays(*((1.0 - share) * old + share * new for old, new in pairs))

    def is_valid(self) -> bool:
        """Whether all numbers are finite and the covariances positive definite."""
        if not all(np.all(np.isfinite(part)) for part in self):
            return False
        with np.errstate(all="ignore"):
            _, inverses = factors_of(self.means, self.covariances)
        return bool(np.all(np.isfinite(inverses)))


def _hessians(
    offsets: Float[Array, "*c k s d"], weighted: Float[Array, "*c k s d"], inverses: Matrices
) -> Matrices:
    """G_k from x − m_k, the weighted δ(x) and the inverse factors; see the gradients above."""
    xp = offsets.__array_namespace__()
    if inverses.ndim < offsets.ndim:
        return xp.sum(offsets * weighted, axis=-2) * inverses**2
    whitened = offsets @ xp.matrix_transpose(inverses)
    hessians = xp.matrix_transpose(inverses) @ (xp.matrix_transpose(whitened) @ weighted)
    return 0.5 * (hessians + xp.matrix_transpose(hessians))

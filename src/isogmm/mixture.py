"""Mixtures of isotropic Gaussians, as pure functions of arrays and as an object with a map.

Every function takes leading batch axes (one mixture per chain) and works on NumPy and JAX
arrays alike, through the array API standard.  No array of shape (n, k, d) is ever made.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from isogmm.errors import OptionError
from isogmm.whitening.base import identity_map

LOG_2PI = math.log(2.0 * math.pi)


def logsumexp(values: Any, axis: int = -1) -> Any:
    """log Σ exp(values) along an axis; -inf where all entries are."""
    xp = values.__array_namespace__()
    largest = xp.max(values, axis=axis, keepdims=True)
    largest = xp.where(xp.isfinite(largest), largest, xp.zeros_like(largest))
    return xp.log(xp.sum(xp.exp(values - largest), axis=axis)) + xp.squeeze(largest, axis=axis)


def component_log_prob(points: Any, means: Any, variances: Any) -> Any:
    """log N(x; m_k, v_k I) for all points and components, shape (..., n, k).

    The squared distances are |x|² + |m|² - 2 x·m after moving the origin to the middle of the
    means, which keeps the cancellation small in float32.
    """
    xp = means.__array_namespace__()
    dim = means.shape[-1]
    origin = xp.mean(means, axis=-2, keepdims=True)
    points, means = points - origin, means - origin
    squared = (
        xp.sum(points * points, axis=-1)[..., :, None]
        + xp.sum(means * means, axis=-1)[..., None, :]
        - 2.0 * (points @ xp.matrix_transpose(means))
    )
    squared = xp.where(squared > 0, squared, xp.zeros_like(squared))
    return -0.5 * (
        squared / variances[..., None, :] + dim * (LOG_2PI + xp.log(variances)[..., None, :])
    )


def log_prob(points: Any, means: Any, variances: Any, log_weights: Any) -> Any:
    """log q(x) = log Σ_k w_k N(x; m_k, v_k I), shape (..., n)."""
    return logsumexp(component_log_prob(points, means, variances) + log_weights[..., None, :])


def log_prob_and_score(
    points: Any, means: Any, variances: Any, log_weights: Any
) -> tuple[Any, Any, Any]:
    """log q(x), its gradient -Σ_k r_k(x) (x - m_k)/v_k, and the responsibilities r_k(x).

    Shapes (..., n), (..., n, d), (..., n, k).
    """
    xp = means.__array_namespace__()
    joint = component_log_prob(points, means, variances) + log_weights[..., None, :]
    log_q = logsumexp(joint)
    responsibilities = xp.exp(joint - log_q[..., None])
    pull = responsibilities / variances[..., None, :]
    score = pull @ means - xp.sum(pull, axis=-1)[..., None] * points
    return log_q, score, responsibilities


@dataclass(frozen=True)
class IsotropicMixture:
    """q(x) = Σ_k w_k N(x; c + L m_k, v_k L Lᵀ): isotropic Gaussians behind one affine map.

    Parameters
    ----------
    means
        (..., k, d), in the coordinates y of the map x = c + L y.
    variances
        (..., k), positive.
    log_weights
        (..., k), normalized over the last axis.
    affine_map
        The shared map; the identity unless given.

    Raises
    ------
    OptionError
        If the shapes do not agree or a variance is not positive.
    """

    means: Float[Any, "*c k d"]
    variances: Float[Any, "*c k"]
    log_weights: Float[Any, "*c k"]
    affine_map: Any = None  # an AffineMap from __post_init__ on

    def __post_init__(self) -> None:
        if self.means.ndim < 2 or self.means.shape[-2] < 1:
            raise OptionError(
                f"means must have shape (..., k, d) with k >= 1, not {self.means.shape}"
            )
        expected = self.means.shape[:-1]
        for name in ("variances", "log_weights"):
            if getattr(self, name).shape != expected:
                raise OptionError(
                    f"{name} has shape {getattr(self, name).shape}; means ask for {expected}"
                )
        if isinstance(self.variances, np.ndarray) and not np.all(self.variances > 0):
            raise OptionError(f"variances must be positive, the smallest is {self.variances.min()}")
        if self.affine_map is None:
            object.__setattr__(self, "affine_map", identity_map(self.dim, self.means.dtype))

    @classmethod
    def from_idata(cls, idata: Any) -> Any:
        """The mixture stored in a result, batched over its chains.

        A saved file is enough: neither the model nor its data are needed to draw from the
        mixture, to evaluate ``log_prob`` or to continue the fit.  A result of ``fit_gmmvi`` gives
        an :class:`isogmm.GaussianMixture`, which answers to the same names.

        Raises
        ------
        OptionError
            If the result does not come from this library.
        """
        from isogmm.fit_group import mixture_from

        return mixture_from(idata)

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self.means.shape[-1]

    @property
    def num_components(self) -> int:
        """Number K of components."""
        return self.means.shape[-2]

    def mapped(self, function: Callable[[Any], Any]) -> "IsotropicMixture":
        """The mixture with a function applied to each of its arrays."""
        return replace(
            self,
            means=function(self.means),
            variances=function(self.variances),
            log_weights=function(self.log_weights),
        )

    def __getitem__(self, chain: Any) -> "IsotropicMixture":
        """The mixture of one chain (or of several)."""
        return self.mapped(lambda array: array[chain])

    def block(self, coordinates: Any) -> tuple[Float[Any, "*c k m"], Float[Any, "*c k m m"]]:
        """Means and covariances of the components in some coordinates of x."""
        xp = self.means.__array_namespace__()
        identity = xp.eye(self.dim, dtype=self.means.dtype)
        rows = xp.stack([self.affine_map.pull_back(identity[i]) for i in coordinates])
        means = self.affine_map.forward(self.means)
        chosen = xp.stack([means[..., i] for i in coordinates], axis=-1)
        return chosen, self.variances[..., None, None] * (rows @ xp.matrix_transpose(rows))

    def pooled(self) -> "IsotropicMixture":
        """One mixture of all components of all chains, each chain with equal weight."""
        if self.means.ndim == 2:
            return self
        chains = math.prod(self.means.shape[:-2])
        return replace(
            self,
            means=self.means.reshape(-1, self.dim),
            variances=self.variances.reshape(-1),
            log_weights=self.log_weights.reshape(-1) - math.log(chains),
        )

    def log_prob(self, positions: Float[Any, "*n d"]) -> Float[Any, "*n"]:
        """log q(x); leading axes beyond (n, d) match those of the means."""
        points = self.affine_map.inverse(positions)
        single = points.ndim == 1
        value = log_prob(
            points[None] if single else points, self.means, self.variances, self.log_weights
        )
        return (value[0] if single else value) - self.affine_map.log_det()

    def score(self, positions: Float[Any, "n d"]) -> Float[Any, "n d"]:
        """∇ log q(x) in the coordinates of x."""
        points = self.affine_map.inverse(positions)
        _, score, _ = log_prob_and_score(points, self.means, self.variances, self.log_weights)
        return self.affine_map.pull_back_inverse(score)

    def responsibilities(self, positions: Float[Any, "*n d"]) -> Float[Any, "*n k"]:
        """Posterior probability of each component given the point."""
        points = self.affine_map.inverse(positions)
        return log_prob_and_score(points, self.means, self.variances, self.log_weights)[2]

    def sample(
        self, generator: np.random.Generator, num_draws: int
    ) -> tuple[Float[np.ndarray, "*c n d"], np.ndarray]:
        """Independent draws and the component each came from.

        Components are drawn in strata (systematic resampling of the weights), so that the
        shares of the components carry no more noise than rounding; the order is random.
        """
        if self.means.ndim > 2:
            parts = [self[chain].sample(generator, num_draws) for chain in range(len(self.means))]
            return np.stack([p[0] for p in parts]), np.stack([p[1] for p in parts])
        weights = np.exp(np.asarray(self.log_weights, dtype=np.float64))
        levels = (np.arange(num_draws) + generator.uniform()) / num_draws
        components = np.searchsorted(np.cumsum(weights) / weights.sum(), levels)
        components = generator.permutation(np.minimum(components, self.num_components - 1))
        noise = generator.standard_normal((num_draws, self.dim))
        points = (
            np.asarray(self.means)[components]
            + np.sqrt(np.asarray(self.variances))[components, None] * noise
        )
        return self.affine_map.forward(points), components

    def mean(self) -> Float[Any, "*c d"]:
        """E[x] = c + L Σ_k w_k m_k."""
        return self.affine_map.forward(self._mean_of_points())

    def covariance(self) -> Float[Any, "*c d d"]:
        """Cov[x] = L (Σ_k w_k (v_k I + m_k m_kᵀ) - m mᵀ) Lᵀ."""
        xp = self.means.__array_namespace__()
        weights = xp.exp(self.log_weights)
        centered = self.means - self._mean_of_points()[..., None, :]
        spread = xp.matrix_transpose(centered * weights[..., None]) @ centered
        inner = spread + xp.sum(weights * self.variances, axis=-1)[..., None, None] * xp.eye(
            self.dim, dtype=self.means.dtype
        )
        half = xp.matrix_transpose(self.affine_map.linear(inner))
        return self.affine_map.linear(half)

    def marginal(
        self, coordinate: int
    ) -> tuple[Float[Any, "*c k"], Float[Any, "*c k"], Float[Any, "*c k"]]:
        """The 1-d mixture of one coordinate of x: means, variances, log weights."""
        row = self.affine_map.row_norm(coordinate)
        means = self.affine_map.forward(self.means)[..., coordinate]
        return means, self.variances * row**2, self.log_weights

    def _mean_of_points(self) -> Any:
        xp = self.means.__array_namespace__()
        return xp.sum(xp.exp(self.log_weights)[..., None] * self.means, axis=-2)

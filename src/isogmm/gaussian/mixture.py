"""Mixtures of Gaussians with full or diagonal covariances, as an object with a map."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from isogmm.errors import OptionError
from isogmm.gaussian import density
from isogmm.gaussian.arrays import GaussianArrays
from isogmm.whitening.base import identity_map


@dataclass(frozen=True)
class GaussianMixture:
    """q(x) = Σ_k w_k N(x; c + L m_k, L Σ_k Lᵀ): Gaussians behind one affine map.

    Everything that can be asked of an :class:`isogmm.IsotropicMixture` can be asked of it.

    Parameters
    ----------
    means
        (..., k, d), in the coordinates y of the map x = c + L y.
    covariances
        (..., k, d, d), positive definite, or their diagonals (..., k, d).
    log_weights
        (..., k), normalized over the last axis.
    affine_map
        The shared map; the identity unless given.

    Raises
    ------
    OptionError
        If the shapes do not agree or a covariance is not positive definite.
    """

    means: Float[Any, "*c k d"]
    covariances: Float[Any, "*c k d d"] | Float[Any, "*c k d"]
    log_weights: Float[Any, "*c k"]
    affine_map: Any = None  # an AffineMap from __post_init__ on
    factors: Any = field(default=None, init=False, repr=False, compare=False)
    inverse_factors: Any = field(default=None, init=False, repr=False, compare=False)

    #: What the loop moves.
    arrays_type = GaussianArrays

    def __post_init__(self) -> None:
        if self.means.ndim < 2 or self.means.shape[-2] < 1:
            raise OptionError(
                f"means must have shape (..., k, d) with k >= 1, not {self.means.shape}"
            )
        shape = self.means.shape
        if self.log_weights.shape != shape[:-1]:
            raise OptionError(
                f"log_weights has shape {self.log_weights.shape}; means ask for {shape[:-1]}"
            )
        if self.covariances.shape not in (shape, (*shape, shape[-1])):
            raise OptionError(
                f"covariances has shape {self.covariances.shape}; means ask for "
                f"{(*shape, shape[-1])}, or {shape} for diagonal ones"
            )
        with np.errstate(invalid="ignore", divide="ignore"):
            factors, inverses = density.factors_of(self.means, self.covariances)
        if isinstance(factors, np.ndarray) and not np.all(np.isfinite(inverses)):
            raise OptionError("covariances must be positive definite")
        object.__setattr__(self, "factors", factors)
        object.__setattr__(self, "inverse_factors", inverses)
        if self.affine_map is None:
            object.__setattr__(self, "affine_map", identity_map(self.dim, self.means.dtype))

    @property
    def is_diagonal(self) -> bool:
        """Whether the covariances are diagonal in the coordinates of the map."""
        return density.is_diagonal(self.means, self.covariances)

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self.means.shape[-1]

    @property
    def num_components(self) -> int:
        """Number K of components."""
        return self.means.shape[-2]

    def mapped(self, function: Callable[[Any], Any]) -> "GaussianMixture":
        """The mixture with a function applied to each of its arrays."""
        return replace(
            self,
            means=function(self.means),
            covariances=function(self.covariances),
            log_weights=function(self.log_weights),
        )

    def __getitem__(self, chain: Any) -> "GaussianMixture":
        """The mixture of one chain (or of several)."""
        return self.mapped(lambda array: array[chain])

    def pooled(self) -> "GaussianMixture":
        """One mixture of all components of all chains, each chain with equal weight."""
        leading = self.means.ndim - 2
        if not leading:
            return self
        merged = self.mapped(lambda array: array.reshape(-1, *array.shape[leading + 1 :]))
        chains = math.prod(self.means.shape[:leading])
        return replace(merged, log_weights=merged.log_weights - math.log(chains))

    def log_prob(self, positions: Float[Any, "*n d"]) -> Float[Any, "*n"]:
        """log q(x); leading axes beyond (n, d) match those of the means."""
        points = self.affine_map.inverse(positions)
        single = points.ndim == 1
        value = density.log_prob(
            points[None] if single else points, self.means, self.inverse_factors, self.log_weights
        )
        return (value[0] if single else value) - self.affine_map.log_det()

    def score(self, positions: Float[Any, "n d"]) -> Float[Any, "n d"]:
        """∇ log q(x) in the coordinates of x."""
        return self.affine_map.pull_back_inverse(self._evaluate(positions)[1])

    def responsibilities(self, positions: Float[Any, "*n d"]) -> Float[Any, "*n k"]:
        """Posterior probability of each component given the point."""
        return self._evaluate(positions)[2]

    def _evaluate(self, positions: Any) -> tuple[Any, Any, Any]:
        points = self.affine_map.inverse(positions)
        return density.log_prob_and_score(
            points, self.means, self.inverse_factors, self.log_weights
        )

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
        points = generator.standard_normal((num_draws, self.dim))
        factors = np.asarray(self.factors)
        for component in np.unique(components):
            members = components == component
            factor = factors[component]
            noise = points[members]
            points[members] = noise * factor if self.is_diagonal else noise @ factor.T
        points += np.asarray(self.means)[components]
        return self.affine_map.forward(points), components

    def mean(self) -> Float[Any, "*c d"]:
        """E[x] = c + L Σ_k w_k m_k."""
        return self.affine_map.forward(self._mean_of_points())

    def covariance(self) -> Float[Any, "*c d d"]:
        """Cov[x] = L (Σ_k w_k (Σ_k + m_k m_kᵀ) - m mᵀ) Lᵀ."""
        xp = self.means.__array_namespace__()
        weights = xp.exp(self.log_weights)[..., None]
        centered = self.means - self._mean_of_points()[..., None, :]
        inner = xp.matrix_transpose(centered * weights) @ centered
        if self.is_diagonal:
            identity = xp.eye(self.dim, dtype=self.means.dtype)
            inner = inner + xp.sum(weights * self.covariances, axis=-2)[..., None] * identity
        else:
            inner = inner + xp.sum(weights[..., None] * self.covariances, axis=-3)
        half = xp.matrix_transpose(self.affine_map.linear(inner))
        return self.affine_map.linear(half)

    def block(self, coordinates: Any) -> tuple[Float[Any, "*c k m"], Float[Any, "*c k m m"]]:
        """Means and covariances of the components in some coordinates of x."""
        xp = self.means.__array_namespace__()
        identity = xp.eye(self.dim, dtype=self.means.dtype)
        rows = xp.stack([self.affine_map.pull_back(identity[i]) for i in coordinates])
        means = self.affine_map.forward(self.means)
        chosen = xp.stack([means[..., i] for i in coordinates], axis=-1)
        if self.is_diagonal:
            half = rows * self.covariances[..., None, :]
        else:
            half = rows @ self.covariances
        return chosen, half @ xp.matrix_transpose(rows)

    def marginal(
        self, coordinate: int
    ) -> tuple[Float[Any, "*c k"], Float[Any, "*c k"], Float[Any, "*c k"]]:
        """The 1-d mixture of one coordinate of x: means, variances, log weights."""
        means, covariances = self.block([coordinate])
        return means[..., 0], covariances[..., 0, 0], self.log_weights

    def _mean_of_points(self) -> Any:
        xp = self.means.__array_namespace__()
        return xp.sum(xp.exp(self.log_weights)[..., None] * self.means, axis=-2)

    @classmethod
    def from_idata(cls, idata: Any) -> "GaussianMixture":
        """The mixture stored in a result of ``fit_gmmvi``, batched over its chains.

        Raises
        ------
        OptionError
            If the result holds no mixture, or one of isotropic Gaussians.
        """
        from isogmm.fit_group import mixture_from

        mixture = mixture_from(idata)
        if not isinstance(mixture, cls):
            raise OptionError(
                "the result holds isotropic Gaussians: read it with IsotropicMixture.from_idata, "
                "or turn that mixture into this family with GaussianMixture.from_isotropic"
            )
        return mixture

    @classmethod
    def from_isotropic(cls, mixture: Any, diagonal: bool = False) -> "GaussianMixture":
        """The same density as a member of this family; one that is a member already stays."""
        if isinstance(mixture, cls):
            return mixture
        covariances = np.broadcast_to(mixture.variances[..., None], mixture.means.shape).copy()
        if not diagonal:
            covariances = covariances[..., None] * np.eye(mixture.dim, dtype=covariances.dtype)
        return cls(mixture.means, covariances, mixture.log_weights, mixture.affine_map)

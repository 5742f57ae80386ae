"""Mixtures of Gaussians with full or diagonal covariances in the coordinates of an affine map."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from isogmm.arrays import Array
from isogmm.errors import OptionError
from isogmm.mixtures import gaussian_density as density
from isogmm.mixtures.abstract import AbstractMixture, Coordinates
from isogmm.mixtures.affine_map import AffineMap
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.results.groups import Result


@dataclass(frozen=True, repr=False)
class GaussianMixture(AbstractMixture):
    """q(x) = Σ_k w_k N(x; c + L m_k, L Σ_k Lᵀ): Gaussians and one affine map.

    It has all methods of :class:`isogmm.IsotropicMixture`.

    Parameters
    ----------
    means
        (..., k, d), in the coordinates y of the map x = c + L y.
    covariances
        (..., k, d, d), positive definite, or their diagonals (..., k, d).
    log_weights
        (..., k), normalized over the last axis.
    affine_map
        The map that all components share; the identity by default.

    Raises
    ------
    OptionError
        If the shapes do not agree or a covariance is not positive definite.
    """

    means: Float[Array, "*c k d"]
    covariances: density.Matrices
    log_weights: Float[Array, "*c k"]
    affine_map: Any = None  # an AffineMap after __post_init__
    #: F with Σ_k = F Fᵀ, and F⁻¹; diagonals if the covariances are.
    factors: Array = field(init=False, repr=False, compare=False)
    inverse_factors: Array = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._validate_means()
        self._validate_shape("log_weights")
        shape = self.means.shape
        if self.covariances.shape not in (shape, (*shape, shape[-1])):
            raise OptionError(
                f"covariances have shape {self.covariances.shape}, but the means require "
                f"{(*shape, shape[-1])}, or {shape} for diagonal covariances"
            )
        with np.errstate(invalid="ignore", divide="ignore"):
            factors, inverses = density.factors_of(self.means, self.covariances)
        if isinstance(factors, np.ndarray) and not np.all(np.isfinite(inverses)):
            raise OptionError("covariances must be positive definite")
        object.__setattr__(self, "factors", factors)
        object.__setattr__(self, "inverse_factors", inverses)
        self._complete_map()

    def _form(self) -> str:
        return "diagonal" if self.is_diagonal else "full"

    @property
    def is_diagonal(self) -> bool:
        """Whether the covariances are diagonal in the coordinates of the map."""
        return density.is_diagonal(self.means, self.covariances)

    def arrays(self) -> dict[str, Array]:
        """Means, log weights, and ``covariances`` or, if diagonal, ``variances`` (..., k, d)."""
        name = "variances" if self.is_diagonal else "covariances"
        return {"means": self.means, name: self.covariances, "log_weights": self.log_weights}

    @classmethod
    def fits(cls, arrays: Mapping[str, Array]) -> bool:
        """Whether the arrays hold a covariance, or its diagonal, for each component."""
        is_diagonal = "variances" in arrays and arrays["variances"].ndim == arrays["means"].ndim
        return "covariances" in arrays or is_diagonal

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, Array], affine_map: AffineMap) -> "GaussianMixture":
        """The mixture of stored arrays."""
        spreads = arrays["covariances" if "covariances" in arrays else "variances"]
        means, log_weights = np.asarray(arrays["means"]), np.asarray(arrays["log_weights"])
        return cls(means, np.asarray(spreads), log_weights, affine_map)

    def mapped(self, function: Callable[[Array], Array]) -> "GaussianMixture":
        """The mixture with a function applied to each of its arrays."""
        return replace(
            self,
            means=function(self.means),
            covariances=function(self.covariances),
            log_weights=function(self.log_weights),
        )

    def block(
        self, coordinates: Coordinates
    ) -> tuple[Float[Array, "*c k m"], Float[Array, "*c k m m"]]:
        """Means and covariances of the components in some coordinates of x."""
        means, rows = self._rows(coordinates)
        if self.is_diagonal:
            half = rows * self.covariances[..., None, :]
        else:
            half = rows @ self.covariances
        return means, half @ rows.__array_namespace__().matrix_transpose(rows)

    def marginal(
        self, coordinate: int
    ) -> tuple[Float[Array, "*c k"], Float[Array, "*c k"], Float[Array, "*c k"]]:
        """The univariate mixture of one coordinate of x: means, variances, log weights."""
        means, covariances = self.block([coordinate])
        return means[..., 0], covariances[..., 0, 0], self.log_weights

    def _numbers_per_point(self) -> int:
        return self.num_components * self.dim

    def _log_prob(self, points: Array) -> Array:
        return density.log_prob(points, self.means, self.inverse_factors, self.log_weights)

    def _log_prob_and_score(self, points: Array) -> tuple[Array, Array, Array]:
        return density.log_prob_and_score(
            points, self.means, self.inverse_factors, self.log_weights
        )

    def _scaled(self, noise: np.ndarray, components: np.ndarray) -> np.ndarray:
        factors, scaled = np.asarray(self.factors), np.empty_like(noise)
        for component in np.unique(components):
            members, factor = components == component, factors[component]
            part = noise[members]
            scaled[members] = part * factor if self.is_diagonal else part @ factor.T
        return scaled

    def _mean_of_covariances(self) -> Array:
        xp = self.means.__array_namespace__()
        weights = xp.exp(self.log_weights)[..., None]
        if self.is_diagonal:
            identity = xp.eye(self.dim, dtype=self.means.dtype)
            return xp.sum(weights * self.covariances, axis=-2)[..., None] * identity
        return xp.sum(weights[..., None] * self.covariances, axis=-3)

    @classmethod
    def from_idata(cls, idata: Result) -> "GaussianMixture":
        """The mixture stored in a result of ``fit_gmmvi``, batched over its chains.

        Raises
        ------
        OptionError
            If the result holds no mixture, or a mixture of isotropic Gaussians.
        """
        mixture = super().from_idata(idata)
        if not isinstance(mixture, cls):
            raise OptionError(
                "the result contains isotropic Gaussians: read it with "
                "IsotropicMixture.from_idata, and convert the mixture with "
                "GaussianMixture.from_isotropic if you need covariances"
            )
        return mixture

    @classmethod
    def from_isotropic(cls, mixture: AbstractMixture, diagonal: bool = False) -> "GaussianMixture":
        """The same density as a mixture of this family; a member is returned unchanged."""
        if isinstance(mixture, cls):
            return mixture
        if not isinstance(mixture, IsotropicMixture):
            raise OptionError(f"a {type(mixture).__name__} cannot be converted to full covariances")
        variances = mixture.variances
        covariances = np.broadcast_to(variances[..., None], mixture.means.shape).copy()
        if not diagonal:
            covariances = covariances[..., None] * np.eye(mixture.dim, dtype=covariances.dtype)
        return cls(mixture.means, covariances, mixture.log_weights, mixture.affine_map)

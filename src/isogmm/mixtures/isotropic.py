"""Mixtures of isotropic Gaussians in the coordinates of an affine map."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from isogmm.arrays import Array
from isogmm.errors import OptionError
from isogmm.mixtures.abstract import AbstractMixture, Coordinates
from isogmm.mixtures.affine_map import AffineMap
from isogmm.mixtures.isotropic_density import log_prob, log_prob_and_score


@dataclass(frozen=True, repr=False)
class IsotropicMixture(AbstractMixture):
    """q(x) = Σ_k w_k N(x; c + L m_k, v_k L Lᵀ): isotropic Gaussians and one affine map.

    Parameters
    ----------
    means
        (..., k, d), in the coordinates y of the map x = c + L y.
    variances
        (..., k), positive.
    log_weights
        (..., k), normalized over the last axis.
    affine_map
        The map that all components share; the identity by default.

    Raises
    ------
    OptionError
        If the shapes do not agree or a variance is not positive.
    """

    means: Float[Array, "*c k d"]
    variances: Float[Array, "*c k"]
    log_weights: Float[Array, "*c k"]
    affine_map: Any = None  # an AffineMap after __post_init__

    def __post_init__(self) -> None:
        self._validate_means()
        self._validate_shape("variances")
        self._validate_shape("log_weights")
        if isinstance(self.variances, np.ndarray) and not np.all(self.variances > 0):
            raise OptionError(
                f"variances must be positive, but the smallest is {self.variances.min()}"
            )
        self._complete_map()

    def arrays(self) -> dict[str, Array]:
        """Means, variances (..., k) and log weights by name."""
        return {"means": self.means, "variances": self.variances, "log_weights": self.log_weights}

    @classmethod
    def fits(cls, arrays: Mapping[str, Array]) -> bool:
        """Whether the arrays hold one variance for each component."""
        return "variances" in arrays and arrays["variances"].ndim == arrays["means"].ndim - 1

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, Array], affine_map: AffineMap) -> "IsotropicMixture":
        """The mixture of stored arrays."""
        means, variances = np.asarray(arrays["means"]), np.asarray(arrays["variances"])
        return cls(means, variances, np.asarray(arrays["log_weights"]), affine_map)

    def _form(self) -> str:
        return "isotropic"

    def mapped(self, function: Callable[[Array], Array]) -> "IsotropicMixture":
        """The mixture with a function applied to each of its arrays."""
        return replace(
            self,
            means=function(self.means),
            variances=function(self.variances),
            log_weights=function(self.log_weights),
        )

    def block(
        self, coordinates: Coordinates
    ) -> tuple[Float[Array, "*c k m"], Float[Array, "*c k m m"]]:
        """Means and covariances of the components in some coordinates of x."""
        means, rows = self._rows(coordinates)
        inner = rows @ rows.__array_namespace__().matrix_transpose(rows)
        return means, self.variances[..., None, None] * inner

    def marginal(
        self, coordinate: int
    ) -> tuple[Float[Array, "*c k"], Float[Array, "*c k"], Float[Array, "*c k"]]:
        """The univariate mixture of one coordinate of x: means, variances, log weights."""
        row = self.affine_map.row_norm(coordinate)
        means = self.affine_map.forward(self.means)[..., coordinate]
        return means, self.variances * row**2, self.log_weights

    def _numbers_per_point(self) -> int:
        return self.num_components

    def _log_prob(self, points: Array) -> Array:
        return log_prob(points, self.means, self.variances, self.log_weights)

    def _log_prob_and_score(self, points: Array) -> tuple[Array, Array, Array]:
        return log_prob_and_score(points, self.means, self.variances, self.log_weights)

    def _scaled(self, noise: np.ndarray, components: np.ndarray) -> np.ndarray:
        return np.sqrt(np.asarray(self.variances))[components, None] * noise

    def _mean_of_covariances(self) -> Array:
        xp = self.means.__array_namespace__()
        variance = xp.sum(xp.exp(self.log_weights) * self.variances, axis=-1)
        return variance[..., None, None] * xp.eye(self.dim, dtype=self.means.dtype)

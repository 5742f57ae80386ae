"""Mixtures of isotropic Gaussians, as an object with a map."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from isogmm.errors import OptionError
from isogmm.mixtures.abstract import AbstractMixture
from isogmm.mixtures.isotropic_density import log_prob, log_prob_and_score


@dataclass(frozen=True)
class IsotropicMixture(AbstractMixture):
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
        self._check_means()
        self._check_shape("variances")
        self._check_shape("log_weights")
        if isinstance(self.variances, np.ndarray) and not np.all(self.variances > 0):
            raise OptionError(f"variances must be positive, the smallest is {self.variances.min()}")
        self._complete_map()

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

    def mapped(self, function: Callable[[Any], Any]) -> "IsotropicMixture":
        """The mixture with a function applied to each of its arrays."""
        return replace(
            self,
            means=function(self.means),
            variances=function(self.variances),
            log_weights=function(self.log_weights),
        )

    def block(self, coordinates: Any) -> tuple[Float[Any, "*c k m"], Float[Any, "*c k m m"]]:
        """Means and covariances of the components in some coordinates of x."""
        means, rows = self._rows(coordinates)
        inner = rows @ rows.__array_namespace__().matrix_transpose(rows)
        return means, self.variances[..., None, None] * inner

    def marginal(
        self, coordinate: int
    ) -> tuple[Float[Any, "*c k"], Float[Any, "*c k"], Float[Any, "*c k"]]:
        """The 1-d mixture of one coordinate of x: means, variances, log weights."""
        row = self.affine_map.row_norm(coordinate)
        means = self.affine_map.forward(self.means)[..., coordinate]
        return means, self.variances * row**2, self.log_weights

    def _log_prob(self, points: Any) -> Any:
        return log_prob(points, self.means, self.variances, self.log_weights)

    def _log_prob_and_score(self, points: Any) -> tuple[Any, Any, Any]:
        return log_prob_and_score(points, self.means, self.variances, self.log_weights)

    def _scaled(self, noise: np.ndarray, components: np.ndarray) -> np.ndarray:
        return np.sqrt(np.asarray(self.variances))[components, None] * noise

    def _mean_of_covariances(self) -> Any:
        xp = self.means.__array_namespace__()
        variance = xp.sum(xp.exp(self.log_weights) * self.variances, axis=-1)
        return variance[..., None, None] * xp.eye(self.dim, dtype=self.means.dtype)

"""What every mixture of Gaussians behind one affine map can do, whatever its covariances."""

import abc
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float

from isogmm.errors import OptionError
from isogmm.mixtures.affine_map import PARTS, AffineMap, identity_map
from isogmm.results.groups import attributes, get_group, group_names

#: ``Self`` for type checkers that look at one method at a time.
Mixture = TypeVar("Mixture", bound="AbstractMixture")


#: Every family of mixtures, in the order in which the package imports them.
_FAMILIES: list[type["AbstractMixture"]] = []


class AbstractMixture(abc.ABC):
    """q(x) = Σ_k w_k N(x; c + L m_k, L Σ_k Lᵀ), a frozen dataclass with arrays for the Σ_k.

    Leading axes of its arrays are chains: one mixture each.
    """

    means: Any
    log_weights: Any
    affine_map: Any

    def __init_subclass__(cls) -> None:
        _FAMILIES.append(cls)

    @abc.abstractmethod
    def arrays(self) -> dict[str, Any]:
        """The arrays by the names under which a result or a checkpoint stores them.

        ``means``, ``log_weights`` and the variances or covariances of the components.
        """

    @classmethod
    @abc.abstractmethod
    def fits(cls, arrays: Mapping[str, Any]) -> bool:
        """Whether stored arrays, by name, are those of this family."""

    @classmethod
    @abc.abstractmethod
    def of_arrays(cls, arrays: Mapping[str, Any], affine_map: AffineMap) -> "AbstractMixture":
        """The mixture of stored arrays that :meth:`fits` accepts."""

    @classmethod
    def from_idata(cls, idata: Any) -> "AbstractMixture":
        """The mixture stored in a result, batched over its chains.

        A saved file is enough: neither the model nor its data are needed to draw from the
        mixture, to evaluate ``log_prob`` or to continue the fit.  The class is that of the
        family that was fitted, whichever class is asked.

        Raises
        ------
        OptionError
            If the result does not come from this library.
        """
        if "fit" not in group_names(idata):
            library = attributes(idata).get("inference_library", "unknown")
            raise OptionError(
                "the result has no group 'fit': only results of fit_isogmm hold a mixture "
                f"(inference_library is {library!r})"
            )
        fit = get_group(idata, "fit")
        if fit.attrs.get("family") == "factorized":
            raise OptionError(
                "the result holds a factorized mixture: read it with "
                "isogmm.FactorizedMixture.from_idata(idata)"
            )
        weights = fit["weights"].values
        # A weight that underflowed stays a component that can recover when the fit goes on.
        log_weights = np.log(np.maximum(weights, np.finfo(weights.dtype).tiny))
        # The map is shared: every chain holds the same copy.
        parts = {
            part: fit[f"whitening_{part}"].values[0] for part in PARTS if f"whitening_{part}" in fit
        }
        parts.setdefault("scale", np.ones_like(parts["center"]))
        stored = {name: array.values for name, array in fit.data_vars.items()}
        return mixture_of({**stored, "log_weights": log_weights}, AffineMap(**parts))

    def _check_means(self) -> None:
        if self.means.ndim < 2 or self.means.shape[-2] < 1:
            raise OptionError(
                f"means must have shape (..., k, d) with k >= 1, not {self.means.shape}"
            )

    def _check_shape(self, name: str) -> None:
        """Whether an array has one number for each component."""
        shape, expected = getattr(self, name).shape, self.means.shape[:-1]
        if shape != expected:
            raise OptionError(f"{name} has shape {shape}; means ask for {expected}")

    def _complete_map(self) -> None:
        if self.affine_map is None:
            object.__setattr__(self, "affine_map", identity_map(self.dim, self.means.dtype))

    @abc.abstractmethod
    def mapped(self: Mixture, function: Callable[[Any], Any]) -> Mixture:
        """The mixture with a function applied to each of its arrays."""

    @abc.abstractmethod
    def block(self, coordinates: Any) -> tuple[Float[Any, "*c k m"], Float[Any, "*c k m m"]]:
        """Means and covariances of the components in some coordinates of x."""

    @abc.abstractmethod
    def marginal(
        self, coordinate: int
    ) -> tuple[Float[Any, "*c k"], Float[Any, "*c k"], Float[Any, "*c k"]]:
        """The 1-d mixture of one coordinate of x: means, variances, log weights."""

    @abc.abstractmethod
    def _log_prob(self, points: Any) -> Any:
        """log q of points (..., n, d) in the coordinates of the map."""

    @abc.abstractmethod
    def _log_prob_and_score(self, points: Any) -> tuple[Any, Any, Any]:
        """The same, its gradient, and the responsibilities."""

    @abc.abstractmethod
    def _scaled(self, noise: np.ndarray, components: np.ndarray) -> np.ndarray:
        """Σ_k^(1/2) ε for the component of each row; for a single mixture."""

    @abc.abstractmethod
    def _mean_of_covariances(self) -> Any:
        """Σ_k w_k Σ_k, (..., d, d)."""

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self.means.shape[-1]

    @property
    def num_components(self) -> int:
        """Number K of components."""
        return self.means.shape[-2]

    def __getitem__(self: Mixture, chain: Any) -> Mixture:
        """The mixture of one chain (or of several)."""
        return self.mapped(lambda array: array[chain])

    def pooled(self: Mixture) -> Mixture:
        """One mixture of all components of all chains, each chain with equal weight."""
        leading = self.means.ndim - 2
        if not leading:
            return self
        merged: Any = self.mapped(lambda array: array.reshape(-1, *array.shape[leading + 1 :]))
        chains = math.prod(self.means.shape[:leading])
        return replace(merged, log_weights=merged.log_weights - math.log(chains))

    def log_prob(self, positions: Float[Any, "*n d"]) -> Float[Any, "*n"]:
        """log q(x); leading axes beyond (n, d) match those of the means."""
        points = self.affine_map.inverse(positions)
        single = points.ndim == 1
        value = self._log_prob(points[None] if single else points)
        return (value[0] if single else value) - self.affine_map.log_det()

    def score(self, positions: Float[Any, "n d"]) -> Float[Any, "n d"]:
        """∇ log q(x) in the coordinates of x."""
        _, score, _ = self._log_prob_and_score(self.affine_map.inverse(positions))
        return self.affine_map.pull_back_inverse(score)

    def responsibilities(self, positions: Float[Any, "*n d"]) -> Float[Any, "*n k"]:
        """Posterior probability of each component given the point."""
        return self._log_prob_and_score(self.affine_map.inverse(positions))[2]

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
        points = np.asarray(self.means)[components] + self._scaled(noise, components)
        return self.affine_map.forward(points), components

    def mean(self) -> Float[Any, "*c d"]:
        """E[x] = c + L Σ_k w_k m_k."""
        return self.affine_map.forward(self._mean_of_points())

    def covariance(self) -> Float[Any, "*c d d"]:
        """Cov[x] = L (Σ_k w_k (Σ_k + m_k m_kᵀ) - m mᵀ) Lᵀ."""
        xp = self.means.__array_namespace__()
        weights = xp.exp(self.log_weights)[..., None]
        centered = self.means - self._mean_of_points()[..., None, :]
        inner = xp.matrix_transpose(centered * weights) @ centered + self._mean_of_covariances()
        half = xp.matrix_transpose(self.affine_map.linear(inner))
        return self.affine_map.linear(half)

    def _mean_of_points(self) -> Any:
        xp = self.means.__array_namespace__()
        return xp.sum(xp.exp(self.log_weights)[..., None] * self.means, axis=-2)

    def _rows(self, coordinates: Any) -> tuple[Any, Any]:
        """Of some coordinates of x: the means (..., k, m) and the rows of L (m, d)."""
        xp = self.means.__array_namespace__()
        identity = xp.eye(self.dim, dtype=self.means.dtype)
        rows = xp.stack([self.affine_map.pull_back(identity[i]) for i in coordinates])
        means = self.affine_map.forward(self.means)
        return xp.stack([means[..., i] for i in coordinates], axis=-1), rows


def mixture_of(arrays: Mapping[str, Any], affine_map: AffineMap) -> AbstractMixture:
    """The mixture of stored arrays, of the family whose names and shapes they have."""
    family = next(family for family in _FAMILIES if family.fits(arrays))
    return family.of_arrays(arrays, affine_map)

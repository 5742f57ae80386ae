"""Operations of all mixtures of Gaussians with one affine map, for any form of covariance."""

import abc
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias, TypeVar

import numpy as np
from jaxtyping import Float, Int

from isogmm.arrays import Array, systematic_indices
from isogmm.errors import OptionError
from isogmm.mixtures.affine_map import AffineMap, identity_map
from isogmm.mixtures.balanced_noise import balanced_noise
from isogmm.mixtures.chunks import chunks_of, concatenate, parts_of
from isogmm.mixtures.describe import describe
from isogmm.mixtures.tables import read_tables, tables_of
from isogmm.results.building.fit_result import Tables
from isogmm.results.groups import Result
from isogmm.validation import generator_of, whole_number

#: Largest dimension of balanced noise.  The sequence then takes less than 1 % of a fit, and in
#: higher dimensions its points fill the space hardly better than independent ones.
MAX_BALANCED_DIM = 64
#: The type of a mixture that a method returns: that of the mixture it belongs to.
Mixture = TypeVar("Mixture", bound="AbstractMixture")

#: Indices of coordinates of x.
Coordinates: TypeAlias = Sequence[int] | np.ndarray

#: The families of mixtures, in the order in which they are imported.
_FAMILIES: list[type["AbstractMixture"]] = []


class AbstractMixture(abc.ABC):
    """q(x) = Σ_k w_k N(x; c + L m_k, L Σ_k Lᵀ), a frozen dataclass with arrays for the Σ_k.

    Leading axes of the arrays are chains, with one mixture for each chain.
    """

    means: Float[Array, "*c k d"]
    log_weights: Float[Array, "*c k"]
    affine_map: AffineMap

    def __init_subclass__(cls) -> None:
        _FAMILIES.append(cls)

    @abc.abstractmethod
    def arrays(self) -> dict[str, Array]:
        """The arrays by the names under which a result or a checkpoint stores them.

        ``means``, ``log_weights`` and the variances or covariances of the components.
        """

    @classmethod
    @abc.abstractmethod
    def fits(cls, arrays: Mapping[str, Array]) -> bool:
        """Whether stored arrays, by name, define a mixture of this family."""

    @classmethod
    @abc.abstractmethod
    def of_arrays(cls, arrays: Mapping[str, Array], affine_map: AffineMap) -> "AbstractMixture":
        """The mixture of stored arrays that :meth:`fits` accepts."""

    @classmethod
    def from_idata(cls, idata: Result) -> "AbstractMixture":
        """The mixture stored in a result, batched over its chains.

        A saved file is sufficient to sample from the mixture, to evaluate ``log_prob`` or to
        resume the fit; the model and its data are not needed.  The family of the returned mixture
        is that of the fit, for whichever class the method is called.

        Raises
        ------
        OptionError
            If the result does not come from this library, or holds a factorized mixture.
        """
        return mixture_of(*read_tables(idata))

    def _validate_means(self) -> None:
        """Raise an error if the means do not have the shape (..., k, d) with k >= 1."""
        if self.means.ndim < 2 or self.means.shape[-2] < 1:
            raise OptionError(
                f"means must have shape (..., k, d) with k >= 1, not {self.means.shape}"
            )

    def _validate_shape(self, name: str) -> None:
        """Raise an error if an array does not have one number for each component."""
        shape, expected = getattr(self, name).shape, self.means.shape[:-1]
        if shape != expected:
            raise OptionError(f"{name} has shape {shape}, but the means require {expected}")

    def _complete_map(self) -> None:
        """Use the identity if no map was given."""
        if self.affine_map is None:
            object.__setattr__(self, "affine_map", identity_map(self.dim, self.means.dtype))

    def __repr__(self) -> str:
        """Two lines: the sizes, and the form of the covariances and of the map."""
        name = type(self).__name__
        return describe(name, self.means, f"{self._form()} covariances, {self.affine_map.form}")

    def _form(self) -> str:
        """The form of the covariances of the components, in a word."""
        return "individual"

    @abc.abstractmethod
    def mapped(self: Mixture, function: Callable[[Array], Array]) -> Mixture:
        """The mixture with a function applied to each of its arrays."""

    @abc.abstractmethod
    def block(
        self, coordinates: Coordinates
    ) -> tuple[Float[Array, "*c k m"], Float[Array, "*c k m m"]]:
        """Means and covariances of the components in some coordinates of x."""

    @abc.abstractmethod
    def marginal(
        self, coordinate: int
    ) -> tuple[Float[Array, "*c k"], Float[Array, "*c k"], Float[Array, "*c k"]]:
        """The univariate mixture of one coordinate of x: means, variances, log weights."""

    @abc.abstractmethod
    def _numbers_per_point(self) -> int:
        """Numbers in the largest array of a density, for one point and one chain."""

    @abc.abstractmethod
    def _log_prob(self, points: Array) -> Array:
        """log q of points (..., n, d) in the coordinates of the map."""

    @abc.abstractmethod
    def _log_prob_and_score(self, points: Array) -> tuple[Array, Array, Array]:
        """log q, its gradient, and the responsibilities, in the coordinates of the map."""

    @abc.abstractmethod
    def _scaled(self, noise: np.ndarray, components: np.ndarray) -> np.ndarray:
        """Σ_k^(1/2) ε for the component of each row; for a single chain."""

    @abc.abstractmethod
    def _mean_of_covariances(self) -> Array:
        """Σ_k w_k Σ_k, (..., d, d)."""

    def tables(self) -> Tables:
        """The arrays and the parts of the map for the group ``fit``, one set for each chain."""
        return tables_of(self.arrays(), self.affine_map)

    def labels(self) -> dict[str, str]:
        """The kind of the map."""
        return {"whitening": self.affine_map.kind}

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self.means.shape[-1]

    @property
    def num_components(self) -> int:
        """Number K of components."""
        return self.means.shape[-2]

    def __getitem__(self: Mixture, chain: int | np.integer | slice | np.ndarray) -> Mixture:
        """The mixture of one chain (or of several)."""
        return self.mapped(lambda array: array[chain])

    def pooled(self: Mixture) -> Mixture:
        """One mixture of the components of all chains, in which all chains have equal weight."""
        leading = self.means.ndim - 2
        if not leading:
            return self
        merged: Any = self.mapped(lambda array: array.reshape(-1, *array.shape[leading + 1 :]))
        chains = math.prod(self.means.shape[:leading])
        return replace(merged, log_weights=merged.log_weights - math.log(chains))

    def _in_chunks(self, points: Array, function: Callable[[Array], Array], axis: int) -> Any:
        """A function of points (..., n, d) or of one point (d,), applied to chunks of n.

        The chunks bound the size of intermediate arrays.  ``axis`` is that of n in the values.
        """
        is_single = points.ndim == 1
        points = points[None] if is_single else points
        chains = math.prod(np.broadcast_shapes(points.shape[:-2], self.means.shape[:-2]))
        chunks = chunks_of(points, chains * self._numbers_per_point())
        values = concatenate([function(chunk) for chunk in chunks], axis=axis)
        return values[0] if is_single else values

    def _in_parts(self, positions: Array, function: Callable[[Array], Array]) -> Any:
        """A function of points with values (..., n), at positions in the coordinates of x."""
        inverse = self.affine_map.inverse
        parts = [self._in_chunks(inverse(p), function, -1) for p in parts_of(positions)]
        return parts[0] if len(parts) == 1 else concatenate(parts, axis=-1)

    def log_prob(self, positions: Float[Array, "*n d"]) -> Float[Array, "*n"] | np.floating:
        """log q(x); leading axes beyond (n, d) match those of the means."""
        return self._in_parts(positions, self._log_prob) - self.affine_map.log_det()

    def score(self, positions: Float[Array, "*n d"]) -> Float[Array, "*n d"]:
        """∇ log q(x) in the coordinates of x."""
        points = self.affine_map.inverse(positions)
        score = self._in_chunks(points, lambda chunk: self._log_prob_and_score(chunk)[1], -2)
        return self.affine_map.pull_back_inverse(score)

    def responsibilities(self, positions: Float[Array, "*n d"]) -> Float[Array, "*n k"]:
        """Posterior probability of each component given the point."""
        points = self.affine_map.inverse(positions)
        return self._in_chunks(points, lambda chunk: self._log_prob_and_score(chunk)[2], -2)

    def most_responsible(self, positions: Float[Array, "*n d"]) -> Int[Array, "*n"] | np.integer:
        """The component with the largest responsibility for each point."""

        def largest(chunk: Array) -> Array:
            return self._log_prob_and_score(chunk)[2].argmax(axis=-1)

        return self._in_parts(positions, largest)

    def sample(
        self, random_seed: object, num_draws: int, *, is_balanced: bool = False
    ) -> tuple[Float[np.ndarray, "*c n d"], Int[np.ndarray, "*c n"]]:
        """Draws, and the component of each draw.

        Components are drawn in strata (systematic resampling of the weights): the number of draws
        of a component differs from its expectation by less than one.  The order of the draws is
        random.

        Parameters
        ----------
        random_seed
            A NumPy Generator, or as in :func:`isogmm.fit_isogmm`.
        num_draws
            n, the number of draws of each chain.
        is_balanced
            Whether the draws fill the space more evenly than independent draws.  Every draw has
            the distribution of the mixture in both cases.  Averages of balanced draws have smaller
            errors.  Ignored in more than ``MAX_BALANCED_DIM`` dimensions.
        """
        generator = generator_of(random_seed)
        num_draws = whole_number("num_draws", num_draws, least=0)
        if self.means.ndim > 2:
            parts = [
                self[chain].sample(generator, num_draws, is_balanced=is_balanced)
                for chain in range(len(self.means))
            ]
            return np.stack([p[0] for p in parts]), np.stack([p[1] for p in parts])
        weights = np.exp(np.asarray(self.log_weights, dtype=np.float64))
        components = systematic_indices(weights, num_draws, generator)
        if is_balanced and self.dim <= MAX_BALANCED_DIM:
            levels, noise = balanced_noise(generator, num_draws, self.dim)
            components = components[np.argsort(np.argsort(levels))]
        else:
            components = generator.permutation(components)
            noise = generator.standard_normal((num_draws, self.dim))
        points = np.asarray(self.means)[components] + self._scaled(noise, components)
        return self.affine_map.forward(points), components

    def mean(self) -> Float[Array, "*c d"]:
        """E[x] = c + L Σ_k w_k m_k."""
        return self.affine_map.forward(self._mean_of_points())

    def covariance(self) -> Float[Array, "*c d d"]:
        """Cov[x] = L (Σ_k w_k (Σ_k + m_k m_kᵀ) - m mᵀ) Lᵀ."""
        xp = self.means.__array_namespace__()
        weights = xp.exp(self.log_weights)[..., None]
        centered = self.means - self._mean_of_points()[..., None, :]
        inner = xp.matrix_transpose(centered * weights) @ centered + self._mean_of_covariances()
        half = xp.matrix_transpose(self.affine_map.linear(inner))
        return self.affine_map.linear(half)

    def _mean_of_points(self) -> Array:
        """Σ_k w_k m_k, in the coordinates of the map."""
        xp = self.means.__array_namespace__()
        return xp.sum(xp.exp(self.log_weights)[..., None] * self.means, axis=-2)

    def _rows(self, coordinates: Coordinates) -> tuple[Array, Array]:
        """Of some coordinates of x: the means (..., k, m) and the rows of L (m, d)."""
        xp = self.means.__array_namespace__()
        identity = xp.eye(self.dim, dtype=self.means.dtype)
        rows = xp.stack([self.affine_map.pull_back(identity[i]) for i in coordinates])
        means = self.affine_map.forward(self.means)
        return xp.stack([means[..., i] for i in coordinates], axis=-1), rows


def mixture_of(arrays: Mapping[str, Array], affine_map: AffineMap) -> AbstractMixture:
    """The mixture of stored arrays, of the family that their names and shapes determine.

    A family is known once the module of its class is imported.

    Raises
    ------
    OptionError
        If the arrays do not belong to any known family.
    """
    for family in _FAMILIES:
        if family.fits(arrays):
            return family.of_arrays(arrays, affine_map)
    raise OptionError(
        f"the stored arrays {sorted(arrays)} do not belong to any known family of mixtures: import "
        "the module that defines the family first"
    )

"""Adaptation of the whitening map between windows, from the gradients of the fit."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float

from isogmm.errors import OptionError
from isogmm.mixtures.affine_map import AffineMap

#: Largest length of a deviation of the gradient, in units of the median length.
MAX_RELATIVE_LENGTH = 4.0

#: Largest ratio of two eigenvalues of G within one update.
MAX_EIGENVALUE_RATIO = 1e8

#: Weight of the identity in the estimate of the scales, as a number of deviations.
SCALE_PRIOR_COUNT = 5.0

#: Weight of the identity in the estimate of the correlations, as a number of deviations for each
#: dimension.
CORRELATION_PRIOR_COUNT = 10.0


@dataclass
class GradientSpread:
    """Collects G = Σ_k v_k Cov_k(∇_y log π) over the iterations of a window, with clipped lengths.

    Under component k the gradient of a Gaussian target with precision H has the covariance v_k H².
    G is therefore proportional to (v H)², and L ← L G^(−1/4) makes v H a multiple of the identity.
    In the new coordinates the target is isotropic.  Lengths are clipped relative to their
    *median*, because a bound on an absolute scale would discard most gradients if L is poor.

    Parameters
    ----------
    dense
        Whether G is a matrix or only its diagonal.
    """

    dense: bool
    count: int = field(default=0, init=False)
    total: Float[np.ndarray, "d d"] | Float[np.ndarray, " d"] | float = field(
        default=0.0, init=False
    )

    def add(
        self,
        gradients: Float[np.ndarray, "c k s d"],
        variances: Float[np.ndarray, "c k"],
        finite: Bool[np.ndarray, "c k s"],
    ) -> None:
        """Add the gradients ∇_y log π at the samples of one iteration.

        Components with a sample that is not finite are omitted.
        """
        num_samples, dim = gradients.shape[-2:]
        if num_samples < 2:
            raise OptionError(
                "the whitening is adapted to the gradients, which needs at least 2 samples of each "
                "component: raise num_samples, or pass a fixed matrix as whitening="
            )
        deviations = gradients - gradients.mean(axis=-2, keepdims=True)
        deviations *= np.sqrt(variances)[..., None, None]
        deviations = deviations[finite.all(axis=-1)].reshape(-1, dim)
        lengths = np.sqrt((deviations * deviations).sum(axis=-1))
        if not len(lengths) or not 0 < (median := np.median(lengths)) < np.inf:
            return
        with np.errstate(divide="ignore"):
            deviations *= np.minimum(1.0, MAX_RELATIVE_LENGTH * median / lengths)[:, None]
        # s samples have s - 1 independent deviations from their mean.
        self.count += len(lengths) * (num_samples - 1) // num_samples
        self.total = self.total + (
            deviations.T @ deviations if self.dense else (deviations * deviations).sum(axis=0)
        )

    def update(
        self, affine_map: AffineMap, means: Float[np.ndarray, "c k d"]
    ) -> tuple[AffineMap, Float[np.ndarray, "c k d"]]:
        """The map with L G^(−1/4), and the means in its coordinates, G^(1/4) m.

        G is scaled to determinant 1, because the variances, which do not change, hold the overall
        scale.  With n deviations the logarithms of its diagonal are multiplied by n / (n + 5).  In
        the dense form the correlations are multiplied by n / (n + 10 d).
        """
        if not self.count:
            return affine_map, means
        assert isinstance(self.total, np.ndarray)
        dim = means.shape[-1]
        diagonal = np.diag(self.total) if self.dense else self.total
        scale = np.sqrt(_balanced(diagonal, self.count / (self.count + SCALE_PRIOR_COUNT)))
        if not self.dense:
            quarter = np.sqrt(scale)
            return _rescaled(affine_map, 1.0 / quarter), (means * quarter).astype(means.dtype)
        root = np.sqrt(np.maximum(diagonal, diagonal.max() / MAX_EIGENVALUE_RATIO))
        correlation = self.total / np.outer(root, root)
        prior = CORRELATION_PRIOR_COUNT * dim
        correlation = (self.count * correlation + prior * np.eye(dim)) / (self.count + prior)
        values, vectors = np.linalg.eigh(correlation * np.outer(scale, scale))
        quarter = _balanced(values, 1.0) ** 0.25
        factor = affine_map.linear(np.eye(dim)).T
        factor = ((factor @ vectors) / quarter) @ vectors.T
        carried = ((means @ vectors) * quarter) @ vectors.T
        new_map = AffineMap(center=affine_map.center, scale=np.ones(dim), factor=factor)
        return new_map, carried.astype(means.dtype)


def _balanced(values: Float[np.ndarray, " d"], power: float) -> Float[np.ndarray, " d"]:
    """The values scaled to geometric mean 1, raised to a power; small ones are bounded below."""
    logs = np.log(np.maximum(values, values.max() / MAX_EIGENVALUE_RATIO))
    return np.exp(power * (logs - logs.mean()))


def _rescaled(affine_map: AffineMap, multipliers: Float[np.ndarray, " d"]) -> AffineMap:
    """The map with L diag(multipliers)."""
    if affine_map.factor is not None:
        factor = affine_map.factor * multipliers
        return AffineMap(center=affine_map.center, scale=affine_map.scale, factor=factor)
    if affine_map.kind == "diagonal":
        return AffineMap(center=affine_map.center, scale=affine_map.scale * multipliers)
    raise OptionError(
        "a low-rank whitening matrix cannot be adapted coordinate by coordinate: adapt a diagonal "
        "or a dense one, or keep the low-rank matrix fixed"
    )


@dataclass(frozen=True)
class AdaptDense:
    """Adapt a full matrix L between windows; for d up to about 500."""

    def collector(self) -> GradientSpread:
        """An empty collection for one window."""
        return GradientSpread(dense=True)


@dataclass(frozen=True)
class AdaptDiagonal:
    """Adapt one scale for each coordinate between windows."""

    def collector(self) -> GradientSpread:
        """An empty collection for one window."""
        return GradientSpread(dense=False)

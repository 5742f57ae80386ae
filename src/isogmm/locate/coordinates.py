"""The coordinates of a fit: affine maps from the search, from one point, or as given."""

import numpy as np
from jaxtyping import Float

from isogmm.errors import ModelError, OptionError
from isogmm.locate.curvature import dense_at, diagonal_at
from isogmm.locate.locate import Located
from isogmm.locate.low_rank import low_rank_at
from isogmm.locate.paths import DENSE_LIMIT, follow_paths
from isogmm.mixtures.affine_map import AffineMap, identity_map
from isogmm.model.target import Target


def given_map(whitening: str | AffineMap, target: Target) -> AffineMap | None:
    """The map that needs no look at the density: the one given, or none at all."""
    if isinstance(whitening, AffineMap):
        if len(whitening.center) != target.dim:
            raise OptionError(
                f"the whitening map has {len(whitening.center)} coordinates, the target "
                f"{target.dim}"
            )
        return whitening
    return identity_map(target.dim) if whitening == "none" else None


def map_for(
    target: Target, whitening: str | AffineMap, located: Located, masses: np.ndarray
) -> AffineMap:
    """The map asked for, from what the search found."""
    within = within_mode_map(located.means, located.factors, masses)
    if whitening == "diagonal":
        if within.factor is None:
            return within
        return AffineMap(within.center, np.sqrt((within.factor**2).sum(axis=1)))
    if whitening == "dense" and within.factor is None:
        return dense_at(target, located.means[0])
    if whitening == "low_rank" and _has_low_rank(target):
        return located.low_rank or low_rank_at(target, located.means[0])
    return within if whitening == "dense" else located.low_rank or within


def fixed_map(
    target: Target, whitening: str | AffineMap, generator: np.random.Generator
) -> AffineMap:
    """The map asked for where no search is made: estimated, if at all, at a local maximum."""
    known = given_map("none" if whitening == "auto" else whitening, target)
    if known is not None:
        return known
    paths = follow_paths(target, target.initial_positions(generator, 8))
    found = [path for path in paths if path is not None]
    if not found:
        raise ModelError("no start has a finite log density: the whitening cannot be estimated")
    best = max(found, key=lambda path: path.log_density[-1])
    if whitening == "diagonal":
        return diagonal_at(target, best.end)
    is_low_rank = whitening == "low_rank" and _has_low_rank(target)
    return (low_rank_at if is_low_rank else dense_at)(target, best.end)


def within_mode_map(
    means: Float[np.ndarray, "m d"], factors: np.ndarray, masses: Float[np.ndarray, " m"]
) -> AffineMap:
    """The map of the average covariance within modes, centered on their average."""
    masses = masses / masses.sum()
    center = masses @ means
    ones = np.ones(means.shape[1])
    if factors.ndim == 2:
        return AffineMap(center, np.sqrt(masses @ factors**2))
    if len(masses) == 1:
        try:
            return AffineMap(center, ones, factors[0])
        except OptionError:  # a factor without an inverse: its scales are worth having
            return AffineMap(center, np.sqrt((factors[0] ** 2).sum(axis=1)))
    covariance = np.einsum("m,mij,mkj->ik", masses, factors, factors)
    scale = np.sqrt(np.diag(covariance))
    factor = np.linalg.cholesky(covariance / np.outer(scale, scale)) * scale[:, None]
    return AffineMap(center, ones, factor)


def _has_low_rank(target: Target) -> bool:
    """In fewer dimensions all directions would be kept, and the form is that of a matrix."""
    return target.dim > DENSE_LIMIT // 50


def geometric_scale(affine_map: AffineMap) -> np.ndarray:
    """Equal scales with the volume of the map."""
    dim = len(affine_map.center)
    return np.full(dim, np.exp(float(affine_map.log_det()) / dim))

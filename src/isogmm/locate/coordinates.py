"""The affine map of a fit: from a search, from the curvature at one point, or as given."""

import numpy as np
from jaxtyping import Float

from isogmm.errors import ModelError, OptionError
from isogmm.locate.gaussian.curvature import dense_at, diagonal_at
from isogmm.locate.gaussian.low_rank import low_rank_at
from isogmm.locate.located import Located
from isogmm.locate.options import Whitening
from isogmm.locate.paths.lbfgs import follow_paths
from isogmm.mixtures.affine_map import AffineMap, identity_map
from isogmm.model.target import Target

#: Number of starting points whose paths are followed if there is no search.
NUM_STARTS = 8
#: Smallest dimension of a low-rank map.  In fewer dimensions it would keep nearly all directions,
#: like a dense map.
MIN_LOW_RANK_DIM = 11


def given_map(whitening: Whitening | AffineMap, target: Target) -> AffineMap | None:
    """The map that is given, or the identity for ``NONE``; None if the map must be estimated.

    Raises
    ------
    OptionError
        If the dimension of the map is not that of the target.
    """
    if isinstance(whitening, AffineMap):
        if len(whitening.center) != target.dim:
            raise OptionError(
                f"whitening= has {len(whitening.center)} coordinates, but the model has "
                f"{target.dim}: pass a matrix or scales for all unconstrained coordinates"
            )
        return whitening
    return identity_map(target.dim) if whitening is Whitening.NONE else None


def map_for(
    target: Target,
    whitening: Whitening | AffineMap,
    located: Located,
    masses: Float[np.ndarray, " m"],
) -> AffineMap:
    """The map of the requested form, from the result of a search.

    The density is evaluated only if the search has no map of this form.
    """
    within = within_mode_map(located.means, located.factors, masses)
    if whitening is Whitening.DIAGONAL:
        if within.factor is None:
            return within
        return AffineMap(within.center, np.sqrt((within.factor**2).sum(axis=1)))
    if whitening is Whitening.DENSE:
        return within if within.factor is not None else dense_at(target, located.means[0])
    if whitening is Whitening.LOW_RANK and target.dim >= MIN_LOW_RANK_DIM:
        return located.low_rank or low_rank_at(target, located.means[0])
    return located.low_rank or within


def fixed_map(
    target: Target, whitening: Whitening | AffineMap, generator: np.random.Generator
) -> AffineMap:
    """The map of the requested form if there is no search; the identity for ``AUTO``.

    Maps with parameters are estimated from the curvature at the highest of several local maxima.

    Raises
    ------
    ModelError
        If no starting point has a finite log density.
    OptionError
        If the dimension of a given map is not that of the target.
    """
    known = given_map(Whitening.NONE if whitening is Whitening.AUTO else whitening, target)
    if known is not None:
        return known
    paths = follow_paths(target, target.initial_positions(generator, NUM_STARTS))
    found = [path for path in paths if path is not None]
    if not found:
        raise ModelError(
            "the scales of the posterior cannot be estimated, because the log density is not "
            "finite at any starting point: check the data and the priors"
        )
    best = max(found, key=lambda path: path.log_density[-1])
    if whitening is Whitening.DIAGONAL:
        return diagonal_at(target, best.end)
    if whitening is Whitening.LOW_RANK and target.dim >= MIN_LOW_RANK_DIM:
        return low_rank_at(target, best.end)
    return dense_at(target, best.end)


def within_mode_map(
    means: Float[np.ndarray, "m d"],
    factors: Float[np.ndarray, "m d d"] | Float[np.ndarray, "m d"],
    masses: Float[np.ndarray, " m"],
) -> AffineMap:
    """The map of the average covariance within modes, centered on the average of their means."""
    masses = masses / masses.sum()
    center = masses @ means
    ones = np.ones(means.shape[1])
    if factors.ndim == 2:
        return AffineMap(center, np.sqrt(masses @ factors**2))
    if len(masses) == 1:
        try:
            return AffineMap(center, ones, factors[0])
        except OptionError:  # a singular factor: keep the marginal scales
            return AffineMap(center, np.sqrt((factors[0] ** 2).sum(axis=1)))
    covariance = np.einsum("m,mij,mkj->ik", masses, factors, factors)
    scale = np.sqrt(np.diag(covariance))
    # Correlations first: scales from 0.01 to 10,000 must not cost digits.
    factor = np.linalg.cholesky(covariance / np.outer(scale, scale)) * scale[:, None]
    return AffineMap(center, ones, factor)


def geometric_scale(affine_map: AffineMap) -> Float[np.ndarray, " d"]:
    """Equal scales (d,) whose product is the determinant of the map."""
    dim = len(affine_map.center)
    return np.full(dim, np.exp(float(affine_map.log_det()) / dim))

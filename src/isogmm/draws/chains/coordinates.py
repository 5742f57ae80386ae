"""Affine maps that whiten the positions of parallel chains."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from isogmm.draws.chains.noncentering import NonCentering
from isogmm.mixtures.affine_map import AffineMap


def whitened(
    affine_map: AffineMap, centered: Float[np.ndarray, "n d"], num_independent: int
) -> AffineMap:
    """The map in whose coordinates centered points of ``affine_map`` have unit covariance.

    The sample covariance of m draws is shrunk towards the identity (the old coordinates) by
    2d/m, about the relative error of its eigenvalues.
    """
    dim = centered.shape[1]
    if affine_map.factor is not None:
        shrinkage = min(1.0, 2.0 * dim / num_independent)
        covariance = (1.0 - shrinkage) * centered.T @ centered / len(centered)
        covariance[np.diag_indices(dim)] += shrinkage
        factor = affine_map.factor @ np.linalg.cholesky(covariance)
        return AffineMap(affine_map.center, affine_map.scale, factor)
    if affine_map.kind == "low_rank":
        return affine_map
    spread = np.sqrt((centered**2).mean(axis=0) + 1e-12)
    return replace(affine_map, scale=affine_map.scale * spread)


def noncentered_map(
    noncentering: NonCentering,
    affine_map: AffineMap,
    positions: Float[np.ndarray, "n d"],
    num_independent: int,
) -> AffineMap:
    """A map that whitens the points z of positions x, where ``affine_map`` whitens x.

    It is dense if ``affine_map`` is, and diagonal otherwise.  Correlations in x that are linear in
    z too, such as thin ridges, are taken from a dense ``affine_map``: the draws alone do not
    determine them well enough.
    """
    if affine_map.factor is None:
        points = noncentering.inverse(positions)
        return AffineMap(points.mean(axis=0), points.std(axis=0))
    factor = noncentering.linear_part() @ affine_map.linear(np.eye(positions.shape[1])).T
    points = noncentering.inverse(positions)
    initial = AffineMap(points.mean(axis=0), np.ones(len(factor)), factor)
    return whitened(initial, initial.inverse(points), num_independent)

"""A low-rank plus diagonal Gaussian at a local maximum, for dimensions without dense matrices."""

import numpy as np
from jaxtyping import Float
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from isogmm.locate.gaussian.curvature import gradient_changes, laplace_scales
from isogmm.locate.gaussian.elbo import antithetic_normal, elbo_from, log_gaussian
from isogmm.mixtures.affine_map import AffineMap
from isogmm.model.target import Target

#: Number of eigenvectors kept beside the diagonal, about half of them of the largest eigenvalues.
RANK = 40
#: Eigenvalues within this factor of 1 are represented by the diagonal alone.
MIN_EIGENVALUE_FACTOR = 1.5
#: Smallest eigenvalue that is kept.
MIN_EIGENVALUE = 1e-10
#: Products with random signs that estimate the diagonal, and rounds of diagonal and eigenpairs.
NUM_PROBES, NUM_ROUNDS = 32, 3
#: Bounds of the diagonal of the remainder in one round, as multiples of the current one.
MIN_CHANGE, MAX_CHANGE = 0.05, 20.0
#: Length of the finite differences, in standard deviations.
STEP = 1e-2
#: Restarts of ARPACK and its relative tolerance of eigenvalues.
MAX_RESTARTS, EIGENVALUE_TOLERANCE = 30, 1e-2


def low_rank_at(target: Target, position: Float[np.ndarray, " d"]) -> AffineMap:
    """c + D (I + U (e - 1) Uᵀ) y with (L Lᵀ)⁻¹ ≈ -∇² log π at a point, and e = λ^(-1/2).

    The eigenpairs (λ, U) are the extreme ones of the Hessian H in coordinates scaled by D.  They
    come from ARPACK (``eigsh`` of SciPy); its products H v are central differences of the
    gradient along v.  D is the diagonal of the Hessian without these pairs, estimated from
    products with random signs.  A single large eigenvalue that was not subtracted would dominate
    the error of this estimate.  D and the pairs are estimated in turn.  The memory is O(d r), and
    no (d, d) matrix is formed.
    """
    dim = len(position)
    scale = laplace_scales(target, position)
    signs = np.random.default_rng(1).choice([-1.0, 1.0], size=(NUM_PROBES, dim))
    rank = min(RANK, dim - 2)
    values, vectors = _eigenpairs(target, position, scale, rank, "LM")
    for _ in range(NUM_ROUNDS):
        low_rank = (signs @ vectors) * (values - 1.0) @ vectors.T
        remainder = (_products(target, position, scale, signs) - low_rank) * signs
        scale = scale / np.sqrt(np.clip(remainder.mean(axis=0), MIN_CHANGE, MAX_CHANGE))
        values, vectors = _eigenpairs(target, position, scale, rank, "BE")
    deviation = np.abs(np.log(np.maximum(values, MIN_EIGENVALUE)))
    kept = (values > MIN_EIGENVALUE) & (deviation > np.log(MIN_EIGENVALUE_FACTOR))
    if not kept.any():
        return AffineMap(position, scale)
    basis, _ = np.linalg.qr(vectors[:, kept])
    return AffineMap(position, scale, vectors=basis, values=values[kept] ** -0.5)


def _products(
    target: Target,
    position: Float[np.ndarray, " d"],
    scale: Float[np.ndarray, " d"],
    vectors: Float[np.ndarray, "k d"],
) -> Float[np.ndarray, "k d"]:
    """H v for each row v, in scaled coordinates, by central differences along v."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    change = gradient_changes(target, position, STEP * scale * vectors / norms)
    return change.values * scale * norms / (2.0 * STEP)


def _eigenpairs(
    target: Target,
    position: Float[np.ndarray, " d"],
    scale: Float[np.ndarray, " d"],
    rank: int,
    which: str,
) -> tuple[Float[np.ndarray, " r"], Float[np.ndarray, "d r"]]:
    """Extreme eigenpairs of the scaled Hessian; those found if ARPACK does not converge."""
    dim = len(position)
    operator = LinearOperator(
        (dim, dim),
        matvec=lambda vector: _products(target, position, scale, vector.reshape(1, -1))[0],
        dtype=np.float64,
    )
    start = np.random.default_rng(0).standard_normal(dim)
    try:
        return eigsh(
            operator,
            k=rank,
            which=which,
            v0=start,
            maxiter=MAX_RESTARTS,
            tol=EIGENVALUE_TOLERANCE,
        )
    except ArpackNoConvergence as failure:
        return failure.eigenvalues, failure.eigenvectors


def elbo_of(
    target: Target, affine_map: AffineMap, generator: np.random.Generator, num_draws: int = 128
) -> tuple[float, float]:
    """ELBO of the image of a standard normal under a map, and its standard error.

    The ELBO is -inf if the log density is not finite at one of the draws.
    """
    draws = antithetic_normal(generator, 1, num_draws, len(affine_map.center))
    log_density, _ = target.evaluate(affine_map.forward(draws))
    log_q = log_gaussian(draws, np.array([float(affine_map.log_det())]))
    finite = np.isfinite(log_density - log_q)
    if not np.all(finite):
        return -np.inf, np.inf
    elbo = elbo_from(log_density, log_q, finite)
    return float(elbo.value[0]), float(elbo.standard_error[0])

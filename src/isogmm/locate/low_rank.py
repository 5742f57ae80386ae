"""A low-rank plus diagonal Gaussian at a local maximum, for dimensions too many for a matrix."""

import numpy as np
from jaxtyping import Float
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from isogmm.arrays import LOG_2PI
from isogmm.locate.curvature import laplace_scales
from isogmm.mixtures.affine_map import AffineMap
from isogmm.model.target import Target

#: Directions kept beside the diagonal, half of them stiff and half soft.
RANK = 40
#: Eigenvalues within this factor of 1 are left to the diagonal.
_TYPICAL = 1.5
#: Products with random signs for the diagonal, and rounds of diagonal and eigenpairs.
NUM_PROBES, NUM_ROUNDS = 32, 3
_STEP = 1e-2


def low_rank_at(target: Target, position: Float[np.ndarray, " d"]) -> AffineMap:
    """c + D (I + U (e - 1) Uᵀ) y with (L Lᵀ)⁻¹ ≈ -∇² log π at a point.

    The extreme eigenpairs of the Hessian in coordinates scaled by D come from ARPACK (SciPy's
    ``eigsh``), whose products H v are central differences of the gradient along v; e = λ^(-1/2).
    D is the diagonal of what these pairs leave of the Hessian, from products with random signs:
    without the pairs taken out, one stiff direction drowns the diagonal in noise.  The two are
    estimated in turn.  Memory O(d r), no matrix of d x d.
    """
    dim = len(position)
    scale = laplace_scales(target, position)
    signs = np.random.default_rng(1).choice([-1.0, 1.0], size=(NUM_PROBES, dim))
    rank = min(RANK, dim - 2)
    values, vectors = _eigenpairs(target, position, scale, rank, "LM")
    for _ in range(NUM_ROUNDS):
        stiff = (signs @ vectors) * (values - 1.0) @ vectors.T
        rest = (_products(target, position, scale, signs) - stiff) * signs
        scale = scale / np.sqrt(np.clip(rest.mean(axis=0), 0.05, 20.0))
        values, vectors = _eigenpairs(target, position, scale, rank, "BE")
    keep = (values > 1e-10) & (np.abs(np.log(np.maximum(values, 1e-10))) > np.log(_TYPICAL))
    if not keep.any():
        return AffineMap(position, scale)
    basis, _ = np.linalg.qr(vectors[:, keep])
    return AffineMap(position, scale, vectors=basis, values=values[keep] ** -0.5)


def _products(
    target: Target, position: np.ndarray, scale: np.ndarray, vectors: np.ndarray
) -> np.ndarray:
    """-∇² log π times each row, in scaled coordinates, by central differences along it."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    shifts = _STEP * scale * vectors / norms
    _, gradients = target.evaluate(np.concatenate([position + shifts, position - shifts]))
    return (gradients[len(vectors) :] - gradients[: len(vectors)]) * scale * norms / (2.0 * _STEP)


def _eigenpairs(
    target: Target, position: np.ndarray, scale: np.ndarray, rank: int, which: str
) -> tuple[np.ndarray, np.ndarray]:
    dim = len(position)
    operator = LinearOperator(
        (dim, dim),
        matvec=lambda vector: _products(target, position, scale, vector.reshape(1, -1))[0],
        dtype=np.float64,
    )
    start = np.random.default_rng(0).standard_normal(dim)
    try:
        return eigsh(operator, k=rank, which=which, v0=start, maxiter=30, tol=1e-2)
    except ArpackNoConvergence as failure:
        return failure.eigenvalues, failure.eigenvectors


def elbo_of(
    target: Target, affine_map: AffineMap, generator: np.random.Generator, num_draws: int = 128
) -> tuple[float, float]:
    """ELBO of the Gaussian that a map stands for, with its standard error."""
    noise = generator.standard_normal((num_draws // 2, len(affine_map.center)))
    noise = np.concatenate([noise, -noise])
    log_density, _ = target.evaluate(affine_map.forward(noise))
    log_q = -0.5 * ((noise**2).sum(axis=1) + noise.shape[1] * LOG_2PI) - float(affine_map.log_det())
    ratios = log_density - log_q
    if not np.all(np.isfinite(ratios)):
        return -np.inf, np.inf
    return float(ratios.mean()), float(ratios.std() / np.sqrt(num_draws))

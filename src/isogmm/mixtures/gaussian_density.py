"""Gaussians with full or diagonal covariances: densities and scores as pure functions of arrays.

A covariance is a matrix (..., k, d, d) or its diagonal (..., k, d).  The number of axes
distinguishes the two.  All functions work on NumPy and on JAX arrays and accept leading batch
axes.
"""

from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from isogmm.arrays import LOG_2PI, Array, logsumexp, logsumexp_and_shares

#: Covariances or their factors, one for each component: matrices or diagonals.
Matrices: TypeAlias = Float[Array, "*c k d d"] | Float[Array, "*c k d"]


def is_diagonal(means: Float[Array, "*c k d"], covariances: Matrices) -> bool:
    """Whether the covariances are stored as diagonals."""
    return covariances.ndim == means.ndim


def cholesky(covariances: Float[Array, "*k d d"]) -> Float[Array, "*k d d"]:
    """Lower Cholesky factors; NaN for a matrix that is not positive definite."""
    xp = covariances.__array_namespace__()
    if xp is not np:
        return xp.linalg.cholesky(covariances)
    try:
        return np.linalg.cholesky(covariances)
    except np.linalg.LinAlgError:
        factors = np.full_like(covariances, np.nan)
        for index in np.ndindex(*covariances.shape[:-2]):
            try:
                factors[index] = np.linalg.cholesky(covariances[index])
            except np.linalg.LinAlgError:
                continue
        return factors


def factors_of(means: Float[Array, "*c k d"], covariances: Matrices) -> tuple[Matrices, Matrices]:
    """Factors F with Σ = F Fᵀ, and their inverses; both are diagonals if Σ is."""
    xp = means.__array_namespace__()
    if is_diagonal(means, covariances):
        roots = xp.sqrt(covariances)
        return roots, 1.0 / roots
    factors = cholesky(covariances)
    return factors, xp.linalg.inv(factors)


def component_log_prob(
    points: Float[Array, "... n d"], means: Float[Array, "*c k d"], inverse_factors: Matrices
) -> tuple[Float[Array, "... n k"], Float[Array, "... k n d"]]:
    """log N(x; m_k, Σ_k) and F_k⁻¹ (x − m_k) for all points and components.

    Shapes (..., n, k) and (..., k, n, d).
    """
    xp = means.__array_namespace__()
    shifted = points[..., None, :, :] - means[..., :, None, :]
    if inverse_factors.ndim == means.ndim:
        whitened = shifted * inverse_factors[..., None, :]
        log_dets = -xp.sum(xp.log(inverse_factors), axis=-1)
    else:
        whitened = shifted @ xp.matrix_transpose(inverse_factors)
        diagonal = xp.linalg.diagonal(inverse_factors)
        log_dets = -xp.sum(xp.log(xp.abs(diagonal)), axis=-1)
    squared = xp.sum(whitened * whitened, axis=-1)
    values = -0.5 * (squared + means.shape[-1] * LOG_2PI) - log_dets[..., :, None]
    return xp.matrix_transpose(values), whitened


def log_prob(
    points: Float[Array, "... n d"],
    means: Float[Array, "*c k d"],
    inverse_factors: Matrices,
    log_weights: Float[Array, "*c k"],
) -> Float[Array, "... n"]:
    """log q(x) = log Σ_k w_k N(x; m_k, Σ_k), shape (..., n)."""
    values, _ = component_log_prob(points, means, inverse_factors)
    return logsumexp(values + log_weights[..., None, :])


def log_prob_and_score(
    points: Float[Array, "... n d"],
    means: Float[Array, "*c k d"],
    inverse_factors: Matrices,
    log_weights: Float[Array, "*c k"],
) -> tuple[Float[Array, "... n"], Float[Array, "... n d"], Float[Array, "... n k"]]:
    """log q(x), its gradient −Σ_k r_k(x) Σ_k⁻¹ (x − m_k), and the responsibilities r_k(x).

    Shapes (..., n), (..., n, d), (..., n, k).
    """
    xp = means.__array_namespace__()
    values, whitened = component_log_prob(points, means, inverse_factors)
    joint = values + log_weights[..., None, :]
    log_q, responsibilities = logsumexp_and_shares(joint)
    pull = whitened * xp.matrix_transpose(responsibilities)[..., None]
    if inverse_factors.ndim == means.ndim:
        pull = pull * inverse_factors[..., None, :]
    else:
        pull = pull @ inverse_factors
    return log_q, -xp.sum(pull, axis=-3), responsibilities

"""Gaussians with full or diagonal covariances: densities and scores as pure functions of arrays.

A covariance is a matrix (..., k, d, d) or its diagonal (..., k, d); which of the two, the number
of axes tells.  Everything works on NumPy and JAX arrays alike and takes leading batch axes.
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from isogmm.arrays import LOG_2PI, logsumexp


def is_diagonal(means: Any, covariances: Any) -> bool:
    """Whether the covariances are diagonals."""
    return covariances.ndim == means.ndim


def cholesky(covariances: Any) -> Any:
    """Lower factors (square roots for diagonals); NaN where a matrix is not positive definite."""
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


def factors_of(means: Any, covariances: Any) -> tuple[Any, Any]:
    """Factors F with Σ = F Fᵀ, and their inverses; for diagonals both are diagonals."""
    xp = means.__array_namespace__()
    if is_diagonal(means, covariances):
        roots = xp.sqrt(covariances)
        return roots, 1.0 / roots
    factors = cholesky(covariances)
    return factors, xp.linalg.inv(factors)


def component_log_prob(
    points: Float[Any, "*c n d"], means: Float[Any, "*c k d"], inverse_factors: Any
) -> tuple[Any, Any]:
    """log N(x; m_k, Σ_k) for all points and components, (..., n, k), and F_k⁻¹ (x − m_k).

    The second has shape (..., k, n, d).
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


def log_prob(points: Any, means: Any, inverse_factors: Any, log_weights: Any) -> Any:
    """log q(x) = log Σ_k w_k N(x; m_k, Σ_k), shape (..., n)."""
    values, _ = component_log_prob(points, means, inverse_factors)
    return logsumexp(values + log_weights[..., None, :])


def log_prob_and_score(
    points: Any, means: Any, inverse_factors: Any, log_weights: Any
) -> tuple[Any, Any, Any]:
    """log q(x), its gradient −Σ_k r_k(x) Σ_k⁻¹ (x − m_k), and the responsibilities r_k(x).

    Shapes (..., n), (..., n, d), (..., n, k).
    """
    xp = means.__array_namespace__()
    values, whitened = component_log_prob(points, means, inverse_factors)
    joint = values + log_weights[..., None, :]
    log_q = logsumexp(joint)
    responsibilities = xp.exp(joint - log_q[..., None])
    pull = whitened * xp.matrix_transpose(responsibilities)[..., None]
    if inverse_factors.ndim == means.ndim:
        pull = pull * inverse_factors[..., None, :]
    else:
        pull = pull @ inverse_factors
    return log_q, -xp.sum(pull, axis=-3), responsibilities

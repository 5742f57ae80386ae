"""Batch and match: Gaussian variational inference by matching scores, without a step size.

Cai, Modi, Pillaud-Vivien, Margossian, Gower, Blei and Saul 2024, equations 7 to 9.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from isogmm.locate.gaussian.elbo import Elbo, antithetic_normal, elbo_from, log_gaussian
from isogmm.locate.gaussian.gaussians import Gaussians
from isogmm.mixtures.affine_map import MAX_DENSE_DIM
from isogmm.model.target import Target

#: Draws of a candidate in one iteration: at least the first number, and the second number times d
#: (dense form); the third number (diagonal form).
MIN_BATCH_SIZE, BATCH_SIZE_PER_DIM, DIAGONAL_BATCH_SIZE = 64, 2, 128
#: Coordinates of the draws of a diagonal candidate at most, and draws at least.  All candidates
#: together have about ten arrays of this size.
MAX_DIAGONAL_NUMBERS, MIN_DIAGONAL_BATCH_SIZE = 1_000_000, 32
#: Schedule of the damping: the iteration where the constant part begins, the one where it ends,
#: and the constant.
CONSTANT_FROM, CONSTANT_UNTIL, CONSTANT_DAMPING = 12, 25, 10.0
#: Draws with a finite log density that an update needs.
MIN_FINITE_DRAWS = 2
#: Share of such draws below which a candidate is shrunk instead of updated, and the factor.
MIN_FINITE_SHARE, SHRINKAGE = 0.5, 0.5
#: ELBO of a candidate that was shrunk, in nats: below all others, but not that of a diverged one.
ELBO_WHEN_SHRUNK = -1e300
#: Ratio of the smallest to the largest eigenvalue of an update, below which the candidate counts
#: as diverged: the Cholesky factorization would fail in float64.
MIN_EIGENVALUE_RATIO = 1e-12


class Scores(NamedTuple):
    """Means and centered values of the draws and of their scores, in coordinates of each candidate.

    Parameters
    ----------
    draws, gradients
        (c, n, d): √wᵢ (εᵢ - ε̄) and √wᵢ (gᵢ - ḡ) with weights wᵢ that sum to one; wᵢ is zero for
        draws without a finite log density.
    draw_mean, gradient_mean
        (c, d): ε̄ and ḡ.
    """

    draws: Float[np.ndarray, "c n d"]
    gradients: Float[np.ndarray, "c n d"]
    draw_mean: Float[np.ndarray, "c d"]
    gradient_mean: Float[np.ndarray, "c d"]


class Update(NamedTuple):
    """New means (c, d) and factors of the candidates, and which updates are possible (c,)."""

    means: Float[np.ndarray, "c d"]
    factors: Float[np.ndarray, "c d d"] | Float[np.ndarray, "c d"]
    possible: Bool[np.ndarray, " c"]


def damping(iteration: int, batch_size: int, dim: int) -> float:
    """λ_t = B d / (t + 1) for 12 iterations, 10 for 14 more, then 10 / (t - 25).

    The early steps follow their batch, the late ones average over many batches.  With this
    schedule max(64, 2 d) draws achieve what took twice as many without it (measured on d = 13
    and d = 144).  The constant part is for slow convergence.  On a centered hierarchy (d = 65)
    the ELBO rose from -576 to -558 in this part, and stayed at -576 where the averaging began
    after 12 iterations.
    """
    if iteration < CONSTANT_FROM:
        return batch_size * dim / (iteration + 1.0)
    return CONSTANT_DAMPING / max(1.0, float(iteration - CONSTANT_UNTIL))


def batch_size_for(dim: int) -> int:
    """Draws of each candidate in one iteration."""
    if dim <= MAX_DENSE_DIM:
        return max(MIN_BATCH_SIZE, BATCH_SIZE_PER_DIM * dim)
    pairs = MAX_DIAGONAL_NUMBERS // (2 * dim)
    return int(np.clip(2 * pairs, MIN_DIAGONAL_BATCH_SIZE, DIAGONAL_BATCH_SIZE))


def batch_and_match_step(
    target: Target,
    candidates: Gaussians,
    generator: np.random.Generator,
    batch_size: int,
    damping_factor: float,
) -> Gaussians:
    """One update of all candidates, from one batch of draws of each.

    The update is affine equivariant.  It is therefore computed in the coordinates ε in which the
    current Gaussian is standard normal.  With the damping λ, draws ε, their gradients g, means
    ε̄ and ḡ, and covariances C and Γ,

    - U = λ Γ + λ/(1+λ) ḡ ḡᵀ,  V = I + λ C + λ/(1+λ) ε̄ ε̄ᵀ,
    - Σ solves Σ U Σ + Σ = V,  μ = λ/(1+λ) (Σ ḡ + ε̄).

    Draws without a finite log density are left out.  A candidate with finite values at less than
    half of its draws is shrunk to half its width instead.  A candidate whose update is not finite
    has diverged, and keeps its last mean and factor.

    Parameters
    ----------
    target
        The target.
    candidates
        The candidates.
    generator
        Random numbers.
    batch_size
        Draws of each candidate, B.
    damping_factor
        The damping λ.
    """
    count, dim = candidates.means.shape
    draws = antithetic_normal(generator, count, batch_size, dim)
    log_density, gradients = target.evaluate(candidates.forward(draws))
    finite = np.isfinite(log_density)
    elbo = elbo_from(log_density, log_gaussian(draws, candidates.log_det()), finite)
    scores = _scores(draws, gradients, finite, candidates)
    solve = _diagonal_update if candidates.is_diagonal else _dense_update
    num_finite = finite.sum(axis=1)
    usable = candidates.alive & (num_finite >= MIN_FINITE_DRAWS)
    # A Gaussian is too wide if most of it lies outside the support.
    is_too_wide = usable & (num_finite < int(MIN_FINITE_SHARE * batch_size))
    # Overflows occur in diverged candidates, which ``_without_diverged`` restores.
    with np.errstate(all="ignore"):
        update = solve(candidates, scores, damping_factor, usable)
    return _without_diverged(candidates, update, elbo, is_too_wide)


def _without_diverged(
    candidates: Gaussians, update: Update, elbo: Elbo, is_too_wide: Bool[np.ndarray, " c"]
) -> Gaussians:
    """The updated candidates: too wide ones are shrunk, diverged ones keep their Gaussian."""
    means, factors, possible = update
    means[is_too_wide] = candidates.means[is_too_wide]
    factors[is_too_wide] = SHRINKAGE * candidates.factors[is_too_wide]
    values = np.where(is_too_wide, ELBO_WHEN_SHRUNK, elbo.value)
    alive = possible & np.isfinite(values) & np.isfinite(means).all(1)
    alive &= np.isfinite(factors.reshape(len(means), -1)).all(1)
    keeps_factor = alive.reshape(-1, *[1] * (factors.ndim - 1))
    return Gaussians(
        means=np.where(alive[:, None], means, candidates.means),
        factors=np.where(keeps_factor, factors, candidates.factors),
        elbo=np.where(alive, values, -np.inf),
        elbo_se=np.where(alive, elbo.standard_error, np.inf),
        alive=alive,
    )


def _scores(
    draws: Float[np.ndarray, "c n d"],
    gradients: Float[np.ndarray, "c n d"],
    finite: Bool[np.ndarray, "c n"],
    candidates: Gaussians,
) -> Scores:
    """ε̄, ḡ and the centered draws and gradients, whose products are C and Γ."""
    share = finite / np.maximum(finite.sum(axis=1), 1)[:, None]
    # Overflows occur in diverged candidates, which are restored later.
    with np.errstate(over="ignore", invalid="ignore"):
        gradients = candidates.pull_back(gradients)
        draw_mean = (share[..., None] * draws).sum(1)
        gradient_mean = (share[..., None] * gradients).sum(1)
        root = np.sqrt(share)[..., None]
        return Scores(
            draws=root * (draws - draw_mean[:, None]),
            gradients=root * (gradients - gradient_mean[:, None]),
            draw_mean=draw_mean,
            gradient_mean=gradient_mean,
        )


def _diagonal_update(
    candidates: Gaussians, scores: Scores, damping_factor: float, usable: Bool[np.ndarray, " c"]
) -> Update:
    """The update for diagonal Σ, U and V: σ = 2 v / (1 + (1 + 4 u v)^½) for each coordinate."""
    weight = damping_factor / (1.0 + damping_factor)
    u = damping_factor * (scores.gradients**2).sum(1) + weight * scores.gradient_mean**2
    v = 1.0 + damping_factor * (scores.draws**2).sum(1) + weight * scores.draw_mean**2
    covariance = 2.0 * v / (1.0 + np.sqrt(1.0 + 4.0 * u * v))
    shift = weight * (covariance * scores.gradient_mean + scores.draw_mean)
    means = candidates.means + candidates.factors * shift
    factors = candidates.factors * np.sqrt(covariance)
    # A width of zero results where the gradients overflow.
    return Update(means, factors, usable & (factors > 0).all(axis=1))


def _dense_update(
    candidates: Gaussians, scores: Scores, damping_factor: float, usable: Bool[np.ndarray, " c"]
) -> Update:
    """The update for dense Σ: m + L μ, and L times the Cholesky factor of Σ."""
    weight = damping_factor / (1.0 + damping_factor)
    covariance, possible = _dense_covariance(scores, damping_factor, usable)
    pulled = np.einsum("cij,cj->ci", covariance, scores.gradient_mean)
    shift = weight * (pulled + scores.draw_mean)
    means = candidates.means + np.einsum("cij,cj->ci", candidates.factors, shift)
    return Update(means, candidates.factors @ np.linalg.cholesky(covariance), possible)


def _dense_covariance(
    scores: Scores, damping_factor: float, usable: Bool[np.ndarray, " c"]
) -> tuple[Float[np.ndarray, "c d d"], Bool[np.ndarray, " c"]]:
    """The positive definite solution of Σ U Σ + Σ = V for each candidate, and which have one.

    With V = A Aᵀ the solution is Σ = 2 A (I + (I + 4 Aᵀ U A)^½)⁻¹ Aᵀ.  Candidates without a
    solution get the identity.
    """
    weight = damping_factor / (1.0 + damping_factor)
    draws, draw_mean = scores.draws, scores.draw_mean
    eye = np.eye(draws.shape[-1])
    v = damping_factor * draws.transpose(0, 2, 1) @ draws
    v += weight * draw_mean[:, :, None] * draw_mean[:, None, :] + eye
    root = np.linalg.cholesky(v)
    # Aᵀ U A is the sum of squares of these rows; U itself is not formed.
    rows = np.concatenate(
        [
            np.sqrt(damping_factor) * scores.gradients,
            np.sqrt(weight) * scores.gradient_mean[:, None],
        ],
        axis=1,
    )
    rows = rows @ root
    inner = rows.transpose(0, 2, 1) @ rows
    possible = usable & np.isfinite(inner).all(axis=(1, 2))
    inner = np.where(possible[:, None, None], inner, eye)
    values, vectors = np.linalg.eigh(inner)
    shrinkage = 2.0 / (1.0 + np.sqrt(1.0 + 4.0 * np.maximum(values, 0.0)))
    half = root @ (vectors * np.sqrt(shrinkage)[:, None, :])
    covariance = half @ half.transpose(0, 2, 1)
    possible &= shrinkage.min(axis=1) >= MIN_EIGENVALUE_RATIO * shrinkage.max(axis=1)
    return np.where(possible[:, None, None], covariance, eye), possible

"""Batch and match: Gaussian variational inference by matching scores, without a step size."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from isogmm.arrays import LOG_2PI
from isogmm.locate.paths import DENSE_LIMIT
from isogmm.model.target import Target


@dataclass
class Gaussians:
    """Several Gaussian candidates that advance together.

    Parameters
    ----------
    means
        (c, d).
    factors
        (c, d, d), lower triangular L with covariance L Lᵀ; or (c, d), standard deviations.
    elbo, elbo_se
        (c,): E_q[log π - log q] at the last evaluated batch and its standard error.
    alive
        (c,): False once a candidate has diverged.
    """

    means: Float[np.ndarray, "c d"]
    factors: Float[np.ndarray, "c d d"] | Float[np.ndarray, "c d"]
    elbo: Float[np.ndarray, " c"]
    elbo_se: Float[np.ndarray, " c"]
    alive: Bool[np.ndarray, " c"]

    @classmethod
    def start(cls, means: np.ndarray, factors: np.ndarray) -> "Gaussians":
        """Candidates before their first iteration."""
        count = len(means)
        return cls(
            means=means,
            factors=factors,
            elbo=np.full(count, -np.inf),
            elbo_se=np.full(count, np.inf),
            alive=np.ones(count, dtype=bool),
        )

    def take(self, index: np.ndarray) -> "Gaussians":
        """Some of the candidates."""
        return Gaussians(
            means=self.means[index],
            factors=self.factors[index],
            elbo=self.elbo[index],
            elbo_se=self.elbo_se[index],
            alive=self.alive[index],
        )

    def covariance(self, index: int) -> Float[np.ndarray, "d d"]:
        """L Lᵀ of one candidate (a diagonal matrix in the diagonal form)."""
        factor = self.factors[index]
        return np.diag(factor**2) if factor.ndim == 1 else factor @ factor.T


def damping(iteration: int, batch_size: int, dim: int) -> float:
    """λ_t = B d / (t + 1) for 12 iterations, 10 for 14 more, then 10 / (t - 25).

    The early steps trust the batch, the late ones average over many: with it, batches of
    max(64, 2d) do what took twice as many (measured on d = 13 and d = 144).  The middle is for
    slow climbs: on a centered hierarchy (d = 65) the ELBO went from -576 to -558 there, and
    stayed at -576 where the averaging began after 12.
    """
    if iteration < 12:
        return batch_size * dim / (iteration + 1.0)
    return 10.0 / max(1.0, iteration - 25.0)


def batch_size_for(dim: int) -> int:
    """Draws of each Gaussian an iteration: 2d for a matrix, 128 for one scale a coordinate."""
    return max(64, 2 * dim) if dim <= DENSE_LIMIT else 128


def batch_and_match_step(
    target: Target,
    candidates: Gaussians,
    generator: np.random.Generator,
    batch_size: int,
    strength: float,
) -> Gaussians:
    """One update of all candidates, from one batch of draws each (Cai et al. 2024, eqs. 7-9).

    The update is affine equivariant, so it is made in the coordinates where the current
    Gaussian is standard: with draws ε, their gradients g there, means ε̄ and ḡ, covariances C
    and Γ,

    - U = λ Γ + λ/(1+λ) ḡ ḡᵀ,  V = I + λ C + λ/(1+λ) ε̄ ε̄ᵀ,
    - Σ solves Σ U Σ + Σ = V,  μ = λ/(1+λ) (Σ ḡ + ε̄).

    With V = A Aᵀ the solution is Σ = 2 A (I + (I + 4 Aᵀ U A)^½)⁻¹ Aᵀ.  Draws with a density
    that is not finite are left out; a candidate that keeps fewer than half of them only halves
    its width; one whose update is not finite has diverged.
    """
    count, dim = candidates.means.shape
    diagonal = candidates.factors.ndim == 2
    half = generator.standard_normal((count, (batch_size + 1) // 2, dim))
    noise = np.concatenate([half, -half], axis=1)[:, :batch_size]
    if diagonal:
        positions = candidates.means[:, None] + noise * candidates.factors[:, None]
        log_det = np.log(candidates.factors).sum(-1)
    else:
        positions = candidates.means[:, None] + noise @ candidates.factors.transpose(0, 2, 1)
        log_det = np.log(np.diagonal(candidates.factors, axis1=1, axis2=2)).sum(-1)
    log_density, gradients = target.evaluate(positions)
    finite = np.isfinite(log_density)
    kept = finite.sum(axis=1)
    alive = candidates.alive & (kept >= 2)
    # A Gaussian that reaches over the edge of the support is too wide: halve it and try again.
    over_the_edge = alive & (kept < batch_size // 2)
    share = finite / np.maximum(kept, 1)[:, None]

    log_q = -0.5 * ((noise**2).sum(-1) + dim * LOG_2PI) - log_det[:, None]
    ratio = np.where(finite, log_density - log_q, 0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        elbo = (share * ratio).sum(1)
        variance = (share * (ratio - elbo[:, None]) ** 2).sum(1)
        elbo_se = np.sqrt(variance / np.maximum(kept, 1))

    weight = strength / (1.0 + strength)
    # What overflows here is a candidate that has diverged: it is taken out below.
    with np.errstate(over="ignore", invalid="ignore"):
        if diagonal:
            gradients = gradients * candidates.factors[:, None]
        else:
            gradients = gradients @ candidates.factors
        noise_mean = (share[..., None] * noise).sum(1)
        gradient_mean = (share[..., None] * gradients).sum(1)
        noise = np.sqrt(share)[..., None] * (noise - noise_mean[:, None])
        gradients = np.sqrt(share)[..., None] * (gradients - gradient_mean[:, None])
    with np.errstate(all="ignore"):
        if diagonal:
            u = strength * (gradients**2).sum(1) + weight * gradient_mean**2
            v = 1.0 + strength * (noise**2).sum(1) + weight * noise_mean**2
            covariance = 2.0 * v / (1.0 + np.sqrt(1.0 + 4.0 * u * v))
            factors = candidates.factors * np.sqrt(covariance)
            shift = weight * (covariance * gradient_mean + noise_mean)
            means = candidates.means + candidates.factors * shift
        else:
            covariance, alive = _solve(noise, gradients, noise_mean, gradient_mean, strength, alive)
            shift = weight * (np.einsum("cij,cj->ci", covariance, gradient_mean) + noise_mean)
            means = candidates.means + np.einsum("cij,cj->ci", candidates.factors, shift)
            factors = candidates.factors @ np.linalg.cholesky(covariance)
    if over_the_edge.any():
        means[over_the_edge] = candidates.means[over_the_edge]
        factors[over_the_edge] = 0.5 * candidates.factors[over_the_edge]
        elbo = np.where(over_the_edge, -1e300, elbo)
    flat = factors.reshape(count, -1)
    alive &= np.isfinite(means).all(1) & np.isfinite(flat).all(1) & np.isfinite(elbo)
    return Gaussians(
        means=np.where(alive[:, None], means, candidates.means),
        factors=np.where(alive.reshape(-1, *[1] * (factors.ndim - 1)), factors, candidates.factors),
        elbo=np.where(alive, elbo, -np.inf),
        elbo_se=np.where(alive, elbo_se, np.inf),
        alive=alive,
    )


def _solve(
    noise: np.ndarray,
    gradients: np.ndarray,
    noise_mean: np.ndarray,
    gradient_mean: np.ndarray,
    strength: float,
    alive: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """The positive solution of Σ U Σ + Σ = V for each candidate; diverged ones get I."""
    dim = noise.shape[-1]
    weight = strength / (1.0 + strength)
    eye = np.eye(dim)
    v = strength * noise.transpose(0, 2, 1) @ noise
    v += weight * noise_mean[:, :, None] * noise_mean[:, None, :] + eye
    root = np.linalg.cholesky(v)
    # Uᵀ half-factors: M = Aᵀ U A is a sum of squares, formed without U itself.
    scores = np.concatenate(
        [np.sqrt(strength) * gradients, np.sqrt(weight) * gradient_mean[:, None]], axis=1
    )
    scores = scores @ root
    inner = scores.transpose(0, 2, 1) @ scores
    alive = alive & np.isfinite(inner).all(axis=(1, 2))
    inner = np.where(alive[:, None, None], inner, eye)
    values, vectors = np.linalg.eigh(inner)
    shrink = 2.0 / (1.0 + np.sqrt(1.0 + 4.0 * np.maximum(values, 0.0)))
    half = root @ (vectors * np.sqrt(shrink)[:, None, :])
    covariance = half @ half.transpose(0, 2, 1)
    # A spread of eigenvalues beyond float64 ends in a failed factorization: call it divergence.
    extreme = shrink.min(axis=1) < 1e-12 * shrink.max(axis=1)
    covariance = np.where((alive & ~extreme)[:, None, None], covariance, eye)
    return covariance, alive & ~extreme

"""Gradients of KL(q‖π) of every component, and the interface of their estimators."""

import abc
import math
from typing import ClassVar, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from isogmm.arrays import Array
from isogmm.mixtures.chunks import chunks_of, concatenate
from isogmm.mixtures.isotropic_density import log_prob_and_score


@runtime_checkable
class Gradients(Protocol):
    """What the loop needs of the gradients of a family of mixtures."""

    @property
    def local_kl(self) -> Array:
        """a_k = E[log q(x) − log π(x)] under component k, shape (..., k)."""

    @property
    def num_finite(self) -> Array:
        """Number of samples of each component with a finite log density, shape (..., k)."""


class ComponentGradients(NamedTuple):
    """Gradients of KL(q‖π) divided by the weight of the component.

    With x ~ N(m_k, v_k I) and δ(x) = ∇log q(x) − ∇log π(x), where q is the *whole mixture*:

    Parameters
    ----------
    means
        g_k = E[δ(x)], shape (..., k, d); ∂KL/∂m_k = w_k g_k.
    variances
        s_k = E[(x − m_k)·δ(x)] / (d v_k), shape (..., k); ∂KL/∂v_k = w_k d s_k / 2.
    local_kl
        a_k = E[log q(x) − log π(x)], shape (..., k); KL = Σ_k w_k a_k up to log ∫π.
    num_finite
        Number of samples of the component with a finite log density, shape (..., k).  If it is 0,
        the other three are 0.
    """

    means: Float[Array, "*c k d"]
    variances: Float[Array, "*c k"]
    local_kl: Float[Array, "*c k"]
    num_finite: Int[Array, "*c k"]


def _log_q_and_score(
    points: Array, means: Array, variances: Array, log_weights: Array
) -> tuple[Array, Array]:
    """log q and its score, in chunks of the points that bound the (n, k) matrices."""
    parts = [
        log_prob_and_score(chunk, means, variances, log_weights)[:2]
        for chunk in chunks_of(points, math.prod(variances.shape))
    ]
    log_q, score = zip(*parts, strict=True)
    return concatenate(log_q, axis=-1), concatenate(score, axis=-2)


def component_gradients(
    offsets: Float[Array, "*c k s d"],
    log_density: Float[Array, "*c k s"],
    gradient: Float[Array, "*c k s d"],
    means: Float[Array, "*c k d"],
    variances: Float[Array, "*c k"],
    log_weights: Float[Array, "*c k"],
    sample_weights: Float[Array, " s"],
) -> ComponentGradients:
    """Estimate the gradients of every component from its samples.

    Parameters
    ----------
    offsets
        x − m_k of the samples.
    log_density, gradient
        log π and ∇log π at x = m_k + offset, in the coordinates of the mixture.  Samples whose
        log density is not finite are omitted from the averages.
    means, variances, log_weights
        The mixture.
    sample_weights
        Weights of the s samples in the expectation; they are normalized over the finite samples.
    """
    xp = means.__array_namespace__()
    *batch, k, s, d = offsets.shape
    points = xp.reshape(means[..., None, :] + offsets, (*batch, k * s, d))
    log_q, score = _log_q_and_score(points, means, variances, log_weights)
    finite = xp.isfinite(log_density)
    weights = normalized_weights(finite, sample_weights)
    # Infinite values are replaced, because the product of zero and infinity is NaN.
    log_density = xp.where(finite, log_density, xp.zeros_like(log_density))
    difference = xp.reshape(score, offsets.shape) - gradient
    return ComponentGradients(
        means=xp.sum(weights[..., None] * difference, axis=-2),
        variances=xp.sum(weights * xp.sum(offsets * difference, axis=-1), axis=-1)
        / (d * variances),
        local_kl=xp.sum(weights * (xp.reshape(log_q, log_density.shape) - log_density), axis=-1),
        num_finite=xp.sum(finite, axis=-1),
    )


def normalized_weights(finite: Array, sample_weights: Array) -> Array:
    """Weights of the samples (..., k, s) of each component: 0 if not finite, with sum 1 or 0."""
    xp = finite.__array_namespace__()
    weights = xp.astype(finite, sample_weights.dtype) * sample_weights
    total = xp.sum(weights, axis=-1, keepdims=True)
    return weights / xp.where(total == 0, xp.ones_like(total), total)


def evidence_lower_bound(
    gradients: Gradients, log_weights: Float[Array, "*c k"]
) -> Float[Array, "*c"] | np.floating:
    """ELBO = −Σ_k w_k a_k, over the components with a finite sample.

    The ELBO is NaN if no component has a finite sample.

    Parameters
    ----------
    gradients
        A :class:`ComponentGradients`, or the gradients of another family of mixtures.
    log_weights
        (..., k), normalized over the last axis.
    """
    xp = log_weights.__array_namespace__()
    weights = xp.exp(log_weights) * xp.astype(gradients.num_finite > 0, log_weights.dtype)
    total = xp.sum(weights, axis=-1)
    return -xp.sum(weights * gradients.local_kl, axis=-1) / total


class AbstractEstimator(abc.ABC):
    """Estimator of the expectations under a component: the noise, and the weights of the samples.

    The samples are x = m_k + √v_k ε.  The estimator supplies ε and the weights, the loop evaluates
    the target at x, and :func:`component_gradients` computes the gradients.
    """

    #: Whether the estimator needs the gradient of the log density, or its values alone.
    uses_gradient: ClassVar[bool] = True

    @abc.abstractmethod
    def noise(
        self, generator: np.random.Generator, chains: int, num_components: int, dim: int
    ) -> Float[np.ndarray, "c k s d"]:
        """Standard normal samples ε, new in every call, or quadrature nodes in their place."""

    @abc.abstractmethod
    def sample_weights(self, dim: int) -> Float[np.ndarray, " s"]:
        """Weights of the s samples in the expectation: positive, with sum 1, always the same."""

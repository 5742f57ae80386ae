"""What the seven parts of GMMVI pass to each other, and the contract of each.

One chain at a time, in the coordinates of its affine map, in NumPy.  A component is seen from
its own coordinates z = F⁻¹ (x − m), Σ = F Fᵀ, where it is a standard normal.
"""

import abc
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from isogmm.arrays import LOG_2PI
from isogmm.mixtures import gaussian_density as density

#: Responsibilities and relative importance weights below this are left out of sums: with many
#: components in many dimensions most of them are.
NEGLIGIBLE = 1e-8

#: Up to so many numbers, all components at once cost less than one after the other.
SMALL = 50_000


@dataclass(frozen=True)
class Components:
    """The mixture of one chain, with what its parts remember of every component.

    Parameters
    ----------
    means
        (k, d).
    factors, inverse_factors
        (k, d, d), lower triangular F with Σ = F Fᵀ, or (k, d) for diagonal covariances.
    log_weights
        (k,), normalized.
    steps
        (k,): step size of each component, in the unit of its update.
    rewards
        (k,): E_k[log π − log q] when last estimated, NaN before.
    weak
        (k,): iterations in a row with a negligible weight.
    weight_step, elbo
        Step size of the weights, and Σ_k w_k rewards_k when last estimated.
    """

    means: Float[np.ndarray, "k d"]
    factors: np.ndarray
    inverse_factors: np.ndarray
    log_weights: Float[np.ndarray, " k"]
    steps: Float[np.ndarray, " k"]
    rewards: Float[np.ndarray, " k"]
    weak: Int[np.ndarray, " k"]
    weight_step: float
    elbo: float

    @property
    def is_diagonal(self) -> bool:
        """Whether the covariances are diagonals."""
        return self.factors.ndim == 2

    def covariances(self) -> np.ndarray:
        """(k, d, d), or their diagonals (k, d)."""
        if self.is_diagonal:
            return self.factors**2
        return self.factors @ np.swapaxes(self.factors, -1, -2)

    def log_prob(
        self, points: Float[np.ndarray, "n d"]
    ) -> tuple[Float[np.ndarray, "n k"], Float[np.ndarray, "k n d"]]:
        """log N(x; m_k, Σ_k) and z for all points and components."""
        return log_prob(points, self.means, self.inverse_factors)

    def score(
        self, whitened: Float[np.ndarray, "k n d"], responsibilities: Float[np.ndarray, "n k"]
    ) -> Float[np.ndarray, "n d"]:
        """∇ log q = −Σ_k r_k F_k⁻ᵀ z."""
        total = np.zeros(whitened.shape[1:])
        for k, inverse in enumerate(self.inverse_factors):
            share = responsibilities[:, k]
            near = np.flatnonzero(share > NEGLIGIBLE)
            pull = whitened[k, near] * share[near, None]
            total[near] -= pull * inverse if self.is_diagonal else pull @ inverse
        return total

    def take(self, index: Any) -> "Components":
        """Some of the components, their weights normalized again."""
        parts = {name: getattr(self, name)[index] for name in PER_COMPONENT}
        log_weights = parts["log_weights"]
        parts["log_weights"] = log_weights - np.logaddexp.reduce(log_weights)
        return replace(self, **parts)


def log_prob(
    points: Float[np.ndarray, "n d"], means: Float[np.ndarray, "k d"], inverse_factors: np.ndarray
) -> tuple[Float[np.ndarray, "n k"], Float[np.ndarray, "k n d"]]:
    """log N(x; m_k, Σ_k) and z = F_k⁻¹ (x − m_k) for all points and components."""
    count, dim = means.shape
    if points.size * count <= SMALL:
        return density.component_log_prob(points, means, inverse_factors)
    whitened = np.empty((count, *points.shape))
    values = np.empty((len(points), count))
    # One component after the other: what is large is written once, and stays in the cache.
    for k, (mean, inverse) in enumerate(zip(means, inverse_factors, strict=True)):
        z = whitened[k]
        if inverse.ndim == 1:
            np.multiply(points - mean, inverse, out=z)
            log_det = np.log(inverse).sum()
        else:
            np.matmul(points - mean, inverse.T, out=z)
            log_det = np.log(np.abs(np.diagonal(inverse))).sum()
        values[:, k] = log_det - 0.5 * np.einsum("nd,nd->n", z, z)
    return values - 0.5 * dim * LOG_2PI, whitened


#: Fields of :class:`Components` with one entry for each of them.
PER_COMPONENT = (
    "means",
    "factors",
    "inverse_factors",
    "log_weights",
    "steps",
    "rewards",
    "weak",
)


@dataclass(frozen=True)
class Samples:
    """Samples of one chain, seen from its components.

    Parameters
    ----------
    points, log_density, gradients
        (n, d), (n,), (n, d): log π and its gradient; a sample without a finite log density has
        weight zero everywhere.
    log_components
        (n, k): log N(x; m_k, Σ_k).
    whitened
        (k, n, d): z.
    log_q, score
        (n,), (n, d): of the mixture.
    weights
        (k, n): importance weights N(x; m_k, Σ_k) over the density that the samples came from,
        normalized for each component.
    """

    points: Float[np.ndarray, "n d"]
    log_density: Float[np.ndarray, " n"]
    gradients: Float[np.ndarray, "n d"]
    log_components: Float[np.ndarray, "n k"]
    whitened: Float[np.ndarray, "k n d"]
    log_q: Float[np.ndarray, " n"]
    score: Float[np.ndarray, "n d"]
    weights: Float[np.ndarray, "k n"]

    def log_ratio(self) -> Float[np.ndarray, " n"]:
        """log π − log q; 0 where the density is not finite, where the weights are too."""
        finite = np.isfinite(self.log_density)
        return np.where(finite, self.log_density, 0.0) - np.where(finite, self.log_q, 0.0)

    def rewards(self) -> Float[np.ndarray, " k"]:
        """E_k[log π − log q]."""
        return self.weights @ self.log_ratio()


class AbstractNaturalGradients(abc.ABC):
    """Design choice 1: the derivatives of log(q/π) that a component sees."""

    @abc.abstractmethod
    def samples_needed(self, dim: int, diagonal: bool) -> int:
        """Effective samples of every component that an estimate should rest on."""

    @abc.abstractmethod
    def estimate(
        self,
        whitened: Float[np.ndarray, "n d"],
        weights: Float[np.ndarray, " n"],
        log_ratio: Float[np.ndarray, " n"],
        difference: Float[np.ndarray, "n d"],
        diagonal: bool,
    ) -> tuple[Float[np.ndarray, " d"], np.ndarray]:
        """E[∇ log(q/π)] and E[∇² log(q/π)] of one component, both in its own coordinates z.

        Parameters
        ----------
        whitened, weights
            z and the normalized importance weights of the samples.
        log_ratio, difference
            log(π/q), and ∇ log(q/π) in z, there.
        diagonal
            Whether only the diagonal of the second is wanted.
        """


class AbstractComponentUpdate(abc.ABC):
    """Design choice 2: what a component makes of its natural gradient."""

    @abc.abstractmethod
    def update(
        self,
        gradients: Float[np.ndarray, "k d"],
        values: Float[np.ndarray, "k d"],
        steps: Float[np.ndarray, " k"],
    ) -> tuple[Float[np.ndarray, "k d"], Float[np.ndarray, "k d"], Bool[np.ndarray, " k"]]:
        """New means and variances of components that were standard normals, and which are good.

        Everything is in z, turned so that E[∇² log(q/π)] is diagonal, with these values.  Where
        the last is False the component stays as it was.
        """


class AbstractStepSizes(abc.ABC):
    """Design choices 3 and 5: the step sizes of the components, and that of the weights."""

    #: Step size of a new component, or of the weights at the start.
    initial: float

    @abc.abstractmethod
    def adapt(
        self, steps: Float[np.ndarray, "*k"], improved: Bool[np.ndarray, "*k"], iteration: int
    ) -> Float[np.ndarray, "*k"]:
        """Step sizes of this iteration, given whether the last step improved the reward."""


class AbstractWeightUpdate(abc.ABC):
    """Design choice 4: how the weights follow the rewards."""

    @abc.abstractmethod
    def update(
        self, log_weights: Float[np.ndarray, " k"], rewards: Float[np.ndarray, " k"], step: float
    ) -> Float[np.ndarray, " k"]:
        """New log weights, normalized."""


class AbstractSelection(abc.ABC):
    """Design choice 6: where new samples are drawn, and how long old ones serve."""

    #: Iterations whose samples are kept, this one included.
    reuse: int

    @abc.abstractmethod
    def counts(
        self,
        log_weights: Float[np.ndarray, " k"],
        effective: Float[np.ndarray, " k"],
        wanted: int,
        generator: np.random.Generator,
    ) -> Int[np.ndarray, " k"]:
        """Samples to draw from each component.

        Parameters
        ----------
        log_weights
            Of the mixture.
        effective
            Effective number of the old samples for each component.
        wanted
            Effective samples that every component should have.
        generator
            Source of randomness.
        """


class AbstractNumber(abc.ABC):
    """Design choice 7: when components come and go."""

    @abc.abstractmethod
    def adapt(
        self, components: Components, samples: Samples, iteration: int, initial_step: float
    ) -> Components:
        """The components that go on, and new ones; ``initial_step`` is theirs."""

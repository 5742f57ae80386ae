"""Factorized mixtures: each coordinate has its own mixture of K univariate Gaussians."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, DTypeLike

from isogmm.arrays import LOG_2PI
from isogmm.errors import OptionError
from isogmm.mixtures.describe import describe
from isogmm.results.groups import Result, get_group
from isogmm.validation import generator_of


@dataclass(frozen=True, repr=False)
class FactorizedMixture:
    """q(x) = Π_j (1/K) Σ_k N(x_j; m_kj, v_kj): K components for each of d coordinates.

    The coordinates are independent.  K d means and K d variances therefore define a mixture of
    K^d components, and all operations cost O(K d) for each point.  The family cannot represent
    dependence between coordinates.

    Parameters
    ----------
    means
        Means m_kj of the components of each coordinate, (k, d).
    variances
        Variances v_kj, (k, d), positive.

    Raises
    ------
    OptionError
        If the shapes do not agree or a variance is not positive.

    References
    ----------
    Petit-Talamon, Lambert, Korba (2025). Variational inference with mixtures of isotropic
    Gaussians. arXiv:2506.13613 (the experiment on image classification).
    """

    means: Float[np.ndarray, "k d"]
    variances: Float[np.ndarray, "k d"]

    def __post_init__(self) -> None:
        if self.means.ndim != 2 or min(self.means.shape) < 1:
            raise OptionError(f"means must have shape (k, d), not {self.means.shape}")
        if self.variances.shape != self.means.shape:
            raise OptionError(
                f"variances have shape {self.variances.shape}, but means have {self.means.shape}"
            )
        if not np.all(self.variances > 0):
            raise OptionError(
                f"variances must be positive, but the smallest is {self.variances.min()}"
            )

    def __repr__(self) -> str:
        return describe(type(self).__name__, self.means, "independent coordinates")

    @classmethod
    def start(
        cls,
        random_seed: object,
        num_components: int,
        center: ArrayLike,
        *,
        spread: float = 1.0,
        variance: float = 1.0,
        dtype: DTypeLike = np.float32,
    ) -> "FactorizedMixture":
        """A mixture with means drawn from N(center, spread² I) and equal variances.

        Parameters
        ----------
        random_seed
            A NumPy Generator, or as in :func:`isogmm.fit_isogmm`; the source of the means.
        num_components
            K.
        center
            Expectation of the means, (d,).
        spread, variance
            Standard deviation of the means around the center, and variance of every component.
        dtype
            Type of the arrays.

        Raises
        ------
        OptionError
            If ``num_components`` is below 1, or ``spread`` or ``variance`` is not positive.
        """
        if num_components < 1:
            raise OptionError(f"num_components must be at least 1, not {num_components}")
        for name, value in (("spread", spread), ("variance", variance)):
            if not 0 < value < np.inf:
                raise OptionError(f"{name} must be a positive number, not {value}")
        generator = generator_of(random_seed)
        middle = np.asarray(center, dtype=dtype)
        shape = (num_components, len(middle))
        means = generator.standard_normal(shape, dtype=middle.dtype)
        means = middle + np.asarray(spread, dtype) * means
        return cls(means, np.full(shape, variance, dtype=dtype))

    @classmethod
    def from_idata(cls, idata: Result, chain: int = 0) -> "FactorizedMixture":
        """The mixture of one chain of a result of :func:`isogmm.fit_factorized`.

        Raises
        ------
        OptionError
            If the result contains no factorized mixture.
        """
        fit = get_group(idata, "fit")
        if fit.attrs.get("family") != "factorized":
            raise OptionError(
                "the result does not come from fit_factorized: read its mixture with "
                "isogmm.Mixture.from_idata or isogmm.GaussianMixture.from_idata"
            )
        for name in ("means", "variances"):
            if not np.isfinite(fit[name].values[chain]).all():
                raise OptionError(
                    f"the {name} of the stored mixture have entries that are not finite: the file "
                    "is damaged or the fit diverged, so fit the model again"
                )
        return cls(fit["means"].values[chain], fit["variances"].values[chain])

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self.means.shape[1]

    @property
    def num_components(self) -> int:
        """Number K of components of each coordinate."""
        return self.means.shape[0]

    def log_prob(self, positions: Float[np.ndarray, "*n d"]) -> Float[np.ndarray, "*n"]:
        """log q(x), with the sum over the coordinates in float64."""
        return log_prob_and_score(positions, self.means, self.variances)[0]

    def score(self, positions: Float[np.ndarray, "*n d"]) -> Float[np.ndarray, "*n d"]:
        """∇ log q(x)."""
        return log_prob_and_score(positions, self.means, self.variances)[1]

    def sample(self, random_seed: object, num_draws: int) -> Float[np.ndarray, "n d"]:
        """Independent draws; each coordinate draws its own component.

        ``random_seed`` is a NumPy Generator, or as in :func:`isogmm.fit_isogmm`.
        """
        generator = generator_of(random_seed)
        draws = np.empty((num_draws, self.dim), dtype=self.means.dtype)
        for row in draws:
            chosen = generator.integers(self.num_components, size=(1, self.dim), dtype=np.int32)
            noise = generator.standard_normal(self.dim, dtype=self.means.dtype)
            deviation = np.sqrt(np.take_along_axis(self.variances, chosen, axis=0)[0])
            row[:] = np.take_along_axis(self.means, chosen, axis=0)[0] + deviation * noise
        return draws

    def mean(self) -> Float[np.ndarray, " d"]:
        """E[x_j] = (1/K) Σ_k m_kj."""
        return self.means.mean(axis=0)

    def variance(self) -> Float[np.ndarray, " d"]:
        """Var[x_j] = (1/K) Σ_k (v_kj + m_kj²) - E[x_j]²."""
        return self.variances.mean(axis=0) + self.means.var(axis=0)


def log_prob_and_score(
    positions: Float[np.ndarray, "*n d"],
    means: Float[np.ndarray, "k d"],
    variances: Float[np.ndarray, "k d"],
) -> tuple[Float[np.ndarray, "*n"], Float[np.ndarray, "*n d"]]:
    """log q(x) and its gradient, whose entry j is -Σ_k r_kj(x_j) (x_j - m_kj) / v_kj.

    r_kj is the responsibility of component k of coordinate j for x_j.  The function evaluates one
    point at a time, so that no intermediate array is larger than (k, d).
    """
    k, d = means.shape
    flat = positions.reshape(-1, d)
    precisions = 1.0 / variances
    log_scales = 0.5 * np.log(variances)
    values = np.empty(len(flat))
    scores = np.empty((len(flat), d), dtype=means.dtype)
    log_normalizer = d * (0.5 * LOG_2PI + math.log(k))
    for index, point in enumerate(flat):
        scaled_offsets = (point.astype(means.dtype, copy=False) - means) * precisions
        joint = scaled_offsets * scaled_offsets
        joint *= variances
        joint *= -0.5
        joint -= log_scales
        largest = joint.max(axis=0)
        joint -= largest
        np.exp(joint, out=joint)
        total = joint.sum(axis=0)
        joint *= scaled_offsets
        scores[index] = -joint.sum(axis=0) / total
        # In single precision a sum over 200,000 coordinates loses too many digits.
        values[index] = float(np.sum(largest + np.log(total), dtype=np.float64)) - log_normalizer
    return values.reshape(positions.shape[:-1]), scores.reshape(positions.shape)

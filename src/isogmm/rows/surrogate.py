r"""A log density that needs a sample of the rows, and equals that of all rows to second order.

With F(x) the sum over all n rows and S(x) the sum over a sample of m rows times n / m, it is

.. math:: \log p(x) + S(x) + \sum_j w_j(x) \left[ k_j + g_j^\top u_j
          + \tfrac{1}{2} u_j^\top H_j u_j \right],

where :math:`k_j, g_j, H_j` are value, gradient and Hessian of F - S at the center :math:`c_j` of
mode j.  These are control variates with a fixed sample (Baker, Fearnhead, Fox and Nemeth 2019,
Statistics and Computing 29; the linear term alone is the surrogate likelihood of Jordan, Lee and
Yang 2019, JASA 114).  The displacement :math:`u_j = (x - c_j) (1 + (r_j / R)^4)^{-1/4}` is bounded,
so that the correction cannot make the density improper; :math:`r_j` is the distance in standard
deviations.  The weights :math:`w_j` are those of Gaussians at the centers.
"""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, PyTree

from isogmm.arrays import Array
from isogmm.model.jax_target import JaxPrograms
from isogmm.model.target import Target
from isogmm.rows.density import Expansion, RowDensity

#: The radius R in standard deviations: the first number plus √d, plus this multiple of |g|, the
#: distance between the modes of the sample and of all rows.  A correction that moves a mode by |g|
#: needs R > 2 |g|: beyond R it is at most |g| R, and the density has fallen by R² / 2 there.
MIN_RADIUS, RADIUS_PER_SHIFT = 30.0, 4.0
#: Smallest eigenvalue of a precision matrix relative to the largest one.
MIN_EIGENVALUE = 1e-12


@dataclass(frozen=True)
class Correction:
    """The difference between all rows and the sample around the centers.

    Parameters
    ----------
    centers
        (m, d).
    difference
        Value, gradient and Hessian of F - S.
    precisions
        (m, d, d): positive definite, the negative Hessian of the log density of all rows.
    """

    centers: Float[np.ndarray, "m d"]
    difference: Expansion
    precisions: Float[np.ndarray, "m d d"]

    @classmethod
    def none(cls, dim: int) -> "Correction":
        """No correction."""
        zeros = Expansion(np.zeros(1), np.zeros((1, dim)), np.zeros((1, dim, dim)))
        return cls(np.zeros((1, dim)), zeros, np.eye(dim)[None])

    def factors(self) -> Float[np.ndarray, "m d d"]:
        """Lower triangular factors L of the covariances, L Lᵀ = A⁻¹."""
        return np.stack([np.linalg.cholesky(np.linalg.inv(a)) for a in self.precisions])

    @property
    def radius(self) -> float:
        """R, in standard deviations."""
        gradients = np.nan_to_num(self.difference.gradients)[:, :, None]
        pulled_back = self.factors().transpose(0, 2, 1) @ gradients
        shift = np.sqrt((pulled_back**2).sum(axis=(1, 2))).max()
        return float(MIN_RADIUS + np.sqrt(self.centers.shape[1]) + RADIUS_PER_SHIFT * shift)

    def distances(
        self, which: Bool[np.ndarray, " m"], positions: Float[np.ndarray, "k d"]
    ) -> Float[np.ndarray, " k"]:
        """Distance of each position from its center, in standard deviations."""
        shift = positions - self.centers[which]
        return np.sqrt(np.einsum("mi,mij,mj->m", shift, self.precisions[which], shift))

    def take(self, which: Bool[np.ndarray, " m"]) -> "Correction":
        """The correction at some of the centers."""
        difference = Expansion(*(part[which] for part in self.difference))
        return Correction(self.centers[which], difference, self.precisions[which])

    def replaced(self, which: Bool[np.ndarray, " m"], other: "Correction") -> "Correction":
        """The correction with other centers in place of some of them."""
        result = self.take(np.ones(len(self.centers), dtype=bool))
        for own, new in zip(result.arrays(), other.arrays(), strict=True):
            own[which] = new
        return result

    def arrays(self) -> tuple[np.ndarray, ...]:
        """All arrays, by center."""
        return (self.centers, *self.difference, self.precisions)


def positive_definite(matrices: Float[np.ndarray, "m d d"]) -> Float[np.ndarray, "m d d"]:
    """The symmetric matrices with the absolute values of their eigenvalues."""
    values, vectors = np.linalg.eigh(0.5 * (matrices + matrices.transpose(0, 2, 1)))
    values = np.abs(values)
    values = np.maximum(values, MIN_EIGENVALUE * values.max(axis=1, keepdims=True) + 1e-300)
    return (vectors * values[:, None]) @ vectors.transpose(0, 2, 1)


class Surrogate:
    """The compiled programs of the surrogate; corrections of one size share them.

    Parameters
    ----------
    target
        The target of the model with the sample as its data, which has names, labels and
        transforms.
    density
        The log density as a sum over rows.
    sample
        The arrays of the sample.
    num_rows
        Number of all rows.
    """

    def __init__(
        self, target: Target, density: RowDensity, sample: list[np.ndarray], num_rows: int
    ) -> None:
        self._target, self._density = target, density
        self._inputs = density.inputs(sample)
        self._scale = num_rows / len(sample[0])
        self._programs: dict[int, JaxPrograms] = {}

    @property
    def dim(self) -> int:
        """Dimension d of the positions."""
        return self._target.dim

    def target(self, correction: Correction) -> Target:
        """The target with this correction."""
        data = {
            "inputs": self._inputs,
            "copies": self._density.copies,
            "centers": correction.centers,
            "values": correction.difference.values,
            "gradients": correction.difference.gradients,
            "hessians": correction.difference.hessians,
            "precisions": correction.precisions,
            "radius": np.array([correction.radius]),
        }
        size = len(correction.centers)
        if size not in self._programs:
            self._programs[size] = JaxPrograms(
                self._log_density, self._no_groups, self._target.dim, data, x64=True
            )
        programs = self._programs[size]
        fields = programs.bind(data)
        kept: tuple[Any, ...] = ("constrain", "placeholder", "prior_positions")
        for name in kept:
            fields.pop(name, None)

        def prepare() -> None:
            programs.start("batch", *(("point",) if programs.few() else ()))

        fields["prepare"] = prepare
        return replace(self._target, **fields, hyperparameters=None, density_of_data=None)

    def _no_groups(self, position: Array, key: Array, data: PyTree) -> PyTree:
        """The programs generate nothing: the target of the model transforms the draws."""
        return {"posterior": {"position": position}, "log_likelihood": {}, "log_prior": {}}

    def _log_density(self, position: Array, data: PyTree) -> Array:
        prior = self._density.prior(position, data["copies"])
        rows = self._density.rows(position, data["inputs"], data["copies"], jnp.zeros(()))
        return prior + self._scale * rows + _correction(position, data)


def _correction(position: Array, data: PyTree) -> Array:
    """The sum over the modes."""
    shift = position[None] - data["centers"]
    squared = jnp.einsum("mi,mij,mj->m", shift, data["precisions"], shift)
    bounded = shift * (1.0 + (squared / data["radius"] ** 2) ** 2)[:, None] ** -0.25
    terms = (
        data["values"]
        + jnp.sum(data["gradients"] * bounded, axis=1)
        + 0.5 * jnp.einsum("mi,mij,mj->m", bounded, data["hessians"], bounded)
    )
    return jnp.sum(jax.nn.softmax(-0.5 * squared) * terms)

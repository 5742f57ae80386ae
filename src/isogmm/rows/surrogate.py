r"""A log density that needs a sample of the rows, and equals that of all rows to second order.

With F(x) the sum over all n rows and S(x) the sum over a sample of m rows times n / m, it is

.. math:: \log p(x) + S(c + u) + k + g^\top u + \tfrac{1}{2} u^\top H u
          - \tfrac{1}{2} (r^2 - r_u^2),

where k, g and H are value, gradient and Hessian of F - S at a center c.  These are control variates
with a fixed sample (Baker, Fearnhead, Fox and Nemeth 2019, Statistics and Computing 29; the linear
term alone is the surrogate likelihood of Jordan, Lee and Yang 2019, JASA 114).  The displacement
:math:`u = (x - c) (1 + (r / R)^4)^{-1/4}` is bounded by the radius R, because S and the correction
say nothing about F far from the center.  The density decreases there as the Gaussian at the center
does; r and :math:`r_u` are the lengths of x - c and u in its standard deviations.

With several modes, the densities of their centers are added.  Each is multiplied by the probability
that a Gaussian at its center has, among those of all centers.
"""

import functools
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
from isogmm.rows.terms import RowTerms

#: The radius R in standard deviations: the first number times the sum of √d, the second number and
#: the length of the Newton step from the center.  Draws have distances of about √d, at which the
#: displacement is shortened by less than 1 %.
RADIUS_FACTOR, RADIUS_MARGIN = 1.5, 6.0
#: Fields that the surrogate has from the target of the model.
_KEPT = frozenset({"constrain", "placeholder", "prior_positions"})
#: Smallest eigenvalue of a precision matrix relative to the largest one.
MIN_EIGENVALUE = 1e-12


@dataclass(frozen=True)
class Correction:
    """The difference between all rows and the sample at the centers.

    Parameters
    ----------
    centers
        (m, d).
    difference
        Value, gradient and Hessian of F - S.
    precisions
        (m, d, d): positive definite, the negative Hessian of the log density of all rows.
    radii
        (m,): R, in standard deviations.
    weights
        (m, s): weights of the rows of the sample, which make the sample S; None for n / s.
    """

    centers: Float[np.ndarray, "m d"]
    difference: Expansion
    precisions: Float[np.ndarray, "m d d"]
    radii: Float[np.ndarray, " m"]
    weights: Float[np.ndarray, "m s"] | None = None

    @classmethod
    def none(cls, dim: int) -> "Correction":
        """No correction."""
        zeros = Expansion(np.zeros(1), np.zeros((1, dim)), np.zeros((1, dim, dim)))
        return cls(np.zeros((1, dim)), zeros, np.eye(dim)[None], np.array([np.inf]))

    def factors(self) -> Float[np.ndarray, "m d d"]:
        """Lower triangular factors L of the covariances, L Lᵀ = A⁻¹."""
        return np.stack([np.linalg.cholesky(np.linalg.inv(a)) for a in self.precisions])

    def distances(self, positions: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n m"]:
        """Distance of each position from each center, in standard deviations."""
        shift = positions[:, None] - self.centers
        return np.sqrt(np.einsum("nmi,mij,nmj->nm", shift, self.precisions, shift))

    def take(self, which: Bool[np.ndarray, " m"] | slice | list[int]) -> "Correction":
        """The correction at some of the centers."""
        return Correction(
            self.centers[which],
            self.difference.take(which),
            self.precisions[which],
            self.radii[which],
            None if self.weights is None else self.weights[which],
        )


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
        self._terms: RowTerms | None = None
        self._programs: dict[tuple[int, bool], JaxPrograms] = {}

    @property
    def dim(self) -> int:
        """Dimension d of the positions."""
        return self._target.dim

    def target(self, correction: Correction, terms: RowTerms | None = None) -> Target:
        """The target with this correction; with weights it needs the terms of the rows."""
        if terms is not None:
            self._terms = terms
        weights = correction.weights
        data = {
            "inputs": self._inputs if terms is None else terms.inputs,
            "weights": np.zeros((len(correction.centers), 0)) if weights is None else weights,
            "copies": self._density.copies,
            "centers": correction.centers,
            "values": correction.difference.values,
            "gradients": correction.difference.gradients,
            "hessians": correction.difference.hessians,
            "precisions": correction.precisions,
            "radii": correction.radii,
        }
        size = len(correction.centers), weights is None
        if size not in self._programs:
            self._programs[size] = JaxPrograms(
                self._log_density, self._no_groups, self._target.dim, data, x64=True
            )
        programs = self._programs[size]
        own = programs.bind(data)
        fields: dict[str, Any] = {name: field for name, field in own.items() if name not in _KEPT}

        def prepare() -> None:
            programs.start("batch", *(("point",) if programs.few() else ()))

        fields |= {"prepare": prepare, "hyperparameters": None, "density_of_data": None}
        return replace(self._target, **fields)

    def _no_groups(self, position: Array, key: Array, data: PyTree) -> PyTree:
        """The programs generate nothing: the target of the model transforms the draws."""
        return {"posterior": {"position": position}, "log_likelihood": {}, "log_prior": {}}

    def _log_density(self, position: Array, data: PyTree) -> Array:
        names = ("centers", "values", "gradients", "hessians", "precisions", "radii", "weights")
        centers = {name: data[name] for name in names}
        terms, squared = jax.vmap(functools.partial(self._around, position, data))(centers)
        prior = self._density.prior(position, data["copies"])
        if len(terms) == 1:
            return prior + terms[0]
        return prior + jax.nn.logsumexp(terms + jax.nn.log_softmax(-0.5 * squared))

    def _around(
        self, position: Array, data: PyTree, center: dict[str, Array]
    ) -> tuple[Array, Array]:
        """The density of one center, an entry of each array, without the prior; and r²."""
        shift = position - center["centers"]
        squared = shift @ center["precisions"] @ shift
        factor = (1.0 + (squared / center["radii"] ** 2) ** 2) ** -0.25
        bounded = factor * shift
        rows = self._sum(center["centers"] + bounded, data, center["weights"])
        gradient = center["gradients"] + 0.5 * center["hessians"] @ bounded
        correction = center["values"] + gradient @ bounded
        beyond = 0.5 * squared * (1.0 - factor**2)
        return rows + correction - beyond, squared

    def _sum(self, position: Array, data: PyTree, weights: Array) -> Array:
        """The sample S."""
        if weights.size:
            assert self._terms is not None
            return self._terms(position, data["inputs"], data["copies"]) @ weights
        none = jnp.zeros((), position.dtype)
        return self._scale * self._density.rows(position, data["inputs"], data["copies"], none)

"""What a sampler needs of each mode of a fit: its mass, starting points and a covariance."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from isogmm.arrays import logsumexp
from isogmm.draws.importance import systematic
from isogmm.errors import OptionError
from isogmm.mixtures.abstract import AbstractMixture, mixture_of
from isogmm.mixtures.affine_map import MAX_DENSE_DIM
from isogmm.mixtures.stored import resume_mixture
from isogmm.model.target import Target
from isogmm.results.building.fit_group import positions_from
from isogmm.results.groups import Result, get_group

#: Weight of the covariance of the mixture, as a number of draws per dimension.
PRIOR_DRAWS_PER_DIM = 5.0


@dataclass(frozen=True)
class Mode:
    """One mode of a fit, in flat unconstrained coordinates.

    Parameters
    ----------
    index
        Index of the mode in the group ``fit``.
    mass
        Posterior probability of the mode; the masses of all modes sum to one.
    draws, weights
        The delivered draws in the mode, ``(n, d)``, and their weights, ``(n,)``.
    covariance
        Covariance within the mode, ``(d, d)``.
    """

    index: int
    mass: float
    draws: Float[np.ndarray, "n d"]
    weights: Float[np.ndarray, " n"]
    covariance: Float[np.ndarray, "d d"]

    def starting_points(
        self, count: int, generator: np.random.Generator
    ) -> Float[np.ndarray, "m d"]:
        """Draws chosen with probabilities proportional to their weights."""
        return self.draws[systematic(self.weights, count, generator)]

    def inverse_mass(self) -> Float[np.ndarray, "..."]:
        """The covariance, or its diagonal above ``MAX_DENSE_DIM`` dimensions.

        A dense matrix costs d² operations per leapfrog step.
        """
        is_dense = len(self.covariance) <= MAX_DENSE_DIM
        return self.covariance if is_dense else np.diag(self.covariance)


def modes_of(idata: Result, target: Target) -> list[Mode]:
    """The modes of a fit that have delivered draws, the largest mass first.

    Raises
    ------
    OptionError
        If the result does not come from ``fit_isogmm``, or belongs to another model.
    """
    mixture = resume_mixture(idata, target).pooled()
    fit, statistics = get_group(idata, "fit"), get_group(idata, "sample_stats")
    draws = positions_from(idata).reshape(-1, target.dim).astype(np.float64)
    labels = statistics["mode"].values.ravel()
    log_weights = statistics["log_weight"].values.ravel()
    weights = np.exp(log_weights - log_weights.max())
    component_modes = fit["component_mode"].values.ravel()
    masses = fit["mode_mass"].values
    modes = []
    for index in np.unique(labels):
        mass = float(masses[index]) if index < len(masses) else 0.0
        usable = (labels == index) & (weights > 0) & np.isfinite(draws).all(axis=1)
        if mass > 0 and usable.any():
            components = component_modes == index
            if not components.any():
                components = np.ones_like(components)
            covariance = _covariance(mixture, components, draws[usable], weights[usable])
            modes.append(Mode(int(index), mass, draws[usable], weights[usable], covariance))
    if not modes:
        raise OptionError(
            "the fit has no usable draws, because all weights are zero or not finite. Run the "
            "fit again."
        )
    total = sum(mode.mass for mode in modes)
    modes = [replace(mode, mass=mode.mass / total) for mode in modes]
    return sorted(modes, key=lambda mode: -mode.mass)


def _covariance(
    pooled: AbstractMixture,
    components: Bool[np.ndarray, " k"],
    draws: Float[np.ndarray, "n d"],
    weights: Float[np.ndarray, " n"],
) -> Float[np.ndarray, "d d"]:
    """Covariance of draws, shrunk to that of some components of the mixture.

    The covariance of the mixture has the weight of ``PRIOR_DRAWS_PER_DIM`` draws per dimension.
    The matrix thus has full rank even if there are fewer draws than dimensions.
    """
    part = pooled[np.flatnonzero(components)]
    log_weights = part.log_weights - logsumexp(part.log_weights[None])
    part = mixture_of({**part.arrays(), "log_weights": log_weights}, part.affine_map)
    prior = np.asarray(part.covariance(), np.float64)
    num_draws, dim = draws.shape
    share = num_draws / (num_draws + PRIOR_DRAWS_PER_DIM * dim)
    empirical = np.atleast_2d(np.cov(draws.T, aweights=weights, bias=True))
    return share * empirical + (1.0 - share) * prior


def shares(masses: Float[np.ndarray, " r"], count: int) -> Int[np.ndarray, " r"]:
    """Whole numbers proportional to the masses that sum to ``count`` (largest remainders)."""
    exact = np.asarray(masses) * count
    whole = np.floor(exact).astype(int)
    missing = count - whole.sum()
    whole[np.argsort(whole - exact, kind="stable")[:missing]] += 1
    return whole

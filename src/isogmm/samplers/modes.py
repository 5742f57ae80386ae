"""What a fit tells a sampler: for each mode its mass, starts and a covariance."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from isogmm.arrays import logsumexp
from isogmm.draws.importance import systematic
from isogmm.errors import OptionError
from isogmm.mixtures.stored import resume_mixture
from isogmm.model.target import Target
from isogmm.results.fit_group import positions_from
from isogmm.results.groups import get_group

#: Beyond this dimension mass matrices are diagonal: a dense one costs d² at every leapfrog step.
DENSE_DIM = 500


@dataclass(frozen=True)
class Mode:
    """One mode of a fit, in flat unconstrained coordinates.

    Parameters
    ----------
    index
        Its number in the group ``fit``.
    mass
        Its share of the posterior; the masses of all modes sum to one.
    draws, weights
        The delivered draws that belong to it, ``(n, d)``, and their weights ``(n,)``.
    covariance
        Within the mode, ``(d, d)``.
    """

    index: int
    mass: float
    draws: Float[np.ndarray, "n d"]
    weights: Float[np.ndarray, " n"]
    covariance: Float[np.ndarray, "d d"]

    def starts(self, count: int, generator: np.random.Generator) -> Float[np.ndarray, "m d"]:
        """Draws chosen by their weights."""
        return self.draws[systematic(self.weights, count, generator)]

    def inverse_mass(self) -> np.ndarray:
        """The covariance, or its diagonal in many dimensions."""
        return self.covariance if len(self.covariance) <= DENSE_DIM else np.diag(self.covariance)


def modes_of(idata: Any, target: Target) -> list[Mode]:
    """The modes of a fit that hold delivered draws, the heaviest first.

    The covariance is that of the draws, shrunk to the mixture's components in the mode with the
    weight of 5 d draws, so that few draws in many dimensions still give a matrix of full rank.

    Raises
    ------
    OptionError
        If the result is not that of ``fit_isogmm``, or of another model.
    """
    mixture = resume_mixture(idata, target).pooled()
    fit, statistics = get_group(idata, "fit"), get_group(idata, "sample_stats")
    dim = target.dim
    draws = positions_from(idata).reshape(-1, dim).astype(np.float64)
    labels = statistics["mode"].values.ravel()
    log_weights = statistics["log_weight"].values.ravel()
    weights = np.exp(log_weights - log_weights.max())
    component_modes = fit["component_mode"].values.ravel()
    masses = fit["mode_mass"].values
    modes = []
    for index in np.unique(labels):
        members = labels == index
        mass = float(masses[index]) if index < len(masses) else 0.0
        usable = members & (weights > 0) & np.isfinite(draws).all(axis=1)
        if mass > 0 and usable.any():
            inside = draws[usable]
            own = component_modes == index
            prior = _covariance(mixture, own if own.any() else np.ones_like(own))
            share = len(inside) / (len(inside) + 5.0 * dim)
            empirical = np.atleast_2d(np.cov(inside.T, aweights=weights[usable], bias=True))
            covariance = share * empirical + (1.0 - share) * prior
            modes.append(Mode(int(index), mass, inside, weights[usable], covariance))
    if not modes:
        raise OptionError("the fit has no usable draws: its weights are all zero or not finite")
    total = sum(mode.mass for mode in modes)
    modes = [replace(mode, mass=mode.mass / total) for mode in modes]
    return sorted(modes, key=lambda mode: -mode.mass)


def _covariance(pooled: Any, chosen: np.ndarray) -> np.ndarray:
    part = pooled[np.flatnonzero(chosen)]
    part = replace(part, log_weights=part.log_weights - logsumexp(part.log_weights))
    return np.asarray(part.covariance(), np.float64)


def shares(masses: Float[np.ndarray, " r"], count: int) -> np.ndarray:
    """Whole numbers in proportion to the masses that sum to ``count`` (largest remainders)."""
    exact = np.asarray(masses) * count
    whole = np.floor(exact).astype(int)
    missing = count - whole.sum()
    whole[np.argsort(whole - exact, kind="stable")[:missing]] += 1
    return whole

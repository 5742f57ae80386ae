"""Covariances of means: of independent draws, of stratified draws of mixtures, and of chains."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

#: Starts of systematic sampling over which the numbers of draws of the components vary.
NUM_STARTS = 64


class Strata(NamedTuple):
    """The components of draws that systematic sampling distributes over them.

    Parameters
    ----------
    components
        (n,): the component of each draw, numbered over all mixtures.
    weights
        (c, k): the weights of the components of each mixture.
    """

    components: Int[np.ndarray, " n"]
    weights: Float[np.ndarray, "c k"]


def of_independent(values: Float[np.ndarray, "n r"]) -> Float[np.ndarray, "r r"]:
    """Covariance of the means of independent draws."""
    deviations = values - values.mean(axis=0)
    return deviations.T @ deviations / len(values) ** 2


def of_stratified(values: Float[np.ndarray, "n r"], strata: Strata) -> Float[np.ndarray, "r r"]:
    """Covariance of the means of draws of mixtures in strata over the components.

    By the law of total covariance it is the mean covariance for given numbers of draws n_h of the
    components, Σ_h n_h C_h / n², plus the covariance of the means for random numbers.  C_h is the
    covariance of the values of component h.  Components with a single draw are one stratum
    (Cochran 1977, Sampling Techniques, section 5A.12).  The numbers are random only by rounding:
    they depend on the start of the systematic sampling, which is uniform.
    """
    num_draws, num_components = len(values), strata.weights.size
    values = values - values.mean(axis=0)
    sizes = np.bincount(strata.components, minlength=num_components)
    labels = np.where(sizes[strata.components] == 1, num_components, strata.components)
    sizes = np.bincount(labels, minlength=num_components + 1)
    sums = np.zeros((num_components + 1, values.shape[1]))
    np.add.at(sums, labels, values)
    means = sums / np.maximum(sizes, 1)[:, None]
    deviations = values - means[labels]
    deviations *= np.sqrt(sizes / np.maximum(sizes - 1, 1))[labels, None]
    covariance = deviations.T @ deviations / num_draws**2
    means = means[:-1].reshape(*strata.weights.shape, -1)
    for weights, of_mixture in zip(strata.weights, means, strict=True):
        counts = _possible_counts(weights, num_draws // len(strata.weights))
        totals = (counts - counts.mean(axis=0)) @ of_mixture
        covariance += totals.T @ totals / NUM_STARTS / num_draws**2
    return covariance


def _possible_counts(weights: Float[np.ndarray, " k"], num_draws: int) -> Int[np.ndarray, "s k"]:
    """Numbers of draws of each component for evenly spaced starts of systematic sampling."""
    starts = (np.arange(NUM_STARTS)[:, None] + 0.5) / NUM_STARTS
    levels = np.cumsum(weights) / weights.sum() * num_draws
    return np.diff(np.floor(levels + starts).astype(int), axis=1, prepend=0)


def of_chains(residuals: Float[np.ndarray, "m r"]) -> Float[np.ndarray, "r r"]:
    """Covariance of the sums over chains, of which each sum is zero.

    The chains are independent of each other, but their draws are not.  A chain counts in a column
    where its residual is not zero.
    """
    counts = np.maximum((residuals != 0.0).sum(axis=0), 2)
    scaled = residuals * np.sqrt(counts / (counts - 1))
    return scaled.T @ scaled

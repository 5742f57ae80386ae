"""Components spread over the modes that the search found, by their estimated masses."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from isogmm.mixtures.affine_map import AffineMap
from isogmm.mixtures.initialization.base import AbstractInitialization, check_sizes
from isogmm.mixtures.isotropic import IsotropicMixture


def allocate(masses: Float[np.ndarray, " m"], num_components: int) -> Int[np.ndarray, " m"]:
    """How many components each mode gets: one at least, the rest by largest remainder.

    Where there are more modes than components the lightest modes get none.
    """
    counts = np.zeros(len(masses), dtype=int)
    counts[np.argsort(-masses)[:num_components]] = 1
    shares = masses * (counts > 0)
    ideal = shares / shares.sum() * num_components
    while counts.sum() < num_components:
        counts[np.argmax(np.where(counts > 0, ideal - counts, -np.inf))] += 1
    return counts


@dataclass(frozen=True, eq=False)
class OverModes(AbstractInitialization):
    """A few components around each mode; one mode gives the spread of ``GaussianSpread``.

    In whitened coordinates the components of a mode start at its mean, moved by draws that
    carry ``share`` of its variance, with variance (1 - share) times the geometric mean of the
    mode's own variances there.  Weights share the mass of the mode equally.

    Parameters
    ----------
    means, factors
        (m, d) and (m, d, d) or (m, d), in the unconstrained space.
    masses
        (m,), positive.
    share
        Share of the variance of a mode that the places of its components carry.
    """

    means: Float[np.ndarray, "m d"]
    factors: np.ndarray
    masses: Float[np.ndarray, " m"]
    share: float = 0.25

    def initialize(
        self,
        generator: np.random.Generator,
        chains: int,
        num_components: int,
        affine_map: AffineMap,
    ) -> IsotropicMixture:
        """A mixture for each chain; see :class:`AbstractInitialization`."""
        check_sizes(chains, num_components)
        dim = self.means.shape[1]
        masses = self.masses / self.masses.sum()
        counts = allocate(masses, num_components)
        owner = np.repeat(np.arange(len(masses)), counts)
        centers = affine_map.inverse(self.means)
        log_volume = np.array([_log_volume(factor) for factor in self.factors])
        variances = np.exp(2.0 * (log_volume - float(affine_map.log_det())) / dim)
        noise = generator.standard_normal((chains, num_components, dim))
        for mode in range(len(masses)):
            members = owner == mode
            noise[:, members] -= noise[:, members].mean(axis=1, keepdims=True)
            spread = np.sqrt((noise[:, members] ** 2).mean(axis=(1, 2), keepdims=True))
            noise[:, members] /= np.where(spread > 0, spread, 1.0)
        alone = (counts[owner] == 1)[:, None]
        shift = np.where(alone, 0.0, np.sqrt(self.share * variances[owner])[:, None]) * noise
        left = np.where(alone[:, 0], 1.0, 1.0 - self.share)
        log_weights = np.log(masses[owner] / counts[owner])
        log_weights -= np.log(np.exp(log_weights).sum())
        shape = (chains, num_components)
        return IsotropicMixture(
            means=centers[owner] + shift,
            variances=np.broadcast_to(left * variances[owner], shape).copy(),
            log_weights=np.broadcast_to(log_weights, shape).copy(),
            affine_map=affine_map,
        )


def _log_volume(factor: np.ndarray) -> float:
    diagonal = factor if factor.ndim == 1 else np.diag(factor)
    return float(np.log(np.abs(diagonal)).sum())

"""Modes that the search has found and the mixture has lost."""

import numpy as np
from jaxtyping import Float, Int

from isogmm.draws.refine import Refined
from isogmm.locate.gaussian.factors import map_of
from isogmm.locate.located import Located
from isogmm.mixtures.abstract import AbstractMixture

#: Smallest mass of a lost mode, by the estimate of the search; smaller ones are negligible.
MIN_LOST_MASS = 0.01
#: Smallest share of the draws of the chains in a lost mode.
MIN_DRAW_SHARE = 0.002
#: Nats by which the median of log π - log q in a lost mode exceeds that of the other draws.  It was
#: 12 nats for a funnel in d = 30 with a mass of 0.22 of which the draws had 0.013.  Where another
#: mode has taken over the components, it is near zero.
MIN_RATIO_EXCESS = 3.0
#: Draws of each chain that are tested.
DRAWS_PER_CHAIN = 10


def lost_mass(
    located: Located | None,
    refined: Refined | None,
    mixture: AbstractMixture,
    component_modes: Int[np.ndarray, "c k"],
) -> float:
    """Mass of the modes that have no component although some chains are in them; mostly 0.

    Isotropic components describe a funnel or a very long mode so poorly that the optimization can
    remove them.  Few chains start in such a mode then, and its mass is underestimated.

    Parameters
    ----------
    located
        The result of the search, or None.
    refined
        The HMC chains, or None.
    mixture
        The mixture of every chain of the fit.
    component_modes
        The mode of every component.
    """
    if located is None or refined is None or located.means.shape[0] < 2:
        return 0.0
    masses = located.masses
    absent = np.setdiff1d(np.flatnonzero(masses > MIN_LOST_MASS), component_modes)
    if not len(absent):
        return 0.0
    thinning = max(1, refined.draws.shape[1] // DRAWS_PER_CHAIN)
    draws = refined.draws[:, ::thinning].reshape(-1, mixture.dim)
    log_density = refined.log_density[:, ::thinning].ravel()
    ratios = log_density - mixture.pooled().log_prob(draws)
    nearest = _most_likely(located, draws)
    others = ratios[~np.isin(nearest, absent)]
    usual = np.median(others) if len(others) else -np.inf
    lost = 0.0
    for mode in absent:
        members = nearest == mode
        share = members.mean()
        if share > MIN_DRAW_SHARE and np.median(ratios[members]) > usual + MIN_RATIO_EXCESS:
            lost += float(max(share, masses[mode]))
    return min(lost, 1.0)


def _most_likely(located: Located, draws: Float[np.ndarray, "n d"]) -> Int[np.ndarray, " n"]:
    """The mode with the largest mass times Gaussian density at each draw."""
    scores = []
    for mean, factor, log_mass in zip(
        located.means, located.factors, located.log_masses, strict=True
    ):
        own = map_of(mean, factor)
        scores.append(log_mass - own.log_det() - 0.5 * (own.inverse(draws) ** 2).sum(axis=1))
    return np.argmax(scores, axis=0)

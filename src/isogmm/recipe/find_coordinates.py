"""The coordinates of a fit: from the search of the modes, or without a search."""

from dataclasses import dataclass

import numpy as np

from isogmm.locate.coordinates import fixed_map, given_map, map_for, within_mode_map
from isogmm.locate.locate import locate
from isogmm.locate.located import Located
from isogmm.locate.options import Locate
from isogmm.mixtures.affine_map import AffineMap, identity_map
from isogmm.model.checks.improper import check_proper
from isogmm.model.fit_target import FitTarget
from isogmm.recipe.options import Options
from isogmm.results.interruption import interruptible
from isogmm.results.stop_reason import StopReason


@dataclass
class Coordinates:
    """The affine map of a fit and how it was found.

    Parameters
    ----------
    affine_map
        The map.
    located
        The result of the search, or None where none was made.
    stop_reason
        What interrupted the search, or None.
    """

    affine_map: AffineMap
    located: Located | None = None
    stop_reason: StopReason | None = None


def find_coordinates(
    target: FitTarget, options: Options, generator: np.random.Generator
) -> Coordinates:
    """Search the modes and choose the map, or the map alone where the user gave an initialization.

    Raises
    ------
    ModelError
        If no starting point has a finite log density, or the posterior is improper.
    OptionError
        If the whitening does not fit the target.
    """
    if isinstance(options.init, Locate):
        return _searched(target, options, options.init, generator)
    found = Coordinates(identity_map(target.dim))
    with interruptible(target) as interruption:
        found.affine_map = fixed_map(target, options.whitening, generator)
    found.stop_reason = interruption.reason
    return found


def _searched(
    target: FitTarget, options: Options, search: Locate, generator: np.random.Generator
) -> Coordinates:
    return coordinates_of(target, options, locate(target, generator, search))


def coordinates_of(target: FitTarget, options: Options, located: Located) -> Coordinates:
    """The map for the modes that a search has found."""
    masses = located.masses
    affine_map = given_map(options.whitening, target)
    with interruptible(target, has_result=True) as interruption:
        check_proper(target, located.means[0], located.factors[0])
        if affine_map is None:
            affine_map = map_for(target, options.whitening, located, masses)
    if affine_map is None:
        affine_map = located.low_rank or within_mode_map(located.means, located.factors, masses)
    return Coordinates(affine_map, located, interruption.reason or located.stop_reason)

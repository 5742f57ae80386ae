"""What a mixture is fitted from: the modes and coordinates of the search, or a given start."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from isogmm.errors import ModelError
from isogmm.locate.coordinates import (
    fixed_map,
    geometric_scale,
    given_map,
    map_for,
    within_mode_map,
)
from isogmm.locate.locate import Locate, Located, locate
from isogmm.mixtures.affine_map import AffineMap, identity_map
from isogmm.model.improper import improper_direction
from isogmm.model.target import Target
from isogmm.recipe.options import Options


@dataclass
class Start:
    """What the mixture is fitted from.

    Parameters
    ----------
    mixture
        Of every chain, with the coordinates it is in.
    centers
        (m, d): a point of every mode known, the unconstrained space; None where nobody looked.
    located
        What the search found, or None where none was made.
    interruption
        What cut the search short (Ctrl-C or the time limit), or None.
    """

    mixture: Any
    centers: Float[np.ndarray, "m d"] | None = None
    located: Located | None = None
    interruption: KeyboardInterrupt | None = None

    @property
    def has_several_modes(self) -> bool:
        """Whether more than one mode is known."""
        return self.centers is not None and len(self.centers) > 1


def start_of(target: Target, options: Options, generator: np.random.Generator) -> Start:
    """The start that the options ask for.

    Raises
    ------
    ModelError
        If the log density is not finite at any start, or the posterior is improper.
    OptionError
        If the whitening does not fit the target.
    """
    if isinstance(options.init, Locate):
        return _searched(target, options, options.init, generator)
    interruption = None
    try:
        affine_map = fixed_map(target, options.whitening, generator)
    except KeyboardInterrupt as stop:
        affine_map, interruption = identity_map(target.dim), stop
    count = options.num_components or options.family.num_components
    mixture = options.init.initialize(generator, options.chains, count, affine_map)
    return Start(mixture, interruption=interruption)


def _searched(
    target: Target, options: Options, search: Locate, generator: np.random.Generator
) -> Start:
    located = locate(target, generator, search)
    masses = located.masses
    interruption = located.interruption
    affine_map = given_map(options.whitening, target)
    try:
        _check_proper(target, located)
        if affine_map is None:
            affine_map = map_for(target, options.whitening, located, masses)
    except KeyboardInterrupt as stop:
        interruption = stop
    if affine_map is None:
        affine_map = located.low_rank or within_mode_map(located.means, located.factors, masses)
    count = options.num_components or max(options.family.num_components, 2 * len(masses))
    mixture = mixture_over(located, options, count, affine_map, generator)
    return Start(mixture, located.means, located, interruption)


def mixture_over(
    located: Located,
    options: Options,
    num_components: int,
    affine_map: AffineMap,
    generator: np.random.Generator,
) -> Any:
    """A mixture for every chain, its components around the modes that the search found."""
    means, factors = located.means, located.factors
    if located.low_rank is not None:
        means, factors = located.low_rank.center[None], geometric_scale(located.low_rank)[None]
    return options.family.over_modes(
        means, factors, located.masses, generator, options.chains, num_components, affine_map
    )


def _check_proper(target: Target, located: Located) -> None:
    direction = improper_direction(target, located.means[0], located.factors[0])
    if direction is not None:
        raise ModelError(
            f"the posterior is improper: the log density does not fall off along {direction} "
            "(unconstrained coordinates), however far one goes. A flat prior without data, or "
            "parameters of which only the sum matters? Give them proper priors, or remove one."
        )

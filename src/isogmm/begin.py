"""Where a fit begins and in which coordinates: from the search, or a start that was given."""

from typing import Any

import numpy as np

from isogmm.errors import ModelError, OptionError
from isogmm.locate.locate import Locate, Located, locate
from isogmm.locate.low_rank import low_rank_at
from isogmm.locate.paths import DENSE_LIMIT, follow_paths
from isogmm.mixtures.affine_map import AffineMap, identity_map
from isogmm.mixtures.initialization.over_modes import within_mode_map
from isogmm.model.improper import improper_direction
from isogmm.model.target import Target
from isogmm.options import Options
from isogmm.start import Start
from isogmm.whitening.at_point import dense_at, diagonal_at


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
        affine_map = _fixed_map(target, options, generator)
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
    affine_map = _without_search(options.whitening, target)
    try:
        _check_proper(target, located)
        if affine_map is None:
            affine_map = _map_for(target, options.whitening, located, masses)
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
        means, factors = located.low_rank.center[None], _geometric_scale(located.low_rank)[None]
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


def _without_search(whitening: Any, target: Target) -> AffineMap | None:
    """The map that needs no look at the density: the one given, or none at all."""
    if isinstance(whitening, AffineMap):
        if len(whitening.center) != target.dim:
            raise OptionError(
                f"the whitening map has {len(whitening.center)} coordinates, the target "
                f"{target.dim}"
            )
        return whitening
    return identity_map(target.dim) if whitening == "none" else None


def _map_for(target: Target, whitening: Any, located: Located, masses: np.ndarray) -> AffineMap:
    """The map asked for, from what the search found."""
    within = within_mode_map(located.means, located.factors, masses)
    if whitening == "diagonal":
        if within.factor is None:
            return within
        return AffineMap(within.center, np.sqrt((within.factor**2).sum(axis=1)))
    if whitening == "dense" and within.factor is None:
        return dense_at(target, located.means[0])
    if whitening == "low_rank" and _has_low_rank(target):
        return located.low_rank or low_rank_at(target, located.means[0])
    return within if whitening == "dense" else located.low_rank or within


def _fixed_map(target: Target, options: Options, generator: np.random.Generator) -> AffineMap:
    """The map asked for where no search is made: estimated, if at all, at a local maximum."""
    whitening = options.whitening
    known = _without_search("none" if whitening == "auto" else whitening, target)
    if known is not None:
        return known
    paths = follow_paths(target, target.initial_positions(generator, 8))
    found = [path for path in paths if path is not None]
    if not found:
        raise ModelError("no start has a finite log density: the whitening cannot be estimated")
    best = max(found, key=lambda path: path.log_density[-1])
    if whitening == "diagonal":
        return diagonal_at(target, best.end)
    is_low_rank = whitening == "low_rank" and _has_low_rank(target)
    return (low_rank_at if is_low_rank else dense_at)(target, best.end)


def _has_low_rank(target: Target) -> bool:
    """In fewer dimensions all directions would be kept, and the form is that of a matrix."""
    return target.dim > DENSE_LIMIT // 50


def _geometric_scale(affine_map: AffineMap) -> np.ndarray:
    """Equal scales with the volume of the map."""
    dim = len(affine_map.center)
    return np.full(dim, np.exp(float(affine_map.log_det()) / dim))

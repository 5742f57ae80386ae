"""Optimization paths from dispersed starting points, and the local maxima where they end."""

import functools
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from isogmm.locate.paths.lbfgs import Path, evaluation_limit, follow_paths
from isogmm.locate.paths.maxima import LocalMaximum, add_paths, is_near_any
from isogmm.locate.roughness import is_rougher_than_others
from isogmm.mixtures.affine_map import AffineMap
from isogmm.model.target import Target

#: Starting points of a target: ``(target, generator, count) -> (n, d)``.
DrawStarts = Callable[[Target, np.random.Generator, int], np.ndarray]
#: Number of paths that are followed first, if no maximum is known yet.
NUM_FIRST = 4
#: Factor of the limit of evaluations of the other paths, if none of these converges.
REDUCED_LIMIT_FACTOR = 0.5
#: Largest factor by which the dispersion of every second starting point is increased.
MAX_DISPERSION_FACTOR = 15.0


def paths_from(
    target: Target,
    generator: np.random.Generator,
    count: int,
    maxima: list[LocalMaximum],
    *,
    wide: bool = True,
) -> tuple[list[Path], int]:
    """Paths from random starting points, and the number of those without a path.

    Parameters
    ----------
    target
        The target.
    generator
        Random numbers.
    count
        Number of starting points.
    maxima
        Known local maxima; the ends of the paths are added.
    wide
        Whether every second starting point is dispersed further, by a random factor.

    Returns
    -------
    paths
        The paths.
    num_without_path
        Number of starting points without a finite log density, or whose path ends where rounding
        errors dominate the log density.
    """
    starts = dispersed_positions(target, generator, count, wide=wide)
    paths = follow_starts(target, starts, maxima)
    return paths, count - len(paths)


def dispersed_positions(
    target: Target, generator: np.random.Generator, count: int, *, wide: bool = True
) -> Float[np.ndarray, "n d"]:
    """Starting points of the model; every second one is dispersed further, by a random factor."""
    starts = target.initial_positions(generator, count)
    if not wide or count < 2:
        return starts
    center = starts.mean(axis=0)
    factor = np.exp(generator.uniform(0.0, np.log(MAX_DISPERSION_FACTOR), size=(count, 1)))
    factor[::2] = 1.0
    return center + factor * (starts - center)


def prior_positions(
    target: Target, generator: np.random.Generator, count: int
) -> Float[np.ndarray, "n d"]:
    """Draws of the prior; those that are not finite are left out."""
    assert target.prior_positions is not None
    draws = target.prior_positions(generator, count)
    return draws[np.isfinite(draws).all(axis=1)]


def follow_starts(
    target: Target,
    starts: Float[np.ndarray, "n d"],
    maxima: list[LocalMaximum],
    affine_map: AffineMap | None = None,
    max_evaluations: int | None = None,
) -> list[Path]:
    """Paths from these starting points; their ends are added to the maxima.

    If no maximum is known, the first paths are followed alone.  The other paths end where these
    have ended, and have half the evaluations if none of these converges.

    Parameters
    ----------
    target, starts
        The target and the starting points.
    maxima
        Known local maxima; new ones are added.
    affine_map
        The coordinates in which the optimizer works; by default those of the target.
    max_evaluations
        Largest number of evaluations of each path; by default that of the dimension.
    """
    limit = max_evaluations or evaluation_limit(target.dim)
    num_first = 0 if maxima else NUM_FIRST
    found: list[Path] = []
    for group in (starts[:num_first], starts[num_first:]):
        # Paths of one group do not depend on each other: the maxima are those before the group.
        is_known = functools.partial(is_near_any, tuple(maxima))
        followed = follow_paths(target, group, limit, is_known, affine_map)
        paths = _without_rough_ends(target, [path for path in followed if path is not None])
        add_paths(target, maxima, paths)
        if num_first and not any(path.converged for path in paths):
            limit = int(REDUCED_LIMIT_FACTOR * limit)
        found += paths
    return found


def _without_rough_ends(target: Target, paths: Sequence[Path]) -> list[Path]:
    """The paths that do not end where rounding errors dominate the log density."""
    if not paths:
        return []
    rough = is_rougher_than_others(
        target,
        np.stack([path.end for path in paths]),
        np.array([path.log_density[-1] for path in paths]),
        np.stack([path.gradients[-1] for path in paths]),
    )
    return [path for path, is_out in zip(paths, rough, strict=True) if not is_out]

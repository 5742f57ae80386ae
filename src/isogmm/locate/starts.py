"""Paths from many starts: the first few explore, the others end where these have ended."""

import functools

import numpy as np
from jaxtyping import Float

from isogmm.locate.modes import LocalMaximum, add_path, is_near_one
from isogmm.locate.paths import Path, budget, follow_paths
from isogmm.locate.roughness import is_rough
from isogmm.model.target import Target

#: So many paths are followed first: the others end where these ended, and where none of these
#: comes to a maximum they are followed half as far.
NUM_FIRST = 4


def paths_from(
    target: Target,
    generator: np.random.Generator,
    count: int,
    maxima: list[LocalMaximum],
    *,
    wide: bool = True,
) -> tuple[list[Path], int]:
    """Paths from ``count`` starts (every second one spread wider), and how many were hopeless.

    Their ends are added to the maxima.
    """
    starts = target.initial_positions(generator, count)
    if wide and count > 1:
        center = starts.mean(axis=0)
        spread = np.exp(generator.uniform(0.0, np.log(15.0), size=(count, 1)))
        spread[::2] = 1.0
        starts = center + spread * (starts - center)
    paths = follow_starts(target, starts, maxima)
    return paths, count - len(paths)


def follow_starts(
    target: Target, starts: Float[np.ndarray, "n d"], maxima: list[LocalMaximum]
) -> list[Path]:
    """Paths from all starts, the first few before the others where no maximum is known yet."""
    longest, num_first = budget(target.dim), 0 if maxima else NUM_FIRST
    found: list[Path] = []
    for group in (starts[:num_first], starts[num_first:]):
        # Known before the group sets out: where a path ends does not depend on the others.
        is_known = functools.partial(is_near_one, tuple(maxima))
        walked = follow_paths(target, group, longest, is_known)
        paths = _on_firm_ground(target, [path for path in walked if path is not None])
        for path in paths:
            add_path(target, maxima, path)
        if num_first and not any(path.converged for path in paths):
            longest = budget(target.dim) // 2
        found += paths
    return found


def _on_firm_ground(target: Target, paths: list[Path]) -> list[Path]:
    """The paths that do not end in rounding noise."""
    if not paths:
        return paths
    rough = is_rough(
        target,
        np.stack([path.end for path in paths]),
        np.array([path.log_density[-1] for path in paths]),
        np.stack([path.gradients[-1] for path in paths]),
    )
    return [path for path, drop in zip(paths, rough, strict=True) if not drop]

"""The modes of a fit: their masses and their draws."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes

from isogmm.errors import OptionError
from isogmm.results.groups import Result, get_group, group_names
from isogmm.views.plots.style import INK, REFERENCE, color, evenly_spaced, style
from isogmm.views.plots.unconstrained import UnconstrainedSpace

#: Modes that have their own color and bar; the others share one bar.
MAX_MODES = 6
#: Draws that are shown.
MAX_DRAWS = 3000
#: Smallest variance within modes, so that it can be divided by.
MIN_VARIANCE = 1e-300


def plot_modes(idata: Result, coordinates: Sequence[str | int] | None = None) -> np.ndarray:
    """Masses of the modes with two standard errors, and their draws in two coordinates.

    Parameters
    ----------
    idata
        A result of ``fit_isogmm``.
    coordinates
        Two unconstrained coordinates, by name or index.  By default those along which the modes
        are farthest apart, in standard deviations within a mode.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes
        The axes of the masses and of the draws.

    Raises
    ------
    OptionError
        If the result does not come from ``fit_isogmm``, or a coordinate does not exist.
    """
    space = UnconstrainedSpace(idata)
    fit = get_group(idata, "fit")
    if "mode_mass" not in fit or "sample_stats" not in group_names(idata):
        raise OptionError(
            "the result has no masses of modes. Give a result of fit_isogmm with its group "
            "'sample_stats'."
        )
    masses, errors = fit["mode_mass"].values, fit["mode_mass_se"].values
    if len(masses) == 1:
        # The mass of a single mode is exactly one; its stored error is that of the evidence.
        errors = np.zeros(1)
    points = space.positions.reshape(-1, len(space.labels))
    modes = get_group(idata, "sample_stats")["mode"].values.ravel()
    order = np.argsort(-masses)
    if coordinates is None:
        pair = separating(points, modes, 2)
    else:
        pair = [space.index(coordinate) for coordinate in coordinates]
    if len(pair) != 2 and len(space.labels) > 1:
        raise OptionError(f"coordinates must be two names or indices, got {coordinates}")
    with style() as plt:
        _, axes = plt.subplots(
            1, 2, figsize=(8.6, 3.8), layout="constrained", width_ratios=(1, 1.35)
        )
        _draw_masses(axes[0], masses, errors, order)
        _draw_points(axes[1], points, modes, order, pair)
        axes[1].set_xlabel(space.axis_label(pair[0]))
        axes[1].set_ylabel(space.axis_label(pair[1]) if len(pair) > 1 else "draw")
    return axes


def separating(
    points: Float[np.ndarray, "n d"], modes: Int[np.ndarray, " n"], number: int
) -> list[int]:
    """Coordinates along which the modes are farthest apart, in sds within a mode.

    The first coordinates if there is a single mode.
    """
    found = [mode for mode in np.unique(modes) if (modes == mode).sum() > 1]
    if len(found) < 2:
        return list(range(min(number, points.shape[1])))
    means = np.stack([points[modes == mode].mean(axis=0) for mode in found])
    within = np.mean([points[modes == mode].var(axis=0) for mode in found], axis=0)
    between = means.var(axis=0) / np.maximum(within, MIN_VARIANCE)
    return [int(i) for i in np.argsort(-between, kind="stable")[:number]]


def _draw_masses(
    axis: Axes,
    masses: Float[np.ndarray, " m"],
    errors: Float[np.ndarray, " m"],
    order: Int[np.ndarray, " m"],
) -> None:
    """One bar per mode, the largest mass on top, and one for all further modes."""
    shown, rest = order[:MAX_MODES], order[MAX_MODES:]
    names = [f"mode {mode}" for mode in shown]
    heights, spreads = list(masses[shown]), list(errors[shown])
    shades = [color(rank) for rank in range(len(shown))]
    if len(rest):
        names.append(f"{len(rest)} others")
        heights.append(masses[rest].sum())
        spreads.append(float(np.sqrt((errors[rest] ** 2).sum())))
        shades.append(REFERENCE)
    rows = np.arange(len(names))[::-1]
    axis.barh(rows, heights, color=shades, height=0.62)
    if any(spreads):
        axis.errorbar(
            heights, rows, xerr=2 * np.array(spreads), fmt="none", ecolor=INK, capsize=3, lw=1.2
        )
    for row, height, spread in zip(rows, heights, spreads, strict=True):
        axis.annotate(
            f"{height:.3f}",
            (height + 2 * spread, row),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
        )
    largest = max(h + 2 * s for h, s in zip(heights, spreads, strict=True))
    axis.set_xlim(0, 1.22 * largest)
    # Few bars keep the width that they have among more bars.
    middle, half = (len(names) - 1) / 2, max(len(names) / 2 + 0.2, 1.6)
    axis.set_ylim(middle - half, middle + half)
    axis.set_yticks(rows, names)
    axis.tick_params(axis="y", length=0)
    axis.set_xlabel("mass, with two standard errors" if any(spreads) else "mass")


def _draw_points(
    axis: Axes,
    points: Float[np.ndarray, "n d"],
    modes: Int[np.ndarray, " n"],
    order: Int[np.ndarray, " m"],
    pair: Sequence[int],
) -> None:
    """Draws in two coordinates, colored by mode."""
    keep = evenly_spaced(len(points), MAX_DRAWS)
    points, modes = points[keep], modes[keep]
    # Modes with small masses are drawn last, on top of the others.
    for rank, mode in enumerate(order):
        members = points[modes == mode]
        shade = color(rank) if rank < MAX_MODES else REFERENCE
        first = members[:, pair[0]]
        second = members[:, pair[1]] if len(pair) > 1 else np.arange(len(members))
        axis.scatter(first, second, s=7, color=shade, alpha=0.45, lw=0, rasterized=True)
        if len(members) and rank < MAX_MODES and len(order) > 1 and len(pair) > 1:
            axis.annotate(
                str(mode),
                (float(first.mean()), float(second.mean())),
                ha="center",
                va="center",
                fontweight="bold",
                bbox={"boxstyle": "circle,pad=0.25", "fc": "white", "ec": shade, "lw": 1.5},
            )

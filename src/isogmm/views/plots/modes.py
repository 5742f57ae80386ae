"""The modes of a fit: their masses and their draws."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes

from isogmm.errors import OptionError
from isogmm.results.groups import Result, get_group, group_names
from isogmm.views.plots.density import density
from isogmm.views.plots.style import INK, REFERENCE, color, evenly_spaced, style
from isogmm.views.plots.unconstrained import UnconstrainedSpace
from isogmm.views.selection import Coords, VarNames

#: Modes that have their own color and bar; the others share one bar.
MAX_MODES = 6
#: Draws that are shown.
MAX_DRAWS = 3000


def plot_modes(idata: Result, var_names: VarNames = None, *, coords: Coords = None) -> np.ndarray:
    """Plot the masses of the modes with two standard errors, and draws in two coordinates.

    A single mode has no masses to compare; the figure then shows its draws alone.

    Parameters
    ----------
    idata
        A result of ``fit_isogmm``.
    var_names, coords
        Variables and labels that select two unconstrained coordinates, as in
        :func:`isogmm.plot_compare_pairs`.  By default, the two coordinates along which the modes
        are farthest apart, in standard deviations within a mode.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes
        The axes of the masses, if there are several modes, and of the draws.

    Raises
    ------
    OptionError
        If the result does not come from ``fit_isogmm``, or a name or label does not exist.
    """
    space = UnconstrainedSpace(idata)
    fit = get_group(idata, "fit")
    if "mode_mass" not in fit or "sample_stats" not in group_names(idata):
        raise OptionError(
            "the result has no masses of modes. Give a result of fit_isogmm with its group "
            "'sample_stats'."
        )
    masses, errors = fit["mode_mass"].values, fit["mode_mass_se"].values
    points = space.positions.reshape(-1, len(space.labels))
    modes = get_group(idata, "sample_stats")["mode"].values.ravel()
    order = np.argsort(-masses)
    pair = space.pair(var_names, coords)
    with style() as plt:
        if len(masses) > 1:
            _, axes = plt.subplots(
                1, 2, figsize=(8.6, 3.8), layout="constrained", width_ratios=(1, 1.35)
            )
            _draw_masses(axes[0], masses, errors, order)
        else:
            _, axes = plt.subplots(1, 1, figsize=(4.9, 3.8), layout="constrained", squeeze=False)
            axes = axes[0]
        if len(pair) > 1:
            _draw_points(axes[-1], points, modes, order, pair)
            axes[-1].set_ylabel(space.axis_label(pair[1]))
        else:
            _draw_densities(axes[-1], points[:, pair[0]], modes, order)
        axes[-1].set_xlabel(space.axis_label(pair[0]))
    return axes


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


def _draw_densities(
    axis: Axes,
    values: Float[np.ndarray, " n"],
    modes: Int[np.ndarray, " n"],
    order: Int[np.ndarray, " m"],
) -> None:
    """Densities of the draws of every mode, with areas in proportion to their numbers."""
    for rank, mode in enumerate(order):
        members = values[modes == mode]
        shade = color(rank) if rank < MAX_MODES else REFERENCE
        if len(members) < 2 or np.ptp(members) == 0:
            continue
        grid, height = density(members)
        height = height * len(members) / len(values)
        axis.fill_between(grid, height, color=shade, alpha=0.45, lw=0)
        axis.plot(grid, height, color=shade, lw=1.5)
    axis.set_ylim(bottom=0)
    axis.set_ylabel("density")


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
        first, second = members[:, pair[0]], members[:, pair[1]]
        axis.scatter(first, second, s=7, color=shade, alpha=0.45, lw=0, rasterized=True)
        if len(members) and rank < MAX_MODES and len(order) > 1:
            axis.annotate(
                str(mode),
                (float(first.mean()), float(second.mean())),
                ha="center",
                va="center",
                fontweight="bold",
                bbox={"boxstyle": "circle,pad=0.25", "fc": "white", "ec": shade, "lw": 1.5},
            )

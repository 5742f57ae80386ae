"""The modes of a fit: how much mass each has, and where it lies."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from isogmm.errors import OptionError
from isogmm.results.groups import get_group, group_names
from isogmm.views.plots.flat import Flat
from isogmm.views.plots.style import INK, REFERENCE, color, style

#: Modes with a color and a bar of their own; the rest is summed up.
SHOWN = 6
DOTS = 3000


def plot_modes(idata: Any, coordinates: Sequence[str | int] | None = None) -> Any:
    """Masses of the modes with two standard errors, and their draws in two coordinates.

    Parameters
    ----------
    idata
        A result of ``fit_isogmm``.
    coordinates
        Two unconstrained coordinates, by name or place; by default those along which the modes
        are farthest apart, in sds within a mode.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes
        The axes of the masses and of the draws.

    Raises
    ------
    OptionError
        If the result does not come from ``fit_isogmm``, or a coordinate does not exist.
    """
    flat = Flat(idata)
    fit = get_group(idata, "fit")
    if "mode_mass" not in fit or "sample_stats" not in group_names(idata):
        raise OptionError("the result holds no masses of modes")
    masses, errors = fit["mode_mass"].values, fit["mode_mass_se"].values
    if len(masses) == 1:
        errors = np.zeros(1)  # a single mode has all mass; its error is the evidence's
    points = flat.positions.reshape(-1, len(flat.labels))
    modes = get_group(idata, "sample_stats")["mode"].values.ravel()
    order = np.argsort(-masses)
    if coordinates is None:
        pair = separating(points, modes, 2)
    else:
        pair = [flat.index(coordinate) for coordinate in coordinates]
    if len(pair) != 2 and len(flat.labels) > 1:
        raise OptionError(f"coordinates must be two, got {coordinates}")
    with style() as plt:
        _, axes = plt.subplots(
            1, 2, figsize=(8.6, 3.8), layout="constrained", width_ratios=(1, 1.35)
        )
        _draw_masses(axes[0], masses, errors, order)
        _draw_places(axes[1], points, modes, order, pair)
        axes[1].set_xlabel(flat.axis_label(pair[0]))
        axes[1].set_ylabel(flat.axis_label(pair[1]) if len(pair) > 1 else "draw")
    return axes


def separating(points: np.ndarray, modes: np.ndarray, number: int) -> list[int]:
    """Coordinates along which the modes lie farthest apart, in sds within a mode.

    The first ones where there is a single mode.
    """
    found = [mode for mode in np.unique(modes) if (modes == mode).sum() > 1]
    if len(found) < 2:
        return list(range(min(number, points.shape[1])))
    means = np.stack([points[modes == mode].mean(axis=0) for mode in found])
    within = np.mean([points[modes == mode].var(axis=0) for mode in found], axis=0)
    between = means.var(axis=0) / np.maximum(within, 1e-300)
    return [int(i) for i in np.argsort(-between, kind="stable")[:number]]


def _draw_masses(axis: Any, masses: np.ndarray, errors: np.ndarray, order: np.ndarray) -> None:
    shown, rest = order[:SHOWN], order[SHOWN:]
    names = [f"mode {mode}" for mode in shown]
    heights, spreads = list(masses[shown]), list(errors[shown])
    shades = [color(rank) for rank in range(len(shown))]
    if len(rest):
        names.append(f"{len(rest)} others")
        heights.append(masses[rest].sum())
        spreads.append(float(np.sqrt((errors[rest] ** 2).sum())))
        shades.append(REFERENCE)
    places = np.arange(len(names))[::-1]
    axis.barh(places, heights, color=shades, height=0.62)
    if any(spreads):
        axis.errorbar(
            heights, places, xerr=2 * np.array(spreads), fmt="none", ecolor=INK, capsize=3, lw=1.2
        )
    for place, height, spread in zip(places, heights, spreads, strict=True):
        axis.annotate(
            f"{height:.3f}",
            (height + 2 * spread, place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
        )
    largest = max(h + 2 * s for h, s in zip(heights, spreads, strict=True))
    axis.set_xlim(0, 1.22 * largest)
    middle, half = (len(names) - 1) / 2, max(len(names) / 2 + 0.2, 1.6)
    axis.set_ylim(middle - half, middle + half)
    axis.set_yticks(places, names)
    axis.tick_params(axis="y", length=0)
    axis.set_xlabel("mass, with two standard errors" if any(spreads) else "mass")


def _draw_places(
    axis: Any,
    points: np.ndarray,
    modes: np.ndarray,
    order: np.ndarray,
    pair: list[int],
) -> None:
    keep = np.linspace(0, len(points) - 1, min(len(points), DOTS)).round().astype(int)
    points, modes = points[keep], modes[keep]
    # Small modes are drawn last, on top of the large ones.
    for rank, mode in enumerate(order):
        members = points[modes == mode]
        shade = color(rank) if rank < SHOWN else REFERENCE
        first = members[:, pair[0]]
        second = members[:, pair[1]] if len(pair) > 1 else np.arange(len(members))
        axis.scatter(first, second, s=7, color=shade, alpha=0.45, lw=0, rasterized=True)
        if len(members) and rank < SHOWN and len(order) > 1 and len(pair) > 1:
            axis.annotate(
                str(mode),
                (float(first.mean()), float(second.mean())),
                ha="center",
                va="center",
                fontweight="bold",
                bbox={"boxstyle": "circle,pad=0.25", "fc": "white", "ec": shade, "lw": 1.5},
            )

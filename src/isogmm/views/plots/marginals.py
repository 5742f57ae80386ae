"""Marginal densities of several methods in the same axes."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from isogmm.errors import OptionError
from isogmm.views.comparison.draws import Draws, read
from isogmm.views.comparison.variables import DrawsLike
from isogmm.views.plots.density import density
from isogmm.views.plots.style import INK, REFERENCE, color, line, panels, shorten, style
from isogmm.views.selection import Coords, VarNames

#: Width and height of a panel, in inches.
PANEL_SIZE = (3.1, 2.2)
#: Most entries in a row of the legend.
MAX_LEGEND_COLUMNS = 6
#: Levels of the quantiles by which scalars are ordered.
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
#: Quantiles of every method that the panel shows.
EXTREME_LEVELS = (0.002, 0.998)
#: The panel reaches beyond the central 90 % of the reference by at most this multiple of them.
MAX_REACH = 4


def plot_compare_marginals(
    results: Mapping[str, DrawsLike],
    reference: str | DrawsLike,
    var_names: VarNames = None,
    *,
    coords: Coords = None,
    max_panels: int = 12,
) -> np.ndarray:
    """Plot marginal densities of every method and of the reference, one panel per scalar.

    The reference is a gray area.  The other methods are lines, in the order of ``results``.  If
    there are more scalars than panels, the scalars with the largest differences are shown, the
    largest one first.  A difference is that of a quantile, in standard deviations of the
    reference.  A note below the panels says how many scalars there are.

    Parameters
    ----------
    results, reference, var_names, coords
        As in :func:`isogmm.compare`.
    max_panels
        Largest number of panels.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes
        One per panel.

    Raises
    ------
    OptionError
        If the results have different variables, or ``max_panels`` is not positive.
    """
    if max_panels < 1:
        raise OptionError(f"max_panels must be at least 1, got {max_panels}")
    draws, name = read(results, reference, var_names, coords)
    base = next(method for method in draws if method.name == name)
    others = [method for method in draws if method is not base]
    order = np.arange(len(base.labels))
    if len(order) > max_panels:
        order = np.argsort(-_difference(base, others))[:max_panels]
    with style():
        figure, axes = panels(len(order), PANEL_SIZE)
        for axis, scalar in zip(axes, order, strict=True):
            _draw_panel(axis, base, others, int(scalar))
        handles, labels = axes[0].get_legend_handles_labels()
        # The rows of the legend have nearly equal lengths: seven methods give 4 and 3, not 6 and 1.
        columns = math.ceil(len(labels) / math.ceil(len(labels) / MAX_LEGEND_COLUMNS))
        figure.legend(handles, labels, loc="outside upper center", ncols=columns, handlelength=2.5)
        if len(order) < len(base.labels):
            figure.supxlabel(
                f"{len(order)} of {len(base.labels)} scalars, those with the largest differences",
                fontsize=9,
                color=INK,
            )
    return axes


def _difference(base: Draws, others: Sequence[Draws]) -> Float[np.ndarray, " p"]:
    """Largest difference of a quantile over the methods, in sds of the reference."""
    expected, sd = np.quantile(base.rows, LEVELS, axis=0), base.rows.std(axis=0)
    found = np.zeros(len(base.labels))
    for method in others:
        gap = np.abs(np.quantile(method.rows, LEVELS, axis=0) - expected).max(axis=0)
        found = np.maximum(found, np.where(sd > 0, gap / np.where(sd > 0, sd, 1.0), 0.0))
    return np.nan_to_num(found, nan=np.inf)


def _draw_panel(axis: Axes, base: Draws, others: Sequence[Draws], scalar: int) -> None:
    """The densities of one scalar; a constant scalar is a vertical line."""
    columns = [method.rows[:, scalar] for method in (base, *others)]
    columns = [column[np.isfinite(column)] for column in columns]
    for rank, (method, column) in enumerate(zip((base, *others), columns, strict=True)):
        if len(column) < 2 or np.ptp(column) == 0:
            position = column[0] if len(column) else np.nan
            axis.axvline(position, color=REFERENCE if rank == 0 else color(rank - 1), lw=2)
            continue
        grid, height = density(column)
        # Both ends of the line lie on the axis, so that a density that is cut off by a bound is
        # drawn as such.
        grid, height = np.r_[grid[0], grid, grid[-1]], np.r_[0.0, height, 0.0]
        if rank == 0:
            label = f"{method.name} (reference)"
            axis.fill_between(grid, height, color=REFERENCE, alpha=0.45, lw=0, label=label)
        else:
            axis.plot(
                grid, height, color=color(rank - 1), ls=line(rank - 1), lw=1.7, label=method.name
            )
    _set_limits(axis, columns)
    axis.set_ylim(bottom=0)
    axis.set_yticks([])
    axis.spines["left"].set_visible(False)
    axis.locator_params(axis="x", nbins=5)
    axis.set_title(shorten(base.labels[scalar]))


def _set_limits(axis: Axes, columns: Sequence[Float[np.ndarray, " _"]]) -> None:
    """Horizontal limits that hold all methods, but not far outliers of a single method.

    ``columns`` are the draws of the methods, those of the reference first.
    """
    edges = np.array([np.quantile(column, EXTREME_LEVELS) for column in columns if len(column)])
    low, high = edges[:, 0].min(), edges[:, 1].max()
    core = np.quantile(columns[0], (0.05, 0.95))
    reach = MAX_REACH * (core[1] - core[0]) or 1.0
    if high > low:
        axis.set_xlim(max(low, core[0] - reach), min(high, core[1] + reach))

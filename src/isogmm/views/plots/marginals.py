"""Marginal densities of several methods on top of each other."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from isogmm.errors import OptionError
from isogmm.views.comparison.draws import Draws, read
from isogmm.views.plots.density import density
from isogmm.views.plots.style import INK, REFERENCE, color, line, panels, shorten, style


def plot_compare_marginals(
    results: Mapping[str, Any],
    reference: Any,
    var_names: str | Sequence[str] | None = None,
    *,
    max_panels: int = 12,
) -> Any:
    """Marginal densities of every method over the reference's, one panel a scalar.

    The reference is the gray area, methods are lines in the order of ``results``.  Where there
    are more scalars than panels, those on which some method differs most are shown, the largest
    difference of a quantile in sds of the reference first; the title says how many are not.

    Parameters
    ----------
    results, reference, var_names
        As for :func:`isogmm.compare`.
    max_panels
        Panels at most.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes
        One per panel.

    Raises
    ------
    OptionError
        If the results hold different variables, or ``max_panels`` is not positive.
    """
    if max_panels < 1:
        raise OptionError(f"max_panels must be at least 1, got {max_panels}")
    draws, name = read(results, reference, var_names)
    base = next(method for method in draws if method.name == name)
    others = [method for method in draws if method is not base]
    order = np.arange(len(base.labels))
    if len(order) > max_panels:
        order = np.argsort(-_difference(base, others))[:max_panels]
    with style() as plt:
        figure, axes = panels(plt, len(order), (3.1, 2.2))
        for axis, scalar in zip(axes, order, strict=True):
            _panel(axis, base, others, int(scalar))
        handles, labels = axes[0].get_legend_handles_labels()
        # Rows of equal length: seven methods are four and three, not six and one.
        columns = math.ceil(len(labels) / math.ceil(len(labels) / 6))
        figure.legend(handles, labels, loc="outside upper center", ncols=columns, handlelength=2.5)
        if len(order) < len(base.labels):
            figure.supxlabel(
                f"{len(order)} of {len(base.labels)} scalars: those that differ most",
                fontsize=9,
                color=INK,
            )
    return axes


def _difference(base: Draws, others: list[Draws]) -> np.ndarray:
    """Largest difference of five quantiles over the methods, in sds of the reference."""
    levels = (0.05, 0.25, 0.5, 0.75, 0.95)
    expected, sd = np.quantile(base.rows, levels, axis=0), base.rows.std(axis=0)
    found = np.zeros(len(base.labels))
    for method in others:
        gap = np.abs(np.quantile(method.rows, levels, axis=0) - expected).max(axis=0)
        found = np.maximum(found, np.where(sd > 0, gap / np.where(sd > 0, sd, 1.0), 0.0))
    return np.nan_to_num(found, nan=np.inf)


def _panel(axis: Any, base: Draws, others: list[Draws], scalar: int) -> None:
    columns = [method.rows[:, scalar] for method in (base, *others)]
    columns = [column[np.isfinite(column)] for column in columns]
    for rank, (method, column) in enumerate(zip((base, *others), columns, strict=True)):
        if len(column) < 2 or np.ptp(column) == 0:
            where = column[0] if len(column) else np.nan
            axis.axvline(where, color=REFERENCE if rank == 0 else color(rank - 1), lw=2)
            continue
        grid, height = density(column)
        # Both ends on the axis, so that a density cut off by a bound looks cut off.
        grid, height = np.r_[grid[0], grid, grid[-1]], np.r_[0.0, height, 0.0]
        if rank == 0:
            axis.fill_between(
                grid, height, color=REFERENCE, alpha=0.45, lw=0, label=f"{method.name} (reference)"
            )
        else:
            axis.plot(
                grid, height, color=color(rank - 1), ls=line(rank - 1), lw=1.7, label=method.name
            )
    # Far outliers of one method must not squeeze the panel.
    edges = np.array([np.quantile(column, (0.002, 0.998)) for column in columns if len(column)])
    low, high = edges[:, 0].min(), edges[:, 1].max()
    core = np.quantile(columns[0], (0.05, 0.95))
    reach = 4 * (core[1] - core[0]) or 1.0
    if high > low:
        axis.set_xlim(max(low, core[0] - reach), min(high, core[1] + reach))
    axis.set_ylim(bottom=0)
    axis.set_yticks([])
    axis.spines["left"].set_visible(False)
    axis.locator_params(axis="x", nbins=5)
    axis.set_title(shorten(base.labels[scalar]))

"""Two coordinates of the unconstrained space: draws, reference and the mixture's components."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from isogmm.errors import OptionError
from isogmm.mixtures.stored import mixture_from
from isogmm.results.groups import group_names
from isogmm.views.plots.density import plane_density
from isogmm.views.plots.flat import Flat
from isogmm.views.plots.style import INK, REFERENCE, color, panels, shorten, style

#: Highest-density regions of the reference.
REGIONS = (0.99, 0.9, 0.5)
#: Dots a panel; more would hide each other.
DOTS = 1200


def plot_compare_pairs(
    results: Mapping[str, Any],
    coordinates: Sequence[str | int],
    reference: str | None = None,
    *,
    chain: int | None = 0,
    num_sds: float = 1.0,
) -> Any:
    """Draws of every method in two unconstrained coordinates, one panel a method.

    Gray regions hold 50, 90 and 99 % of the reference.  On the panel of a mixture its components
    are ellipses, ``num_sds`` standard deviations around their means, the darker the heavier;
    isotropic ones are sheared by the map of the fit.

    Parameters
    ----------
    results
        Method to ArviZ object; at least one is of ``fit_isogmm``, which defines the space.  Other
        methods need no unconstrained draws where the transform is one of a single number.
    coordinates
        Two names, as in the group ``fit`` (``"tau"``, ``"theta[0]"``), or places.
    reference
        The key of the method behind all others; none unless given.
    chain
        The chain whose components are drawn; None draws those of all.
    num_sds
        Radius of the ellipses.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes
        One per method other than the reference.

    Raises
    ------
    OptionError
        If a coordinate does not exist or a method has no draws of it.
    """
    fits = [name for name, result in results.items() if "fit" in group_names(result)]
    if not fits:
        raise OptionError("plot_compare_pairs needs one result of fit_isogmm among the results")
    if len(coordinates) != 2:
        raise OptionError(f"coordinates must be two, got {list(coordinates)}")
    if reference is not None and reference not in results:
        raise OptionError(f"reference={reference!r} is none of the results {list(results)}")
    flat = Flat(results[fits[0]])
    pair = [flat.index(coordinate) for coordinate in coordinates]
    points = {
        name: np.stack([flat.of(result, index, name) for index in pair], axis=1)
        for name, result in results.items()
    }
    shown = [name for name in results if name != reference] or list(results)
    low, high = _limits(list(points.values()))
    with style() as plt:
        figure, axes = panels(plt, len(shown), (3.9, 3.7), columns=3)
        region = (
            None
            if reference is None
            else plane_density(_finite(points[reference]), low, high, REGIONS)
        )
        for rank, (axis, name) in enumerate(zip(axes, shown, strict=True)):
            if region is not None:
                _draw_regions(axis, *region)
            _draw_dots(axis, points[name], color(rank))
            if name in fits:
                _draw_ellipses(axis, mixture_from(results[name]), pair, chain, num_sds)
            axis.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
            axis.set_title(shorten(name), color=color(rank), fontweight="bold")
            axis.set_xlabel(flat.axis_label(pair[0]))
        for axis in axes[:: min(3, len(shown))]:
            axis.set_ylabel(flat.axis_label(pair[1]))
        _legend(plt, figure, reference, num_sds)
    return axes


def _limits(points: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Limits that hold all but the last 0.2 % of every method on each side."""
    edges = np.array(
        [
            np.nanquantile(np.where(np.isfinite(p), p, np.nan), (0.002, 0.998), axis=0)
            for p in points
        ]
    )
    low, high = edges[:, 0].min(axis=0), edges[:, 1].max(axis=0)
    margin = 0.06 * np.maximum(high - low, 1e-12)
    return low - margin, high + margin


def _finite(points: np.ndarray) -> np.ndarray:
    return points[np.isfinite(points).all(axis=1)]


def _draw_regions(
    axis: Any, first: np.ndarray, second: np.ndarray, height: np.ndarray, levels: np.ndarray
) -> None:
    shades = ["#EDEDED", "#D4D4D4", "#B4B4B4"]
    if np.all(np.diff(levels) > 0):
        axis.contourf(first, second, height, levels=[*levels, np.inf], colors=shades, zorder=0)


def _draw_dots(axis: Any, points: np.ndarray, shade: str) -> None:
    keep = np.linspace(0, len(points) - 1, min(len(points), DOTS)).round().astype(int)
    axis.scatter(*points[keep].T, s=5, color=shade, alpha=0.35, lw=0, zorder=1, rasterized=True)


def _draw_ellipses(
    axis: Any, mixture: Any, pair: list[int], chain: int | None, num_sds: float
) -> None:
    from matplotlib.patches import Ellipse

    mixture = mixture.pooled() if chain is None else mixture[chain]
    centers, covariances = mixture.block(pair)
    values, vectors = np.linalg.eigh(covariances)
    angles = np.degrees(np.arctan2(vectors[:, 1, 1], vectors[:, 0, 1]))
    weights = np.exp(mixture.log_weights)
    # Many ellipses on top of each other would become a blot.
    thin = min(1.0, np.sqrt(16 / mixture.num_components))
    diameters = 2 * num_sds * np.sqrt(np.maximum(values, 0.0))
    for center, (minor, major), angle, weight in zip(
        centers, diameters, angles, weights, strict=True
    ):
        strength = thin * (0.25 + 0.65 * weight / weights.max())
        axis.add_patch(
            Ellipse(
                center,
                major,
                minor,
                angle=angle,
                fill=False,
                ec=INK,
                lw=0.5 + 0.6 * thin,
                alpha=strength,
            )
        )


def _legend(plt: Any, figure: Any, reference: str | None, num_sds: float) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [Line2D([], [], color=INK, marker="o", mfc="none", ms=9, lw=0)]
    labels = [f"component, {num_sds:g} sd"]
    if reference is not None:
        handles.insert(0, Patch(fc="#C4C4C4", ec=REFERENCE))
        labels.insert(0, f"{shorten(reference)}: 50, 90, 99 %")
    figure.legend(handles, labels, loc="outside upper center", ncols=2)

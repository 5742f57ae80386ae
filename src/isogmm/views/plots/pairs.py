"""Two unconstrained coordinates: draws, reference and the components of the mixture."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse, Patch

from isogmm.errors import OptionError
from isogmm.mixtures.abstract import AbstractMixture
from isogmm.mixtures.stored import mixture_from
from isogmm.results.groups import Result, group_names
from isogmm.views.comparison.draws import with_reference
from isogmm.views.comparison.variables import is_arviz
from isogmm.views.plots.density import plane_density
from isogmm.views.plots.style import INK, REFERENCE, color, evenly_spaced, panels, shorten, style
from isogmm.views.plots.unconstrained import UnconstrainedSpace
from isogmm.views.selection import Coords, VarNames

#: Probabilities of the highest-density regions of the reference, and their shades.
REGIONS = (0.99, 0.9, 0.5)
SHADES = ("#EDEDED", "#D4D4D4", "#B4B4B4")
#: Draws shown in a panel; more would hide each other.
MAX_DRAWS = 1200
#: Width and height of a panel, in inches.
PANEL_SIZE = (3.9, 3.7)
#: Most panels in a row.
MAX_COLUMNS = 3
#: Quantiles of every method that the panels show.
EXTREME_LEVELS = (0.002, 0.998)
#: Margin of the panels, as a share of the range that they show.
MARGIN = 0.06
#: Ellipses become thinner and paler if there are more than this number.
NUM_FULL_ELLIPSES = 16


def plot_compare_pairs(
    results: Mapping[str, Result],
    reference: str | Result | None = None,
    var_names: VarNames = None,
    *,
    coords: Coords = None,
    chain: int | None = 0,
    num_sds: float = 1.0,
) -> np.ndarray:
    """Plot draws of every method in two unconstrained coordinates, one panel per method.

    Gray regions contain 50, 90 and 99 % of the reference.  In the panel of a fit, the components
    of its mixture are ellipses, ``num_sds`` standard deviations around their means.  Components
    with larger weights are darker.  Isotropic components are ellipses too, because the affine map
    of the fit is applied to them.

    Parameters
    ----------
    results
        Method to ArviZ object.  At least one is a result of ``fit_isogmm``, which defines the
        coordinates.  Other methods need no unconstrained draws if each number is transformed by
        itself.
    reference
        The method that is drawn behind all others: a key of ``results``, or a result, which is
        then called ``reference``.  None by default.
    var_names, coords
        Variables and labels that select two coordinates, as in ArviZ: ``["mu", "tau"]``, or
        ``"theta"`` with ``coords={"school": ["Choate", "Deerfield"]}``.  Single entries
        (``"theta[Choate]"``, ``"theta[0]"``) may be named too.  By default, the two coordinates
        along which the modes are farthest apart, or the first two if there is one mode.
    chain
        The chain whose components are drawn; None for all chains.
    num_sds
        Radius of the ellipses in standard deviations.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes
        One per method other than the reference.

    Raises
    ------
    OptionError
        If a name or label does not exist, or a method has no draws of a coordinate.
    """
    fits = [name for name, result in results.items() if "fit" in group_names(result)]
    if not fits:
        raise OptionError("plot_compare_pairs needs one result of fit_isogmm among the results")
    if isinstance(reference, list | tuple):
        raise OptionError(
            "reference must be a key of results or a result, not a "
            f"{type(reference).__name__}: the order of the arguments is "
            "plot_compare_pairs(results, reference, var_names)"
        )
    if reference is not None:
        methods, reference = with_reference(results, reference)
        results = {name: result for name, result in methods.items() if is_arviz(result)}
    space = UnconstrainedSpace(results[fits[0]])
    if len(space.labels) < 2:
        raise OptionError(
            f"plot_compare_pairs needs two coordinates; the fit has {space.labels}. Use "
            "plot_compare_marginals."
        )
    pair = space.pair(var_names, coords)
    points = {
        name: np.stack([space.draws_of(result, index, name) for index in pair], axis=1)
        for name, result in results.items()
    }
    shown = [name for name in results if name != reference] or list(results)
    low, high = _limits(list(points.values()))
    with style():
        figure, axes = panels(len(shown), PANEL_SIZE, MAX_COLUMNS)
        if reference is not None:
            region = plane_density(_finite(points[reference]), low, high, REGIONS)
            for axis in axes:
                _draw_regions(axis, *region)
        for rank, (axis, name) in enumerate(zip(axes, shown, strict=True)):
            _draw_points(axis, points[name], color(rank))
            if name in fits:
                mixture = mixture_from(results[name])
                mixture = mixture.pooled() if chain is None else mixture[chain]
                _draw_ellipses(axis, mixture, pair, num_sds)
            axis.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
            axis.set_title(shorten(name), color=color(rank), fontweight="bold")
            axis.set_xlabel(space.axis_label(pair[0]))
        for axis in axes[:: min(MAX_COLUMNS, len(shown))]:
            axis.set_ylabel(space.axis_label(pair[1]))
        _draw_legend(figure, reference, num_sds)
    return axes


def _limits(
    points: Sequence[Float[np.ndarray, "_ 2"]],
) -> tuple[Float[np.ndarray, " 2"], Float[np.ndarray, " 2"]]:
    """Limits that hold the draws of every method without the outer 0.2 % on each side."""
    edges = np.array(
        [
            np.nanquantile(np.where(np.isfinite(p), p, np.nan), EXTREME_LEVELS, axis=0)
            for p in points
        ]
    )
    low, high = edges[:, 0].min(axis=0), edges[:, 1].max(axis=0)
    margin = MARGIN * np.maximum(high - low, 1e-12)
    return low - margin, high + margin


def _finite(points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "m 2"]:
    """The rows that are finite."""
    return points[np.isfinite(points).all(axis=1)]


def _draw_regions(
    axis: Axes, first: np.ndarray, second: np.ndarray, height: np.ndarray, levels: np.ndarray
) -> None:
    if np.all(np.diff(levels) > 0):
        axis.contourf(first, second, height, levels=[*levels, np.inf], colors=SHADES, zorder=0)


def _draw_points(axis: Axes, points: Float[np.ndarray, "n 2"], shade: str) -> None:
    keep = evenly_spaced(len(points), MAX_DRAWS)
    first, second = points[keep].T
    axis.scatter(first, second, s=5, color=shade, alpha=0.35, lw=0, zorder=1, rasterized=True)


def _draw_ellipses(
    axis: Axes, mixture: AbstractMixture, pair: Sequence[int], num_sds: float
) -> None:
    """The components of a single mixture."""
    centers, covariances = mixture.block(pair)
    values, vectors = np.linalg.eigh(covariances)
    angles = np.degrees(np.arctan2(vectors[:, 1, 1], vectors[:, 0, 1]))
    weights = np.exp(mixture.log_weights)
    thinness = min(1.0, np.sqrt(NUM_FULL_ELLIPSES / mixture.num_components))
    diameters = 2 * num_sds * np.sqrt(np.maximum(values, 0.0))
    for center, (minor, major), angle, weight in zip(
        centers, diameters, angles, weights, strict=True
    ):
        axis.add_patch(
            Ellipse(
                center,
                major,
                minor,
                angle=angle,
                fill=False,
                ec=INK,
                lw=0.5 + 0.6 * thinness,
                alpha=thinness * (0.25 + 0.65 * weight / weights.max()),
            )
        )


def _draw_legend(figure: Figure, reference: str | None, num_sds: float) -> None:
    handles: list[Artist] = [Line2D([], [], color=INK, marker="o", mfc="none", ms=9, lw=0)]
    labels = [f"component, {num_sds:g} sd"]
    if reference is not None:
        handles.insert(0, Patch(fc="#C4C4C4", ec=REFERENCE))
        labels.insert(0, f"{shorten(reference)}: 50, 90, 99 %")
    figure.legend(handles, labels, loc="outside upper center", ncols=2)

"""Draws in the unconstrained coordinates of a fit, also those of other methods."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import xarray as xr
from jaxtyping import Float, Int
from scipy import special

from isogmm.errors import OptionError
from isogmm.results.building.fit_group import coordinate_labels, holders, positions_from
from isogmm.results.groups import Result, get_group, group_names
from isogmm.views.plots.style import shorten
from isogmm.views.selection import Coords, Entries, VarNames, select

Function: TypeAlias = Callable[[np.ndarray], np.ndarray]

#: Group of a result that holds the draws of transformed variables before the transform.
UNCONSTRAINED_GROUP = "unconstrained_posterior"
#: Coordinates that a message lists at most.
MAX_LISTED = 10
#: Smallest variance within modes, so that it can be divided by.
MIN_VARIANCE = 1e-300
#: Functions f and their inverses from which transforms of a single number are made.
_TRANSFORMS: tuple[tuple[Function, Function], ...] = (
    (lambda u: u, lambda y: y),
    (np.exp, np.log),
    (special.expit, special.logit),
    (lambda u: np.logaddexp(0, u), lambda y: y + np.log(-np.expm1(-y))),
)
#: Largest error of a transform that counts as exact, relative to the range of the draws.
MAX_RELATIVE_ERROR = 1e-5
#: An offset that is smaller than this, relative to the largest draw, is taken as zero.
MIN_RELATIVE_OFFSET = 1e-6


class UnconstrainedSpace:
    """The unconstrained coordinates of a fit.

    Parameters
    ----------
    idata
        A result of ``fit_isogmm``.

    Raises
    ------
    OptionError
        If the result does not come from ``fit_isogmm``.
    """

    def __init__(self, idata: Result) -> None:
        if "fit" not in group_names(idata):
            raise OptionError(
                "the result has no group 'fit', which defines the unconstrained coordinates. Give "
                "a result of fit_isogmm."
            )
        self.idata = idata
        fit = get_group(idata, "fit")
        self._variables = [_variable(str(name)) for name in fit["coordinate"].values]
        self.labels = coordinate_labels(fit)
        self.positions = positions_from(idata)

    def pair(self, var_names: VarNames, coords: Coords) -> list[int]:
        """Indices of the two coordinates that a plot shows; of the only one if there is one.

        Parameters
        ----------
        var_names, coords
            The user's selection, as in ArviZ.  By default the coordinates along which the modes
            are farthest apart.

        Raises
        ------
        OptionError
            If a name or label does not exist, or another number of coordinates is selected.
        """
        if var_names is None and coords is None:
            return self._separating()
        arrays = (get_group(self.idata, str(g))[v] for v, g in holders(self.idata).items())
        found = select([Entries.of(array) for array in arrays], var_names, coords)
        if len(found) != min(2, len(self.labels)):
            listed = ", ".join(self.labels[i] for i in found[:MAX_LISTED])
            listed += ", ..." if len(found) > MAX_LISTED else ""
            raise OptionError(
                f"there must be two coordinates, but var_names={var_names!r} and coords={coords!r} "
                f"select {len(found)} ({listed}). Select two, for example "
                f"var_names={self.labels[:2]}."
            )
        return found

    def _separating(self) -> list[int]:
        """The two coordinates along which the modes are farthest apart; the first two if none."""
        if "mode" not in self._statistics():
            return list(range(min(2, len(self.labels))))
        modes = self._statistics()["mode"].values.ravel()
        return separating(self.positions.reshape(-1, len(self.labels)), modes, 2)

    def _statistics(self) -> xr.Dataset:
        has_any = "sample_stats" in group_names(self.idata)
        return get_group(self.idata, "sample_stats") if has_any else xr.Dataset()

    def axis_label(self, coordinate: int) -> str:
        """Name of a coordinate, marked as unconstrained if the variable is transformed."""
        label, variable = self.labels[coordinate], self._variables[coordinate]
        is_transformed = _draws_in(self.idata, UNCONSTRAINED_GROUP, variable) is not None
        return f"{shorten(label)} (unconstrained)" if is_transformed else shorten(label)

    def draws_of(self, result: Result, coordinate: int, name: str) -> Float[np.ndarray, " n"]:
        """Draws of a method in one coordinate, all chains together.

        They are the unconstrained draws of the method if it has some.  Otherwise the transform
        is derived from the fit, which holds draws before and after the transform.  A variable
        a + b f(u) is inverted if f is the identity, exp, the logistic function or softplus.

        Parameters
        ----------
        result
            The result of the method.
        coordinate
            Index of the coordinate.
        name
            Name of the method, for messages.

        Raises
        ------
        OptionError
            If the method has no unconstrained draws and the transform is another one.
        """
        if result is self.idata:
            return self.positions[..., coordinate].ravel()
        label, variable = self.labels[coordinate], self._variables[coordinate]
        entry = coordinate - self._variables.index(variable)
        unconstrained = _draws_in(result, UNCONSTRAINED_GROUP, variable)
        if unconstrained is not None:
            return unconstrained[:, entry]
        values = _draws_in(result, "posterior", variable)
        known = _draws_in(self.idata, "posterior", variable)
        # Where the numbers of entries differ, the transform acts on several numbers at once.
        if values is not None and known is not None and entry < known.shape[1] == values.shape[1]:
            inverse = _inverse(self.positions[..., coordinate].ravel(), known[:, entry])
            if inverse is not None:
                return inverse(values[:, entry])
        raise OptionError(
            f"{name!r} has no draws of {label!r} on the unconstrained scale. They cannot be "
            f"computed from its posterior either, because the transform of {label!r} is unknown "
            "or acts on several numbers at once. Choose other coordinates."
        )


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


def _variable(label: str) -> str:
    """Name of the variable to which a coordinate such as ``theta[0]`` belongs."""
    return label.split("[")[0]


def _draws_in(result: Result, group: str, variable: str) -> Float[np.ndarray, "n m"] | None:
    """Draws of all chains and the scalars of a variable; None if the group does not have it."""
    if group not in group_names(result) or variable not in get_group(result, group):
        return None
    array: xr.DataArray = get_group(result, group)[variable]
    values = array.transpose("chain", "draw", ...).values
    return np.asarray(values, dtype=np.float64).reshape(values.shape[0] * values.shape[1], -1)


def _inverse(
    unconstrained: Float[np.ndarray, " n"], constrained: Float[np.ndarray, " n"]
) -> Function | None:
    """The inverse of x = a + b f(u), or None if no f fits all draws.

    a and b follow from the draws with the smallest and the largest f(u).
    """
    for forward, inverse in _TRANSFORMS:
        image = forward(unconstrained)
        low, high = image.argmin(), image.argmax()
        if not image[high] > image[low]:
            continue
        slope = (constrained[high] - constrained[low]) / (image[high] - image[low])
        offset = constrained[high] - slope * image[high]
        if abs(offset) < MIN_RELATIVE_OFFSET * np.abs(constrained).max():
            offset = 0.0  # a rounding error here would change small values of a positive variable
        error = np.abs(offset + slope * image - constrained)
        if slope != 0 and error.max() <= MAX_RELATIVE_ERROR * np.ptp(constrained):
            return _scaled(inverse, offset, slope)
    return None


def _scaled(inverse: Function, offset: float, slope: float) -> Function:
    """The inverse of a + b f(u), given the inverse of f."""

    def scaled(values: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return inverse((values - offset) / slope)

    return scaled

"""Draws in the unconstrained coordinates of a fit, also those of other methods."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import xarray as xr
from jaxtyping import Float
from scipy import special

from isogmm.errors import OptionError
from isogmm.results.fit_group import positions_from
from isogmm.results.groups import Result, get_group, group_names
from isogmm.views.plots.style import shorten

Function: TypeAlias = Callable[[np.ndarray], np.ndarray]

#: Group of a result that holds the draws of transformed variables before the transform.
UNCONSTRAINED_GROUP = "unconstrained_posterior"
#: Coordinates that a message lists at most.
MAX_LISTED = 10
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
        self.labels = [str(name) for name in get_group(idata, "fit")["coordinate"].values]
        self.positions = positions_from(idata)

    def index(self, coordinate: str | int) -> int:
        """Index of a coordinate that is given by its name or index.

        Raises
        ------
        OptionError
            If there is no such coordinate.  The message lists the coordinates.
        """
        if isinstance(coordinate, str):
            if coordinate in self.labels:
                return self.labels.index(coordinate)
        elif 0 <= coordinate < len(self.labels):
            return int(coordinate)
        shown = ", ".join(self.labels[:MAX_LISTED])
        shown += ", ..." if len(self.labels) > MAX_LISTED else ""
        raise OptionError(
            f"there is no coordinate {coordinate!r}. Use the name or index of one of the "
            f"{len(self.labels)} coordinates: {shown}"
        )

    def axis_label(self, coordinate: int) -> str:
        """Name of a coordinate, marked as unconstrained if the variable is transformed."""
        label = self.labels[coordinate]
        is_transformed = _draws_in(self.idata, UNCONSTRAINED_GROUP, _variable(label)) is not None
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
        label = self.labels[coordinate]
        variable, entry = _variable(label), self._entry(coordinate)
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

    def _entry(self, coordinate: int) -> int:
        """Index of a coordinate within its variable."""
        variables = [_variable(label) for label in self.labels]
        return coordinate - variables.index(variables[coordinate])


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

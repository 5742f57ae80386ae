"""Draws in flat unconstrained coordinates: a fit's own, and other methods' seen through it."""

from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import special

from isogmm.errors import OptionError
from isogmm.results.fit_group import positions_from
from isogmm.results.groups import get_group, group_names
from isogmm.views.plots.style import shorten


class Flat:
    """The unconstrained coordinates of a fit, and how the user's scale depends on them.

    Parameters
    ----------
    idata
        A result of ``fit_isogmm``.
    """

    def __init__(self, idata: Any) -> None:
        if "fit" not in group_names(idata):
            raise OptionError("the unconstrained space is that of a fit_isogmm result: give one")
        self.idata = idata
        self.labels = [str(name) for name in get_group(idata, "fit")["coordinate"].values]
        self.positions = positions_from(idata)

    def index(self, coordinate: str | int) -> int:
        """Place of a coordinate given by its name or place.

        Raises
        ------
        OptionError
            If there is none: names those there are.
        """
        if isinstance(coordinate, str):
            if coordinate in self.labels:
                return self.labels.index(coordinate)
        elif 0 <= coordinate < len(self.labels):
            return int(coordinate)
        shown = ", ".join(self.labels[:10]) + (", ..." if len(self.labels) > 10 else "")
        raise OptionError(
            f"there is no coordinate {coordinate!r} among the {len(self.labels)}: {shown}"
        )

    def axis_label(self, coordinate: int) -> str:
        """Name of a coordinate, which says so where the user knows the variable otherwise."""
        label = self.labels[coordinate]
        group = "unconstrained_posterior"
        transformed = group in group_names(self.idata) and label.split("[")[0] in get_group(
            self.idata, group
        )
        return f"{shorten(label)} (unconstrained)" if transformed else shorten(label)

    def of(self, result: Any, coordinate: int, name: str) -> Float[np.ndarray, " n"]:
        """Draws of another method in one coordinate.

        Taken from its unconstrained draws where it has some.  Elsewhere the transform is read
        off this fit, which holds both sides of it: a variable that is a + b f(u) with f the
        identity, exp, the logistic function or softplus is inverted exactly.

        Raises
        ------
        OptionError
            If the method has neither.
        """
        if result is self.idata:
            return self.positions[..., coordinate].ravel()
        label = self.labels[coordinate]
        variable, entry = label.split("[")[0], self._entry(coordinate)
        for group in ("unconstrained_posterior", "posterior"):
            if group not in group_names(result) or variable not in get_group(result, group):
                continue
            values = _scalars(get_group(result, group)[variable])
            if group == "unconstrained_posterior":
                return values[:, entry]
            own = get_group(self.idata, "posterior")
            if variable not in own or values.shape[1] != _scalars(own[variable]).shape[1]:
                break
            known = _scalars(own[variable])
            if entry < known.shape[1]:
                found = _invert(self.positions[..., coordinate].ravel(), known[:, entry])
                if found is not None:
                    return found(values[:, entry])
        raise OptionError(
            f"{name!r} has no draws of {label!r} on the unconstrained scale, and its transform "
            "is not one of a single number: choose other coordinates"
        )

    def _entry(self, coordinate: int) -> int:
        variable = self.labels[coordinate].split("[")[0]
        first = [label.split("[")[0] for label in self.labels].index(variable)
        return coordinate - first


def _scalars(array: Any) -> np.ndarray:
    values = array.transpose("chain", "draw", ...).values
    return np.asarray(values, dtype=np.float64).reshape(values.shape[0] * values.shape[1], -1)


def _invert(unconstrained: np.ndarray, constrained: np.ndarray) -> Any:
    """The inverse of x = a + b f(u), or None where no f fits all draws."""
    transforms = {
        "identity": (lambda u: u, lambda y: y),
        "exp": (np.exp, np.log),
        "logistic": (special.expit, special.logit),
        "softplus": (lambda u: np.logaddexp(0, u), lambda y: y + np.log(-np.expm1(-y))),
    }
    for forward, inverse in transforms.values():
        image = forward(unconstrained)
        low, high = image.argmin(), image.argmax()
        if not image[high] > image[low]:
            continue
        slope = (constrained[high] - constrained[low]) / (image[high] - image[low])
        start = constrained[high] - slope * image[high]
        if abs(start) < 1e-6 * np.abs(constrained).max():
            start = 0.0  # rounding must not cost the small values of a positive variable
        gap = np.abs(start + slope * image - constrained)
        if slope != 0 and gap.max() <= 1e-5 * np.ptp(constrained):

            def back(
                values: np.ndarray, a: float = start, b: float = slope, f: Any = inverse
            ) -> Any:
                with np.errstate(all="ignore"):
                    return f((values - a) / b)

            return back
    return None

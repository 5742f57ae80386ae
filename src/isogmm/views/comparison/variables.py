"""The variables of one result, whatever form the result has."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import xarray as xr

from isogmm.errors import OptionError
from isogmm.results.groups import Result, get_group, group_names
from isogmm.views.selection import Entries

#: What a comparison accepts: an ArviZ object, a dataset of draws, or arrays by variable.
DrawsLike: TypeAlias = Result | xr.Dataset | Mapping[str, object]


@dataclass(frozen=True)
class Variable:
    """Draws of one variable.

    Parameters
    ----------
    values
        Draws with axes (chain, draw, ...); for plain arrays the axis of chains may be missing.
    dims
        Names of the dimensions after chain and draw; None for plain arrays, which have no names.
    labels
        Labels of the dimensions that have some.
    """

    values: np.ndarray
    dims: tuple[str, ...] | None
    labels: Mapping[str, np.ndarray]

    def with_chains(self, ndim: int) -> "Variable":
        """The variable with axes (chain, draw, ...), as one chain if the axis is missing.

        ``ndim`` is the number of axes after chain and draw.
        """
        if self.values.ndim != ndim + 1:
            return self
        return Variable(self.values[None], self.dims, self.labels)

    def entries(self, name: str) -> Entries:
        """The entries of the variable, which has axes (chain, draw, ...)."""
        dims = self.dims or ()
        return Entries(name, self.values.shape[2:], dims, self.labels)


def is_arviz(result: object) -> bool:
    """Whether a result is an ArviZ object, which has groups."""
    if isinstance(result, xr.DataTree):
        return bool(result.children)
    return callable(getattr(result, "groups", None)) and not isinstance(result, xr.Dataset)


def variables_of(method: str, result: DrawsLike) -> dict[str, Variable]:
    """The variables of a result by name.

    Raises
    ------
    OptionError
        If the result has none of the accepted forms.
    """
    if is_arviz(result):
        if "posterior" not in group_names(result):
            raise OptionError(
                f"the result {method!r} has no group 'posterior', only {group_names(result)}. "
                "Give a result with posterior draws."
            )
        result = get_group(result, "posterior")
    if isinstance(result, xr.Dataset):
        return {str(name): _from_xarray(array) for name, array in result.data_vars.items()}
    if isinstance(result, Mapping):
        return {str(name): Variable(np.asarray(array), None, {}) for name, array in result.items()}
    raise OptionError(
        f"the result {method!r} is a {type(result).__name__}: give an ArviZ object, a Dataset of "
        "draws or a mapping from variable to draws"
    )


def _from_xarray(array: xr.DataArray) -> Variable:
    if not {"chain", "draw"} <= set(array.dims):
        raise OptionError(
            f"variable {array.name!r} has the dimensions {array.dims}. Draws need the dimensions "
            "'chain' and 'draw'."
        )
    array = array.transpose("chain", "draw", ...)
    dims = tuple(str(dim) for dim in array.dims[2:])
    labels = {dim: np.asarray(array[dim].values) for dim in dims if dim in array.coords}
    return Variable(np.asarray(array.values), dims, labels)

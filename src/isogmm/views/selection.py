"""Selection of entries of variables by ``var_names`` and ``coords``, as in ArviZ."""

import difflib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import xarray as xr

from isogmm.arrays import entry_names, size_of
from isogmm.errors import OptionError

#: Names of variables, or of single entries: ``["mu", "theta[Choate]"]``.
VarNames: TypeAlias = str | Sequence[str] | None
#: Labels by dimension: ``{"school": ["Choate", "Deerfield"]}``.
Coords: TypeAlias = Mapping[str, object] | None
#: Names that a message lists at most.
MAX_LISTED = 10


@dataclass(frozen=True)
class Entries:
    """The entries of one variable.

    Parameters
    ----------
    name, shape
        The variable.
    dims
        Names of its dimensions; empty if they have none.
    labels
        Labels of the dimensions that have some.
    """

    name: str
    shape: tuple[int, ...]
    dims: tuple[str, ...]
    labels: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, array: xr.DataArray) -> "Entries":
        """The entries of draws with the dimensions chain and draw."""
        dims = [dim for dim in array.dims if dim not in ("chain", "draw")]
        labels = {str(dim): np.asarray(array[dim].values) for dim in dims if dim in array.coords}
        shape = tuple(array.sizes[dim] for dim in dims)
        return cls(str(array.name), shape, tuple(map(str, dims)), labels)

    def names(self) -> list[str]:
        """One name for each entry, by the user's labels: ``theta[Choate]``."""
        return entry_names(self.name, self.shape, [self.labels.get(dim) for dim in self.dims])

    def numbered(self) -> list[str]:
        """One name for each entry, by its indices: ``theta[0]``."""
        return entry_names(self.name, self.shape)

    def at(self, coords: Mapping[str, object]) -> list[int]:
        """Indices of the entries with these labels; other dimensions are not restricted."""
        index = np.arange(size_of(self.shape)).reshape(self.shape)
        if not self.dims:
            return [int(i) for i in index.ravel()]
        array = xr.DataArray(index, dims=self.dims, coords=dict(self.labels))
        for dim, wanted in coords.items():
            if dim in array.dims:
                try:
                    array = array.sel({dim: wanted})
                except (KeyError, IndexError, TypeError, ValueError) as error:
                    has = [str(label) for label in array[dim].values]
                    raise OptionError(
                        f"coords={{{dim!r}: {wanted!r}}} does not select labels of {self.name!r}. "
                        f"Its dimension {dim!r} has the labels {_listed(has)}."
                    ) from error
        return [int(i) for i in np.ravel(array.values)]


def as_list(var_names: VarNames) -> list[str] | None:
    """Names without repetitions; None for all variables."""
    if var_names is None:
        return None
    names = [var_names] if isinstance(var_names, str) else list(var_names)
    for name in names:
        if not isinstance(name, Hashable) or not isinstance(name, str):
            raise OptionError(
                f"var_names has the entry {name!r}, a {type(name).__name__}: give names of "
                "variables, or of entries such as 'theta[0]'"
            )
    return list(dict.fromkeys(names))


def is_exclusion(names: Sequence[str]) -> bool:
    """Whether names leave variables out: all of them begin with ``~``, as in ArviZ."""
    return bool(names) and all(name.startswith("~") for name in names)


def select(variables: Sequence[Entries], var_names: VarNames, coords: Coords) -> list[int]:
    """Flat indices of the selected entries, in the order of ``var_names``.

    Parameters
    ----------
    variables
        All variables, in flat order.
    var_names
        Names of variables or of single entries; None selects all variables, and names that begin
        with ``~`` select all but these.
    coords
        Restricts the entries of whole variables by their labels.

    Raises
    ------
    OptionError
        If a name, a dimension or a label does not exist; the message lists those that do.
    """
    begins = np.cumsum([0, *(size_of(one.shape) for one in variables)])
    whole = {one.name: (one, int(begin)) for one, begin in zip(variables, begins, strict=False)}
    single: dict[str, int] = {}
    for naming in (Entries.numbered, Entries.names):  # the user's labels have precedence
        names = [name for one in variables for name in naming(one)]
        single |= {name: index for index, name in enumerate(names)}
    wanted = list(whole) if (given := as_list(var_names)) is None else given
    if is_exclusion(wanted):
        excluded = set(select(variables, [name[1:] for name in wanted], None))
        return [index for index in select(variables, None, coords) if index not in excluded]
    chosen = [whole[name][0] for name in wanted if name in whole]
    _check_dims(coords or {}, chosen)
    found: list[int] = []
    for name in wanted:
        if name in whole:
            entries, begin = whole[name]
            found += [begin + index for index in entries.at(coords or {})]
        elif name in single:
            found.append(single[name])
        else:
            raise OptionError(_unknown(name, [*whole, *single], names))
    if not found:
        raise OptionError(f"var_names={var_names!r} and coords={coords!r} select no coordinate")
    return list(dict.fromkeys(found))


def _check_dims(coords: Mapping[str, object], variables: Sequence[Entries]) -> None:
    """Raise an error for a dimension that no variable has."""
    if not isinstance(coords, Mapping):
        raise OptionError(f"coords must be a dict from dimension to labels, not {coords!r}")
    known = list(dict.fromkeys(dim for one in variables for dim in one.dims))
    unknown = [dim for dim in coords if dim not in known]
    if unknown:
        raise OptionError(
            f"coords names the dimensions {unknown}, which no selected variable has; their "
            f"dimensions are {known}"
        )


def _unknown(name: str, known: Sequence[str], entries: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    guess = f" Did you mean {close[0]!r}?" if close else ""
    return f"there is no coordinate {name!r}.{guess} The coordinates are {_listed(entries)}."


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MAX_LISTED])
    return f"{shown}, ... ({len(names)} in all)" if len(names) > MAX_LISTED else shown

"""The options of a result, ``idata_kwargs``, checked before a fit and applied after it."""

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

import numpy as np

from isogmm.errors import OptionError
from isogmm.results.building.constrained import MAX_LOG_LIKELIHOOD_BYTES

#: Option of an optional group: True for all variables, False for none, or names of variables.
Wanted: TypeAlias = bool | str | Sequence[str]
#: Groups that the options can leave out.
OPTIONAL_GROUPS = ("log_likelihood", "log_prior")
#: The keys of ``idata_kwargs``.
KEYS = (
    "log_likelihood",
    "log_prior",
    "include_transformed",
    "dims",
    "coords",
    "max_log_likelihood_bytes",
)

Value = TypeVar("Value")


@dataclass(frozen=True)
class ResultOptions:
    """The options of a result.

    Parameters
    ----------
    groups
        The options of the optional groups that the user gave.
    include_transformed
        Whether the result has the unconstrained draws; None leaves it to the fit.
    dims, coords
        Names of dimensions by variable and labels by dimension, in addition to those of the model.
    max_log_likelihood_bytes
        Size above which the log likelihood is left out; None for no limit.
    """

    groups: Mapping[str, Wanted] = field(default_factory=dict)
    include_transformed: bool | None = None
    dims: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    coords: Mapping[str, Iterable[object]] = field(default_factory=dict)
    max_log_likelihood_bytes: float | None = MAX_LOG_LIKELIHOOD_BYTES

    @classmethod
    def of(cls, given: object) -> "ResultOptions":
        """The options from the ``idata_kwargs`` of a user.

        Raises
        ------
        OptionError
            If an entry is unknown or has an invalid value; the message names it.
        """
        options = _mapping("idata_kwargs", {} if given is None else given)
        if unknown := [key for key in options if key not in KEYS]:
            raise OptionError(
                f"idata_kwargs has unknown entries {unknown}{did_you_mean(unknown[0], KEYS)}; "
                f"known are {list(KEYS)}"
            )
        groups = {name: _wanted(name, options[name]) for name in OPTIONAL_GROUPS if name in options}
        limit: float | None = MAX_LOG_LIKELIHOOD_BYTES
        if groups.get("log_likelihood", False) is not False:
            limit = None  # the user asks for it
        if "max_log_likelihood_bytes" in options:
            limit = _limit(options["max_log_likelihood_bytes"])
        keep = options.get("include_transformed")
        return cls(
            groups,
            _flag("include_transformed", keep),
            _dims(options.get("dims", {})),
            _coords(options.get("coords", {})),
            limit,
        )

    def unlabelled(self) -> "ResultOptions":
        """The same options without dimension names and labels."""
        return ResultOptions(
            self.groups, self.include_transformed, {}, {}, self.max_log_likelihood_bytes
        )


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """The nearest known name as a question in brackets, or an empty text."""
    close = difflib.get_close_matches(str(name), list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def known_names(option: str, names: Iterable[str], known: Collection[str]) -> None:
    """Raise if the option has a name that is not known.

    Raises
    ------
    OptionError
        If a name is not known; the message has the nearest name and all names.
    """
    for name in names:
        if name not in known:
            raise OptionError(
                f"{option} names {name!r}{did_you_mean(name, known)}, which the result does not "
                f"have; it has {sorted(known)}"
            )


def _mapping(option: str, value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise OptionError(f"{option} must be a dict, not {type(value).__name__}")
    return value


def _wanted(group: str, value: object) -> Wanted:
    """True, False, a name, or a sequence of names."""
    if isinstance(value, bool | np.bool_ | int):
        return bool(value)
    if isinstance(value, str):
        return value
    if isinstance(value, Iterable):
        names = list(value)
        if all(isinstance(name, str) for name in names):
            return names
    raise OptionError(
        f"idata_kwargs[{group!r}] must be True, False or names of variables, not {value!r}"
    )


def _flag(option: str, value: object) -> bool | None:
    """True, False or None."""
    if value is None or isinstance(value, bool | np.bool_):
        return None if value is None else bool(value)
    raise OptionError(f"idata_kwargs[{option!r}] must be True or False, not {value!r}")


def _dims(value: object) -> dict[str, list[str | None]]:
    dims = {}
    for name, given in _mapping("idata_kwargs['dims']", value).items():
        if not isinstance(given, Iterable):
            raise OptionError(
                f"idata_kwargs['dims'][{name!r}] must be a list of dimension names, not {given!r}"
            )
        dims[name] = [given] if isinstance(given, str) else list(given)
    return dims


def _coords(value: object) -> Mapping[str, Iterable[object]]:
    coords = {}
    for name, labels in _mapping("idata_kwargs['coords']", value).items():
        if isinstance(labels, str) or not isinstance(labels, Iterable):
            raise OptionError(
                f"idata_kwargs['coords'][{name!r}] must be a list of labels, not {labels!r}"
            )
        coords[name] = list(labels)
    return coords


def _limit(value: object) -> float | None:
    """A number of bytes, or None for no limit."""
    match value:
        case None:
            return None
        case int() | float() | np.integer() | np.floating() if value >= 0 and value is not True:
            return float(value)
    raise OptionError(
        "idata_kwargs['max_log_likelihood_bytes'] must be a number of bytes, or None for no "
        f"limit, not {value!r}"
    )

"""Labels that files cannot store: written as text, with what restores them in an attribute."""

import enum
import json
import sys
import uuid
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path, PurePath, PureWindowsPath
from typing import NamedTuple, TypeAlias

import numpy as np
import pandas as pd
import xarray as xr

from isogmm.errors import warn_user
from isogmm.results.groups import Result, add_group, get_group, group_names

#: Attribute of a coordinate: JSON of the labels, or the data type of dates and durations.
LABELS, DTYPE = "isogmm_labels", "isogmm_dtype"

#: A value that JSON can store.
Json: TypeAlias = str | int | float | bool | list | dict | None


class _Codec(NamedTuple):
    """How JSON stores a type of labels."""

    type: type
    encode: Callable[..., Json]
    decode: Callable[..., object]


def labels_as_text(idata: Result) -> Result:
    """The result with labels that files can store.

    Labels of other types than numbers, text, bytes and dates are replaced by text.  An attribute
    of the coordinate has the original labels; :func:`labels_from_text` restores them.  The
    result itself does not change.

    Parameters
    ----------
    idata
        The result.

    Warns
    -----
    FitWarning
        If labels have a type that cannot be restored.
    """
    return _with_groups(idata, _stored)


def labels_from_text(idata: Result) -> Result:
    """The result with the labels that it had before :func:`labels_as_text`.

    Parameters
    ----------
    idata
        A result that was read from a file.  It does not change.
    """
    return _with_groups(idata, _restored)


def _with_groups(idata: Result, change: Callable[[xr.Dataset], xr.Dataset]) -> Result:
    """A copy of the result with changed groups; the result itself if no group changes."""
    groups = {name: get_group(idata, name) for name in group_names(idata)}
    changed = {name: change(group) for name, group in groups.items()}
    changed = {name: group for name, group in changed.items() if group is not groups[name]}
    if changed:
        idata = idata.copy()
        for name, group in changed.items():
            add_group(idata, name, group)
    return idata


def _stored(group: xr.Dataset) -> xr.Dataset:
    """The group with labels that files store."""
    coords = {}
    for name, coord in group.coords.items():
        if coord.dtype.kind in "mM":
            # A file may be read with another resolution.
            coords[name] = coord.variable.copy(deep=False)
            coords[name].attrs = {**coord.attrs, DTYPE: str(coord.dtype)}
        elif coord.dtype == object and not _are_plain(coord.values):
            text = np.array([str(label) for label in coord.values], dtype=object)
            attrs = {**coord.attrs, **_encoded(str(name), coord.values)}
            coords[name] = xr.Variable(coord.dims, text, attrs)
    return group.assign_coords(coords) if coords else group


def _are_plain(labels: np.ndarray) -> bool:
    """Whether all labels are text, or all are bytes."""
    return any(all(isinstance(label, kind) for label in labels) for kind in (str, bytes))


def _encoded(name: str, labels: Iterable[object]) -> dict[str, str]:
    """The attribute with the labels; empty if one of them has an unknown type."""
    try:
        return {LABELS: json.dumps([_encode(label) for label in labels])}
    except TypeError as error:
        warn_user(
            f"the labels of dimension {name!r} are written as text, because a file cannot store "
            f"labels of type {error}. PyMC takes text for new labels: use text or numbers as "
            "labels if the file is for predictions."
        )
        return {}


def _restored(group: xr.Dataset) -> xr.Dataset:
    """The group with the labels that its attributes describe."""
    coords = {}
    for name, coord in group.coords.items():
        attrs = {key: value for key, value in coord.attrs.items() if key not in (LABELS, DTYPE)}
        labels: object = None
        if DTYPE in coord.attrs:
            labels = coord.values.astype(coord.attrs[DTYPE])
        elif LABELS in coord.attrs:
            labels = _decoded(coord.attrs[LABELS])
        elif coord.dtype.kind == "T":  # the text of zarr files
            labels = pd.Index(coord.values.astype(object), dtype=object)
        if labels is not None:
            coords[name] = xr.Variable(coord.dims, labels, attrs)
    return group.assign_coords(coords) if coords else group


def _decoded(text: str) -> pd.Index | None:
    """The labels of an attribute; None if one of them cannot be restored."""
    try:
        return pd.Index([_decode(entry) for entry in json.loads(text)], dtype=object)
    except LookupError:
        return None


def _encode(label: object) -> Json:
    """A label as JSON: as it is, or with the name of its type."""
    if isinstance(label, np.generic):
        label = label.item()
    for name, codec in _CODECS.items():
        if isinstance(label, codec.type):
            return {name: codec.encode(label)}
    if label is None or type(label) in (str, int, float, bool):
        return label  # type: ignore[return-value]
    raise TypeError(type(label).__name__)


def _decode(entry: Json) -> object:
    if not isinstance(entry, dict):
        return entry
    ((name, content),) = entry.items()
    return _CODECS[name].decode(content)


def _encode_timestamp(label: pd.Timestamp) -> Json:
    return [label.isoformat(), None if label.tz is None else str(label.tz)]


def _decode_timestamp(content: list[str | None]) -> pd.Timestamp:
    text, zone = content
    return pd.Timestamp(text) if zone is None else pd.Timestamp(text).tz_convert(zone)


def _decode_interval(content: list[Json]) -> pd.Interval:
    left, right, closed = content
    return pd.Interval(_decode(left), _decode(right), closed=closed)


def _decode_member(content: list[Json]) -> object:
    """The member of an Enum class, by its name or its value; nothing is imported for it.

    Raises
    ------
    LookupError
        If the program has no such class or member.
    """
    module, path, name, *value = content
    found: object = sys.modules[str(module)]
    for part in str(path).split("."):
        found = getattr(found, part, None)
    if not isinstance(found, enum.EnumMeta):
        raise LookupError(f"{module} has no Enum {path}")
    if name not in found.__members__ and value:  # a combination of flags
        return found(*value)
    return found[str(name)]


def _encode_member(label: enum.Enum) -> Json:
    names: list[Json] = [type(label).__module__, type(label).__qualname__, label.name]
    return [*names, label.value] if isinstance(label, enum.Flag) else names


#: Types of labels by the name in the attribute.  The first type of a label counts.
_CODECS: dict[str, _Codec] = {
    "enum": _Codec(
        enum.Enum,
        _encode_member,
        _decode_member,
    ),
    "interval": _Codec(
        pd.Interval,
        lambda label: [_encode(label.left), _encode(label.right), label.closed],
        _decode_interval,
    ),
    "period": _Codec(
        pd.Period,
        lambda label: [label.ordinal, label.freqstr],
        lambda content: pd.Period(ordinal=content[0], freq=content[1]),
    ),
    "offset": _Codec(
        pd.offsets.BaseOffset, lambda label: label.freqstr, pd.tseries.frequencies.to_offset
    ),
    "missing": _Codec(type(pd.NaT), lambda label: None, lambda content: pd.NaT),
    "NA": _Codec(type(pd.NA), lambda label: None, lambda content: pd.NA),
    "timestamp": _Codec(pd.Timestamp, _encode_timestamp, _decode_timestamp),
    "datetime": _Codec(datetime, datetime.isoformat, datetime.fromisoformat),
    "date": _Codec(date, date.isoformat, date.fromisoformat),
    "time": _Codec(time, time.isoformat, time.fromisoformat),
    "duration": _Codec(
        timedelta, lambda label: pd.Timedelta(label).isoformat(), lambda text: pd.Timedelta(text)
    ),
    "decimal": _Codec(Decimal, str, Decimal),
    "fraction": _Codec(Fraction, str, Fraction),
    "uuid": _Codec(uuid.UUID, str, uuid.UUID),
    "windows path": _Codec(PureWindowsPath, str, PureWindowsPath),
    "path": _Codec(PurePath, str, Path),
    "IPv4 address": _Codec(IPv4Address, str, IPv4Address),
    "IPv6 address": _Codec(IPv6Address, str, IPv6Address),
    "set": _Codec(
        frozenset,
        lambda label: [_encode(entry) for entry in label],
        lambda content: frozenset(_decode(entry) for entry in content),
    ),
    "bytes": _Codec(bytes, lambda label: label.hex(), bytes.fromhex),
}

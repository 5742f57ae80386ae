"""Labels of every kind that users give to a dimension."""

import datetime as dt
import enum
import uuid
from decimal import Decimal
from fractions import Fraction
from ipaddress import ip_address
from pathlib import Path, PureWindowsPath

import numpy as np
import pandas as pd


class Color(enum.Enum):
    """Labels that are members of an Enum."""

    RED = 1
    GREEN = 2
    BLUE = 3


class Part(enum.Flag):
    """Labels that are flags, of which one is a combination."""

    HEAD = 1
    TAIL = 2


#: Labels of a dimension of length 3 by kind.
LABELS = {
    "text": ["a", "b", "c"],
    "text with an empty one": ["", "ä", "c"],
    "whole numbers": [3, 1, 2],
    "numbers": [0.5, 1.5, 2.5],
    "range": range(3),
    "NumPy scalars": [np.int64(4), np.int64(5), np.int64(6)],
    "single precision": list(np.array([0.1, 0.2, 0.3], np.float32)),
    "unsigned": np.array([1, 2, 3], np.uint8),
    "complex": [1j, 2j, 3 + 1j],
    "large whole numbers": [2**70, 2**71, 2**72],
    "booleans": [True, False, True],
    "bytes": [b"a", b"bc", b"d"],
    "mixed": [1, "a", 2.5],
    "text and None": [None, "a", "b"],
    "mixed with None": [1, "a", None],
    "categorical": pd.Categorical(["x", "y", "z"]),
    "categories of intervals": pd.cut([1, 5, 9], 3),
    "series": pd.Series(["u", "v", "w"]),
    "nullable": pd.array([1, 2, 3], dtype="Int64"),
    "intervals": pd.interval_range(0, 3),
    "intervals of dates": pd.interval_range(pd.Timestamp("2020-01-01"), periods=3, closed="left"),
    "periods": pd.period_range("2020-01", periods=3, freq="M"),
    "dates": pd.date_range("2020-01-01", periods=3, freq="MS"),
    "dates in nanoseconds": pd.date_range("2020-01-01", periods=3, unit="ns"),
    "dates with a zone": pd.date_range("2020-01-01", periods=3, tz="Europe/Berlin"),
    "NumPy days": np.array(["2020-01-01", "2020-01-02", "2020-01-03"], "M8[D]"),
    "Python datetimes": [dt.datetime(2020, 1, day) for day in (1, 2, 3)],
    "Python dates": [dt.date(2020, 1, day) for day in (1, 2, 3)],
    "times": [dt.time(hour) for hour in (1, 2, 3)],
    "durations": pd.to_timedelta([1, 2, 3], unit="D"),
    "NumPy hours": np.array([1, 2, 3], "m8[h]"),
    "Python durations": [dt.timedelta(days=day) for day in (1, 2, 3)],
    "Enum": list(Color),
    "decimals": [Decimal("0.1"), Decimal("0.2"), Decimal("0.3")],
    "fractions": [Fraction(1, 3), Fraction(2, 3), Fraction(1, 2)],
    "uuids": [uuid.UUID(int=number) for number in (1, 2, 3)],
    "paths": [Path("a"), Path("b"), Path("c")],
    "sets": [frozenset("a"), frozenset("b"), frozenset("c")],
    "offsets": [pd.offsets.Day(1), pd.offsets.Day(2), pd.offsets.MonthBegin(2)],
}
LABELS |= {
    "flags": [Part.HEAD, Part.HEAD | Part.TAIL, Part.TAIL],
    "half precision": np.array([0.1, 0.2, 0.3], np.float16),
    "extended precision": np.array([0.1, 0.2, 0.3], np.longdouble),
    "paths of Windows": [PureWindowsPath(r"a\b"), PureWindowsPath("c"), PureWindowsPath("d")],
    "addresses": [ip_address("1.1.1.1"), ip_address("1.1.1.2"), ip_address("::1")],
}
#: Labels of several parts, which become text.
OF_PARTS = {
    "pairs": [("a", 1), ("b", 2), ("c", 3)],
    "triples": [("a", 1, 2), ("b", 2, 3), ("c", 3, 4)],
    "MultiIndex": pd.MultiIndex.from_product([["a", "b", "c"], [1]]),
    "text and tuples": ["a", ("b", "c"), "d"],
    "rows": np.arange(6).reshape(3, 2),
}
#: Labels of which one is missing and not equal to itself.
WITH_MISSING = {
    "NaN": [1.0, np.nan, 2.0],
    "NA": pd.array(["a", pd.NA, "b"], dtype="string"),
    "nullable NA": pd.array([1, pd.NA, 2], dtype="Int64"),
    "NaT": [pd.Timestamp("2020-01-01"), pd.NaT, pd.Timestamp("2020-01-03")],
}

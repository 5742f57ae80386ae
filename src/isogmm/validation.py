"""Numbers that a user gives, checked at the door: whole, positive, finite."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from isogmm.errors import OptionError


def whole_number(name: str, value: Any, *, least: int = 1) -> int:
    """The value as an int.

    Raises
    ------
    OptionError
        If it is no whole number, or below ``least``; True and False are none.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise OptionError(f"{name} must be a whole number of at least {least}, not {value!r}")
    return int(value)


def check_counts(options: Any, *, least: Mapping[str, int]) -> None:
    """Check that every field of a dataclass is a whole number, of at least 1 unless ``least`` says.

    Raises
    ------
    OptionError
        Naming the class and the field.
    """
    for field in fields(options):
        name = f"{type(options).__name__}({field.name}=...)"
        whole_number(name, getattr(options, field.name), least=least.get(field.name, 1))


def real_number(name: str, value: Any, *, above: float | None = None) -> float:
    """The value as a finite float, not negative, or above a bound.

    Raises
    ------
    OptionError
        If it is none.
    """
    is_number = isinstance(value, int | float | np.integer | np.floating)
    is_number = is_number and not isinstance(value, bool) and bool(np.isfinite(value))
    if above is not None and not (is_number and value > above):
        raise OptionError(f"{name} must be a number above {above:g}, not {value!r}")
    if not (is_number and value >= 0):
        raise OptionError(f"{name} must be a number, zero or positive, not {value!r}")
    return float(value)

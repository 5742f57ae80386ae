"""Reading of results that may be damaged: a part that cannot be read is left out and named."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import xarray as xr

Part = TypeVar("Part")


class Damage:
    """Reads the parts of a report, and records those that cannot be read."""

    def __init__(self) -> None:
        self.parts: list[str] = []

    def read(self, name: str, reader: Callable[[], Part], default: Part) -> Part:
        """What the reader returns, or the default if the part of this name is damaged."""
        try:
            return reader()
        except Exception:  # what a damaged file raises depends on the damaged place
            if name not in self.parts:
                self.parts.append(name)
            return default

    @property
    def rows(self) -> tuple[tuple[str, str], ...]:
        """A row of the summary that names the damaged parts; none if all could be read."""
        if not self.parts:
            return ()
        listed = ", ".join(self.parts)
        return (("damaged", f"could not be read: {listed}. The result is incomplete or modified."),)


def number_of(value: object) -> float:
    """A number of a result; NaN for anything else, also for integers beyond the floats."""
    try:
        return float(value) if isinstance(value, int | float | np.number) else np.nan
    except OverflowError:
        return np.nan


def column(group: xr.Dataset, name: str, dim: str) -> np.ndarray:
    """A variable along one dimension as floats; NaN where it is missing or has another shape."""
    missing = np.full(group.sizes[dim], np.nan)
    if name not in group or group[name].dims != (dim,):
        return missing
    try:
        return group[name].values.astype(float)
    except (TypeError, ValueError):
        return missing

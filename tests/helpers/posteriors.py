"""The posteriors that a test of every development posterior uses."""

import pytest

#: The posterior of the standard suite, a hierarchy.
STANDARD = ("eight_schools-eight_schools_centered",)


def some_of(names: list[str]) -> list:
    """Parameters of a test for each posterior; those outside ``STANDARD`` are marked as long."""
    return [
        name if name in STANDARD else pytest.param(name, marks=pytest.mark.long) for name in names
    ]

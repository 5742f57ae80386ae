"""Numbers and names as a report shows them."""

import unicodedata

import numpy as np

#: Shown in place of a number that is not finite.
DASH = "–"
#: Digits after the decimal point that :func:`with_error` shows at most.
MAX_DIGITS = 6
#: Characters of a name in the head of a table column.
MAX_NAME_LENGTH = 24
#: Durations shorter than this, in seconds, are shown with two decimals.
SHORT_DURATION = 10.0
#: Unicode categories replaced by spaces: control and format characters, line and paragraph
#: separators, and surrogates, which no terminal can print.
_UNSAFE_CATEGORIES = ("Cc", "Cf", "Cs", "Zl", "Zp")


def clean(text: object) -> str:
    """Text without control characters, which could move a terminal's cursor or set its color."""
    return "".join(
        " " if unicodedata.category(character) in _UNSAFE_CATEGORIES else character
        for character in str(text)
    )


def number(value: float | int, digits: int = 2) -> str:
    """A number with commas between thousands, or a dash if it is not finite."""
    return f"{value:,.{digits}f}" if np.isfinite(value) else DASH


def signed(value: float) -> str:
    """A difference with its sign and two decimals."""
    # Adding 0.0 turns -0.0 into 0.0.
    return f"{round(value, 2) + 0.0:+.2f}" if np.isfinite(value) else DASH


def with_error(value: float, error: float) -> str:
    """A value and its standard error, both to two significant digits of the error."""
    if not np.isfinite(value):
        return DASH
    if not np.isfinite(error) or error <= 0:
        return number(value)
    digits = int(np.clip(1 - np.floor(np.log10(error)), 0, MAX_DIGITS))
    return f"{value:,.{digits}f} ± {error:,.{digits}f}"


def change(first: float, last: float) -> tuple[str, str, str]:
    """Two numbers and their difference, with at least two digits of the difference."""
    difference = last - first
    digits = 2
    if np.isfinite(difference) and difference != 0:
        digits = int(np.clip(1 - np.floor(np.log10(abs(difference))), 2, MAX_DIGITS))
    shown = f"{difference:+,.{digits}f}" if np.isfinite(difference) else DASH
    return number(first, digits), number(last, digits), shown


def seconds(value: float) -> str:
    """A duration in seconds, with decimals only if it is short."""
    if not np.isfinite(value):
        return DASH
    return f"{value:.2f} s" if value < SHORT_DURATION else f"{value:,.0f} s"


def short_name(name: str) -> str:
    """A name for the head of a table column."""
    return name if len(name) <= MAX_NAME_LENGTH else f"{name[: MAX_NAME_LENGTH - 1]}…"

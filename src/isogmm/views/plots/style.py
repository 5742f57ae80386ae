"""Colors, line styles and axes shared by the plots."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

#: Told apart with any color vision (Okabe & Ito 2008), in the order of best separation.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
#: Lines differ in style as well as in color, for print and for projectors.
LINES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1)), (0, (6, 1.5, 1.5, 1.5)))
#: What is compared with: behind everything else, without a color of its own.
REFERENCE = "#8A8A8A"
INK, QUIET = "#222222", "#666666"

_SETTINGS = {
    "axes.edgecolor": "#999999",
    "axes.labelcolor": INK,
    "axes.labelsize": 10,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "figure.dpi": 110,
    "font.size": 10,
    "legend.fontsize": 10,
    "legend.frameon": False,
    "text.color": INK,
    "text.parse_math": False,  # a variable may be called $x$
    "xtick.color": QUIET,
    "xtick.labelsize": 9,
    "ytick.color": QUIET,
    "ytick.labelsize": 9,
}


@contextmanager
def style() -> Iterator[Any]:
    """Matplotlib's pyplot, with our settings while a plot is drawn."""
    import matplotlib.pyplot as plt

    with plt.rc_context(_SETTINGS):
        yield plt


def color(index: int) -> str:
    """Color of the method or mode of this rank."""
    return COLORS[index % len(COLORS)]


def line(index: int) -> Any:
    """Line style of the method of this rank."""
    return LINES[index % len(LINES)]


def shorten(label: str, length: int = 28) -> str:
    """A label that fits above a panel."""
    return label if len(label) <= length else f"{label[: length - 1]}…"


def panels(plt: Any, number: int, size: tuple[float, float], columns: int = 4) -> tuple[Any, Any]:
    """A figure and a flat array with that many axes; places left over stay empty."""
    columns = min(number, columns)
    rows = -(-number // columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(size[0] * columns, size[1] * rows),
        squeeze=False,
        layout="constrained",
    )
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.08)
    for axis in axes.ravel()[number:]:
        figure.delaxes(axis)
    return figure, np.array(axes.ravel()[:number])

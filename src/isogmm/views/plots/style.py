"""Colors, line styles and axes shared by the plots."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TypeAlias

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

#: A line style of Matplotlib: its name, or an offset and the lengths of dashes and gaps.
LineStyle: TypeAlias = str | tuple[float, tuple[float, ...]]

#: Colors that can be distinguished with any color vision (Okabe & Ito 2008), the most distinct
#: ones first.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
#: Lines differ in style as well as in color, for print and for projectors.
LINES: tuple[LineStyle, ...] = (
    "-",
    (0.0, (5.0, 1.5)),
    (0.0, (1.5, 1.0)),
    (0.0, (6.0, 1.5, 1.5, 1.5)),
)
#: Color of the reference, a gray behind everything else.
REFERENCE = "#8A8A8A"
#: Colors of texts: important and less important ones.
INK, QUIET = "#222222", "#666666"
#: Characters of a label above a panel.
MAX_LABEL_LENGTH = 28

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
    "text.parse_math": False,  # the name of a variable may contain dollar signs
    "xtick.color": QUIET,
    "xtick.labelsize": 9,
    "ytick.color": QUIET,
    "ytick.labelsize": 9,
}


@contextmanager
def style() -> Iterator[ModuleType]:
    """Matplotlib's pyplot, with the settings of this module until the block ends."""
    with plt.rc_context(_SETTINGS):
        yield plt


def color(index: int) -> str:
    """Color of the method or mode with this rank."""
    return COLORS[index % len(COLORS)]


def line(index: int) -> LineStyle:
    """Line style of the method with this rank."""
    return LINES[index % len(LINES)]


def shorten(label: str) -> str:
    """A label that fits above a panel."""
    return label if len(label) <= MAX_LABEL_LENGTH else f"{label[: MAX_LABEL_LENGTH - 1]}…"


def evenly_spaced(total: int, number: int) -> np.ndarray:
    """Indices of at most ``number`` rows out of ``total``, evenly spaced."""
    return np.linspace(0, total - 1, min(total, number)).round().astype(int)


def panels(number: int, size: tuple[float, float], columns: int = 4) -> tuple[Figure, np.ndarray]:
    """A figure and a flat array of its axes.

    Parameters
    ----------
    number
        Number of axes.  Places in the last row that are not needed stay empty.
    size
        Width and height of each panel, in inches.
    columns
        Largest number of panels in a row.
    """
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

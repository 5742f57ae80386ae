"""Draws the figures of the benchmarks page from what the two commands measured.

    python tests/benchmarks/run.py --seeds 0 1 2 --sources pdb hard --json results.json
    python tests/benchmarks/speed.py --sources pdb --json speed.json
    python tests/benchmarks/speed.py --sources pdb --language pymc --json speed.json
    python tests/benchmarks/figures.py --results results.json --speed speed.json

Writes ``benchmark_errors.svg`` and ``benchmark_speed.svg`` into ``docs/images``, or into the
folder named by ``--to``.  Rows of other methods and failed rows are left out, and counted.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.cases import BAR

Row = dict[str, Any]

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
BLUE, ORANGE, INK = "#0072B2", "#D55E00", "#4A4E54"
#: Errors beyond this are shown as numbers.
EDGE = 0.1
#: Of the figure of speed: language, entry of a row, label, how its dots look.
SERIES = (
    ("numpyro", "ratio_ready", "NumPyro without imports", {"marker": "o", "color": BLUE}),
    ("numpyro", "ratio", "NumPyro with imports", {"marker": "o", "mec": BLUE, "mfc": "none"}),
    ("pymc", "ratio", "PyMC with imports", {"marker": "D", "color": ORANGE}),
)
STYLE = {
    "svg.hashsalt": "isogmm",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#9A9EA4",
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
}


def short(case: str) -> str:
    """``pdb/data-model`` and ``hard/name`` as the tables of the page call them."""
    return case.rpartition("/")[2].rpartition("-")[2]


def by_case(rows: Iterable[Row], *needed: str) -> dict[str, list[Row]]:
    """Rows that have what is needed, case by case, in the order of their first appearance."""
    found: dict[str, list[Row]] = {}
    left_out = 0
    for row in rows:
        wanted = row.get("method", "isogmm") == "isogmm" and not row.get("float32")
        if wanted and "error" not in row and all(row.get(key) is not None for key in needed):
            found.setdefault(row["case"], []).append(row)
        else:
            left_out += 1
    if left_out:
        print(f"{left_out} rows left out")
    return found


def draw_errors(rows: Iterable[Row]) -> Any:
    """Errors of means and log sds, every seed a dot, with the bar and what exact draws score."""
    import matplotlib.pyplot as plt

    cases = by_case(rows, "mean_rms", "sd_rms")
    figure, panels = plt.subplots(
        1, 2, figsize=(8.4, 0.75 + 0.25 * len(cases)), sharey=True, layout="constrained"
    )
    places = np.arange(len(cases))[::-1]
    keys = (("mean_rms", "means", 0.016, BLUE), ("sd_rms", "log sds", 0.011, ORANGE))
    for axes, (key, title, exact, color) in zip(panels, keys, strict=True):
        for place, found in zip(places, cases.values(), strict=True):
            errors = np.array([row[key] for row in found])
            inside = errors[errors <= EDGE]
            axes.plot(
                inside, np.full(len(inside), place), "o", color=color, ms=5, alpha=0.75, mew=0
            )
            if len(inside) < len(errors):
                axes.plot(EDGE, place, ">", color=color, ms=6, clip_on=False)
                axes.text(EDGE - 0.002, place, f"up to {errors.max():.2f}", ha="right", va="center",
                          fontsize=8, color=color)  # fmt: skip
        for place, words, style in ((exact, "exact draws", ":"), (BAR, "limit", (0, (4, 2)))):
            axes.axvline(place, color=INK, lw=1.1, ls=style, zorder=0)
            axes.text(place + 0.001, len(cases) - 0.35, words, va="bottom", fontsize=8)
        axes.set(xlim=(0, EDGE), ylim=(-0.6, len(cases) + 0.3), xlabel="reference sds")
        axes.set_title(f"Error of the {title}")
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", color="#E3E5E8", lw=0.7)
        axes.set_axisbelow(True)
    panels[0].set_yticks(places, [short(case) for case in cases])
    return figure


def draw_speed(rows: Iterable[Row]) -> Any:
    """Time of the default fit as a share of that of NUTS, one dot a posterior and clock."""
    import matplotlib.pyplot as plt

    cases = by_case(rows, "ratio")
    figure, axes = plt.subplots(figsize=(8.4, 1.0 + 0.3 * len(cases)), layout="constrained")
    places = np.arange(len(cases))[::-1]
    for language, clock, label, look in SERIES:
        points = [
            (row[clock], place)
            for place, found in zip(places, cases.values(), strict=True)
            for row in found
            if row.get("language", "numpyro") == language and row.get(clock) is not None
        ]
        if points:
            ratios, heights = np.array(points).T
            axes.plot(ratios, heights, ls="", ms=6, alpha=0.85, **look,
                      label=f"{label}, median {np.median(ratios):.2f}")  # fmt: skip
    axes.axvline(1.0, color=INK, lw=1.1, ls=(0, (4, 2)))
    axes.text(0.97, len(places) - 0.35, "as long as NUTS", ha="right", va="bottom", fontsize=8)
    shown = [
        row[clock]
        for found in cases.values()
        for row in found
        for clock in ("ratio", "ratio_ready")
        if row.get(clock) is not None
    ]
    smallest, largest = min(shown, default=0.1), max(shown, default=1.0)
    axes.set_xscale("log")
    axes.set_xlim(0.8 * min(smallest, 0.1), max(1.3, 1.15 * largest))
    ticks = [tick for tick in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5) if tick >= 0.8 * smallest]
    axes.set_xticks([tick for tick in ticks if tick <= max(1.3, largest)], minor=False)
    axes.set_xticks([], minor=True)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("seconds of the fit / seconds of NUTS")
    axes.set_yticks(places, [short(case) for case in cases])
    axes.set_ylim(-0.6, len(cases) + 0.2)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", color="#E3E5E8", lw=0.7)
    axes.set_axisbelow(True)
    figure.legend(loc="outside upper center", ncols=len(SERIES), columnspacing=1.2)
    return figure


def write(figure: Any, path: Path) -> None:
    """The same bytes for the same numbers."""
    import matplotlib.pyplot as plt

    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None}, facecolor="white")
    plt.close(figure)
    print(f"wrote {path.name}, {path.stat().st_size / 1000:.0f} kB")


def main() -> None:
    """The command line."""
    os.environ.setdefault("MPLBACKEND", "agg")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, nargs="*", default=[], help="JSON of run.py")
    parser.add_argument("--speed", type=Path, nargs="*", default=[], help="JSON of speed.py")
    parser.add_argument("--to", type=Path, default=IMAGES, help="folder for the figures")
    arguments = parser.parse_args()
    if not arguments.results and not arguments.speed:
        parser.error("name a file of results or of speed")
    import matplotlib.pyplot as plt

    with plt.rc_context(STYLE):
        for name, files, draw in (
            ("errors", arguments.results, draw_errors),
            ("speed", arguments.speed, draw_speed),
        ):
            rows = [row for file in files for row in json.loads(file.read_text())]
            if rows:
                write(draw(rows), arguments.to / f"benchmark_{name}.svg")


if __name__ == "__main__":
    main()

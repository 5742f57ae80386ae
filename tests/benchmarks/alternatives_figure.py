"""The figure of errors against processor seconds, from the rows of ``alternatives.py``.

    python tests/benchmarks/alternatives_figure.py alternatives.json

Writes ``benchmark_alternatives.svg`` into the working directory, or the file ``--to``.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.figures import BLUE, INK, ORANGE, STYLE, write

#: Label, color and marker of each method.
LOOKS = {
    "isogmm_numpyro": ("isogmm, NumPyro", BLUE, "o"),
    "isogmm_pymc": ("isogmm, PyMC", BLUE, "s"),
    "nuts_numpyro": ("NUTS, NumPyro", ORANGE, "o"),
    "pm_sample": ("pm.sample", ORANGE, "s"),
    "adjusted_mclmc": ("adjusted MCLMC", "#56B4E9", "<"),
    "laps": ("LAPS", "#56B4E9", ">"),
    "nutpie": ("nutpie", "#009E73", "D"),
    "nutpie_low_rank": ("nutpie, low rank", "#009E73", "v"),
    "dadvi": ("DADVI", "#7A4E8A", "P"),
    "pathfinder": ("Pathfinder", "#7A4E8A", "X"),
}
#: Errors below the first are drawn there: 4,000 exact draws have 0.016.
SMALLEST, LARGEST = 0.01, 3.0


def error_of(row: dict[str, Any]) -> float:
    """The larger of the errors of means and log sds."""
    return float(np.clip(max(row["mean_rms"], row["sd_rms"]), SMALLEST, LARGEST))


def draw(rows: list[dict[str, Any]]) -> Any:
    """One panel for each posterior: a line from the warm run (hollow) to the cold run (filled)."""
    import matplotlib.pyplot as plt

    rows = [row for row in rows if "error" not in row and row["method"] in LOOKS]
    times = [row[f"{label}_processor"] for row in rows for label in ("cold", "warm")]
    names = list(dict.fromkeys(row["case"] for row in rows))
    figure, panels = plt.subplots(
        -(-len(names) // 2), 2, figsize=(6.2, 1.1 + 2.2 * -(-len(names) // 2)),
        sharex=True, sharey=True, squeeze=False, layout="constrained",
    )  # fmt: skip
    for axes in panels.flat[len(names) :]:
        axes.set_visible(False)
    for axes, name in zip(panels.flat, names, strict=False):
        for row in (row for row in rows if row["case"] == name):
            label, color, marker = LOOKS[row["method"]]
            seconds, error = [row["warm_processor"], row["cold_processor"]], error_of(row)
            axes.plot(seconds, [error, error], color=color, lw=1.2)
            axes.plot(seconds[0], error, marker, mec=color, mfc="white", ms=6)
            axes.plot(seconds[1], error, marker, color=color, ms=6, label=label)
        axes.axhline(0.016, color=INK, lw=1.1, ls=":", zorder=0)
        axes.set_title(name)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlim(0.7 * min(times), 1.4 * max(times))
        axes.set_ylim(0.8 * SMALLEST, 1.5 * max(map(error_of, rows)))
        axes.set_xticks([1, 3, 10, 30, 100, 300])
        axes.set_xticks([], minor=True)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_major_formatter("{x:g}")
    figure.supxlabel(
        "processor seconds of the whole process: warm (hollow), cold (filled)", fontsize=9
    )
    figure.supylabel("error of means or log sds, in sds", fontsize=9)
    handles = {}
    for axes in panels.flat:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles[label] = handle
    figure.legend(
        handles.values(), handles, loc="outside upper center", ncols=4, columnspacing=1.0,
        handletextpad=0.1,
    )  # fmt: skip
    return figure


def main() -> None:
    """The command line."""
    os.environ.setdefault("MPLBACKEND", "agg")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="JSON of alternatives.py")
    parser.add_argument("--to", type=Path, default="benchmark_alternatives.svg")
    arguments = parser.parse_args()
    import matplotlib.pyplot as plt

    with plt.rc_context(STYLE):
        write(draw(json.loads(arguments.results.read_text())), arguments.to)


if __name__ == "__main__":
    main()

"""The reliability diagram: errors by verdict, and coverage of intervals."""

from typing import Any

import numpy as np
from scipy.stats import binom

from benchmarks.figures import BLUE, INK, ORANGE
from benchmarks.random_targets import TRUSTED
from benchmarks.reliability import (
    LIMIT,
    VERDICTS,
    Row,
    covered,
    error_of,
    evidence_intervals,
    mass_intervals,
    misses_modes,
)

#: Levels of the intervals in the right panel.
LEVELS = np.array([0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99])
#: Errors are drawn within these limits.
SMALLEST, LARGEST = 0.002, 3.0


def draw(rows: list[Row], exact: list[Row]) -> Any:
    """Above: the error of every fit, by verdict.  Below: observed against nominal coverage.

    One panel above the other, so that the labels can be read on a narrow screen.
    """
    import matplotlib.pyplot as plt

    figure, (above, below) = plt.subplots(
        2, 1, figsize=(6.2, 6.4), height_ratios=(1.25, 1), layout="constrained"
    )
    draw_errors(above, rows, exact)
    draw_coverage(below, rows)
    return figure


def draw_errors(axes: Any, rows: list[Row], exact: list[Row]) -> None:
    """One dot for each fit; fits that miss a mode have the shape and color of their own."""
    generator = np.random.default_rng(0)
    groups = [(word, [r for r in rows if r.get("verdict") == word]) for word in VERDICTS]
    if exact:
        groups.insert(0, ("exact draws", exact))
    labels = []
    for place, (word, found) in enumerate(groups):
        errors = np.clip([error_of(row) for row in found], SMALLEST, LARGEST)
        heights = -place + generator.uniform(-0.28, 0.28, len(found))
        missing = np.array([misses_modes(row) for row in found], bool)
        axes.plot(errors[~missing], heights[~missing], "o", color=BLUE, ms=4.5, alpha=0.7, mew=0)
        axes.plot(errors[missing], heights[missing], "D", color=ORANGE, ms=5, alpha=0.9, mew=0)
        labels.append(f"{word}\n{np.sum(errors > LIMIT)} of {len(found)} beyond")
    axes.plot([], [], "o", color=BLUE, ms=4.5, label="all modes found")
    axes.plot([], [], "D", color=ORANGE, ms=5, label="a mode is missing")
    axes.axvline(LIMIT, color=INK, lw=1.1, ls=(0, (4, 2)), zorder=0)
    axes.set_xscale("log")
    axes.set_xlim(SMALLEST, LARGEST)
    axes.set_xticks([0.003, 0.01, 0.03, 0.1, 0.3, 1.0], minor=False)
    axes.set_xticks([], minor=True)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_yticks(-np.arange(len(groups)), labels)
    axes.set_ylim(0.1 - len(groups), 0.5)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("largest error of a mean or log sd, in sds")
    axes.set_title("Error of each fit, by verdict")
    axes.legend(
        loc="lower left", ncols=2, handletextpad=0.2, columnspacing=1.2,
        frameon=True, framealpha=1.0, edgecolor="none", borderpad=0.1,
    )  # fmt: skip


def draw_coverage(axes: Any, rows: list[Row]) -> None:
    """Share of intervals that contain the truth, with the range expected of exact intervals."""
    complete = [r for r in rows if r.get("verdict") in TRUSTED and not misses_modes(r)]
    series = (
        ("log evidence", evidence_intervals(complete), BLUE, "o"),
        ("masses of modes", mass_intervals(complete), ORANGE, "D"),
    )
    for words, intervals, color, marker in series:
        total = len(intervals)
        if total:
            shares = [covered(intervals, level) / total for level in LEVELS]
            label = f"{words} ({total})"
            axes.plot(LEVELS, shares, marker, color=color, ms=5, ls="-", lw=1, label=label)
    smallest = min((len(s[1]) for s in series if s[1]), default=0)
    if smallest:
        low, high = (binom.ppf(tail, smallest, LEVELS) / smallest for tail in (0.025, 0.975))
        axes.fill_between(LEVELS, low, high, color=INK, alpha=0.15, lw=0)
    axes.plot([0.4, 1], [0.4, 1], color=INK, lw=1.1, ls=(0, (4, 2)), zorder=0)
    axes.set(xlim=(0.45, 1.01), ylim=(0.35, 1.02), xlabel="level of the intervals")
    axes.set_ylabel("share that contain the truth")
    axes.set_title("Intervals of trusted fits that find all modes")
    axes.legend(loc="lower right")

"""The figures of the page on the experiments, from the rows that ``run.py`` wrote."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("MPLBACKEND", "agg")

import numpy as np

from isogmm.views.plots.style import COLORS, QUIET, REFERENCE, style

Row = dict[str, Any]

LABELS = {
    "ibw": "IBW",
    "md": "MD",
    "ibw_s": "IBW-s",
    "md_s": "MD-s",
    "gd": "means only",
    "ngd": "NGD",
    "bw": "BW, full covariances",
    "gmmvi": "GMMVI",
}
MARKS = {"ibw": "o", "md": "s", "ibw_s": "^", "md_s": "v", "gd": "x", "ngd": "D", "bw": "P"}
TITLES = {
    "mixture_2": "mixture, d = 2",
    "mixture_10": "mixture, d = 10",
    "mixture_20": "mixture, d = 20",
    "mixture_50": "mixture, d = 50",
    "funnel": "funnel",
    "skewed_equal": "sinh-arcsinh, equal skews",
    "skewed_unequal": "sinh-arcsinh, unequal skews",
    "skewed_tails": "sinh-arcsinh, unequal tails",
    "four_modes_wide": "four modes, wide",
    "four_modes_apart": "four modes, far apart",
    "four_modes_unequal": "four modes, unequal",
    "forty_modes": "forty modes",
    "student_mixture": "student-t mixture, d = 20",
}


def pick(rows: list[Row], **wanted: Any) -> list[Row]:
    """Rows whose entries are as given, full size, measured."""
    return [
        row
        for row in rows
        if all(row.get(key) == value for key, value in wanted.items())
        and not row.get("quick")
        and "skipped" not in row
        and "error" not in row
    ]


def spread(rows: list[Row], name: str = "kl") -> tuple[float, float, float]:
    """Median, smallest and largest value over the seeds."""
    values = np.array([row[name] for row in rows if row.get(name) is not None], dtype=float)
    if not len(values):
        return (np.nan,) * 3
    return float(np.median(values)), float(values.min()), float(values.max())


def errorbar(axis: Any, x: Any, rows: list[list[Row]], name: str, **options: Any) -> None:
    """Medians with bars from the smallest to the largest seed."""
    middle, low, high = np.array([spread(group, name) for group in rows]).T
    axis.errorbar(x, middle, yerr=[middle - low, high - middle], capsize=2, **options)


def components(rows: list[Row], plt: Any) -> Any:
    """Divergence against K in two dimensions, and what 20 components look like."""
    import jax

    from experiments.settings import SETTINGS

    rows = pick(rows, experiment="mixture_2")
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(9.6, 4.1), width_ratios=(1.35, 1.0), layout="constrained"
    )
    counts = sorted({r["components"] for r in rows if r["method"] == "ibw"})
    methods = [m for m in MARKS if any(r["method"] == m for r in rows)]
    for index, method in enumerate(methods):
        shift = 1.035 ** (index - (len(methods) - 1) / 2)
        groups = [pick(rows, method=method, components=k) for k in counts]
        places = np.array(counts) * shift
        options = {"color": COLORS[index % len(COLORS)], "marker": MARKS[method], "ms": 5}
        errorbar(left, places, groups, "kl", lw=1, label=LABELS[method], **options)
    for name, label, dashes in (
        ("default", "default, its mixture", (0, (6, 2))),
        ("default, refine=0", "default, refine=0", (0, (1, 1))),
    ):
        middle = spread(pick(rows, method=name))[0]
        if np.isfinite(middle):
            left.axhline(middle, color="#000000", lw=1.2, ls=dashes, label=label, zorder=0)
    left.set(xscale="log", yscale="log", xlabel="components K", ylabel="KL divergence")
    left.set_xticks(counts, labels=counts)
    left.minorticks_off()
    # Room above the curves.
    left.set_ylim(top=50.0)
    left.legend(ncols=2, loc="upper right", fontsize=8)
    problem = SETTINGS["mixture_2"].problem()
    (row,) = [r for r in pick(rows, method="ibw", components=max(counts)) if "means" in r]
    axis = np.linspace(-13, 13, 181)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    density = np.exp(np.asarray(jax.vmap(problem.log_density)(grid))).reshape(181, 181)
    levels = density.max() * np.array([0.01, 0.05, 0.15, 0.35, 0.6, 0.85, 1.0])
    right.contourf(axis, axis, density, levels=levels, cmap="Greys", alpha=0.6)
    angle = np.linspace(0, 2 * np.pi, 90)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    for mean, variance in zip(row["means"], row["variances"], strict=True):
        right.plot(*(np.array(mean) + np.sqrt(variance) * circle).T, color=COLORS[0], lw=0.9)
    right.set(aspect="equal", xlim=(-13, 13), ylim=(-13, 13), title=f"IBW, K = {max(counts)}")
    return figure


def overview(rows: list[Row], plt: Any) -> Any:
    """Tuned settings beside the default recipe, experiment by experiment."""
    names = [name for name in TITLES if pick(rows, experiment=name, method="ibw")]
    figure, axis = plt.subplots(figsize=(9.0, 0.42 * len(names) + 1.2), layout="constrained")
    kinds = [
        ("ibw", "IBW, the paper's settings, largest K", COLORS[0], "o"),
        ("md", "MD, the same settings", COLORS[5], "s"),
        ("default", "default, the mixture alone", COLORS[1], "D"),
        ("default, refine=0", "default with refine=0", COLORS[2], "^"),
    ]
    floor = 1e-4
    for place, name in enumerate(names):
        for index, (method, label, color, mark) in enumerate(kinds):
            group = pick(rows, experiment=name, method=method)
            if method in LABELS and group:
                most = max(r["components"] for r in group)
                group = [r for r in group if r["components"] == most]
            middle, low, high = np.maximum(spread(group), floor)
            y = place + 0.16 * (index - 1.5)
            label = label if place == 0 else None
            axis.plot([low, high], [y, y], color=color, lw=1.4)
            axis.plot(middle, y, mark, color=color, ms=5.5, label=label)
    axis.set_yticks(range(len(names)), labels=[TITLES[name] for name in names])
    axis.invert_yaxis()
    axis.grid(axis="x", color="#E4E4E4", lw=0.6)
    axis.set_axisbelow(True)
    axis.set(xscale="log", xlabel="KL divergence (0.0001 and below at the left edge)")
    axis.legend(loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=2, fontsize=9)
    return figure


def traces(rows: list[Row], plt: Any) -> Any:
    """Divergence along the iterations, three seeds each."""
    names = ("mixture_2", "mixture_10", "mixture_20", "mixture_50")
    figure, axes = plt.subplots(1, 4, figsize=(11.0, 3.1), layout="constrained")
    for axis, name in zip(axes, names, strict=True):
        chosen = pick(rows, experiment=name)
        most = max(r["components"] for r in chosen if r["method"] == "ibw")
        for index, method in enumerate(("ibw", "md", "gd")):
            for row in pick(chosen, method=method, components=most):
                label = LABELS[method] if row["seed"] == 0 else None
                axis.plot(
                    row["trace_iteration"], row["trace"], color=COLORS[index], lw=1, label=label
                )
        axis.set(yscale="log", title=f"{TITLES[name]}, K = {most}", xlabel="iterations")
    axes[0].set_ylabel("KL divergence")
    axes[0].legend()
    return figure


def weights(rows: list[Row], plt: Any) -> Any:
    """What equal weights cost on modes of mass 0.1 and 0.9."""
    rows = pick(rows, experiment="unbalanced")
    figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.4), layout="constrained")
    for axis, name, label in (
        (axes[0], "two_means_mass_error", "error of the mass of the light mode"),
        (axes[1], "kl", "KL divergence"),
    ):
        for index, kind in enumerate(("near", "far")):
            chosen = pick(rows, method=f"ibw, {kind}")
            counts = sorted({r["components"] for r in chosen})
            groups = [pick(chosen, components=k) for k in counts]
            distance = 6 if kind == "near" else 8
            options = {"color": COLORS[index], "marker": "os"[index], "ms": 5, "lw": 1.2}
            places = np.array(counts) * (0.97, 1.03)[index]  # so that no bar hides another
            errorbar(axis, places, groups, name, label=f"{distance} sd apart", **options)
        default = spread(pick(rows, method="default, near"))[0]
        if name == "kl" and np.isfinite(default):
            axis.axhline(default, color=REFERENCE, ls="--", lw=1)
            text = {"xytext": (0, 4), "textcoords": "offset points", "color": QUIET, "fontsize": 9}
            axis.annotate("default, 6 sd apart", (counts[0], default), **text)
        axis.set(xscale="log", xlabel="components K", ylabel=label)
        axis.set_xticks(counts, labels=counts)
        axis.minorticks_off()
    axes[0].legend(fontsize=9)
    axes[0].set_ylim(bottom=0)
    axes[1].set_yscale("log")
    return figure


def growth(rows: list[Row], plt: Any) -> Any:
    """Processor time and memory of an iteration against K, d and S."""
    rows = pick(rows, experiment="scaling")
    figure, axes = plt.subplots(2, 3, figsize=(9.6, 4.8), sharex="col", layout="constrained")
    for column, (name, label, fixed) in enumerate(
        (
            ("components", "components K  (d = 100, S = 2)", {"dim": 100, "samples": 2}),
            ("dim", "dimension d  (K = 64, S = 2)", {"components": 64, "samples": 2}),
            ("samples", "samples S  (K = 64, d = 100)", {"components": 64, "dim": 100}),
        )
    ):
        chosen = sorted(pick(rows, **fixed), key=lambda row: row[name])
        x = [row[name] for row in chosen]
        for line, (value, color) in enumerate(
            (("seconds_per_iteration", COLORS[0]), ("added_mib", COLORS[1]))
        ):
            y = [row[value] for row in chosen]
            axes[line, column].loglog(x, y, "o-", color=color, ms=4, lw=1.2)
            # Every point meets every component: the time grows with K², the rest in proportion.
            power = 2.0 if (line, column) == (0, 0) else 1.0
            slope = y[-1] * (np.array(x, dtype=float) / x[-1]) ** power
            axes[line, column].loglog(x, slope, color=QUIET, lw=0.8, ls=":", zorder=0)
        axes[1, column].set_xlabel(label)
    axes[0, 0].set_ylabel("processor seconds")
    axes[1, 0].set_ylabel("memory, MiB")
    figure.suptitle(
        "One iteration; dotted: in proportion, to K² for the time against K",
        x=0.01,
        ha="left",
        fontsize=11,
    )
    return figure


def dimensions(rows: list[Row], plt: Any) -> Any:
    """Divergence and seconds of an iteration against d."""
    rows = pick(rows, experiment="dimension")
    figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.4), layout="constrained")
    for index, method in enumerate(("ibw", "md", "bw")):
        chosen = pick(rows, method=method)
        dims = sorted({row["dim"] for row in chosen})
        if dims:
            groups = [pick(chosen, dim=dim) for dim in dims]
            options = {"color": COLORS[index], "marker": "osP"[index], "ms": 5, "lw": 1.2}
            errorbar(axes[0], dims, groups, "kl", label=LABELS[method], **options)
    for index, (method, label) in enumerate(
        (("ibw, one chain", "IBW"), ("md, one chain", "MD"), ("bw, one chain", "BW"))
    ):
        chosen = sorted(pick(rows, method=method), key=lambda row: row["dim"])
        if chosen:
            x, y = zip(*((r["dim"], 1e3 * r["seconds_per_iteration"]) for r in chosen), strict=True)
            axes[1].loglog(x, y, "osP"[index] + "-", color=COLORS[index], ms=5, label=label)
    axes[0].set(xscale="log", yscale="log", xlabel="dimension d", ylabel="KL divergence")
    axes[1].set(xlabel="dimension d", ylabel="milliseconds an iteration")
    for axis in axes:
        axis.legend()
    return figure


def beside(rows: list[Row], plt: Any) -> Any:
    """Milliseconds of an iteration, the authors' code and ours."""
    rows = pick(rows, experiment="authors", method="ratio")
    counts = sorted({row["components"] for row in rows})
    figure, axes = plt.subplots(
        1, len(counts), figsize=(3.1 * len(counts), 3.0), sharey=True, layout="constrained"
    )
    for axis, count in zip(np.atleast_1d(axes), counts, strict=True):
        chosen = sorted(pick(rows, components=count), key=lambda row: row["dim"])
        x = [row["dim"] for row in chosen]
        for name, label, color, mark in (
            ("seconds_authors", "the authors' code", COLORS[1], "s"),
            ("seconds_isogmm", "isogmm", COLORS[0], "o"),
        ):
            y = [1e3 * row[name] for row in chosen]
            axis.loglog(x, y, mark + "-", color=color, ms=5, lw=1.2, label=label)
        for row in chosen:
            axis.annotate(
                f"{row['ratio']:.0f}×",
                (row["dim"], 1e3 * np.sqrt(row["seconds_authors"] * row["seconds_isogmm"])),
                ha="center",
                color=QUIET,
                fontsize=9,
            )
        axis.set(title=f"K = {count}", xlabel="dimension d")
        axis.margins(x=0.14)
        axis.set_xticks(x, labels=x)
        axis.minorticks_off()
    np.atleast_1d(axes)[0].set_ylabel("milliseconds an iteration")
    np.atleast_1d(axes)[0].legend(loc="upper left", fontsize=9)
    return figure


FIGURES: dict[str, tuple[str, Callable[[list[Row], Any], Any]]] = {
    "experiments_components": ("mixture_2", components),
    "experiments_overview": ("mixture_2", overview),
    "experiments_traces": ("mixture_50", traces),
    "experiments_weights": ("unbalanced", weights),
    "experiments_dimension": ("dimension", dimensions),
    "experiments_growth": ("scaling", growth),
    "experiments_authors": ("authors", beside),
}


def draw_all(rows: list[Row], folder: Path, suffix: str = "svg") -> list[Path]:
    """Every figure for which there are rows; the files written."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with style() as plt:
        plt.rcParams.update({"svg.hashsalt": "isogmm", "text.parse_math": True})
        for name, (experiment, draw) in FIGURES.items():
            found = pick(rows, experiment=experiment)
            # Time against d says something only beside full covariances.
            if not found or (name.endswith("dimension") and not pick(found, method="bw")):
                continue
            figure = draw(rows, plt)
            path = folder / f"{name}.{suffix}"
            metadata = {"Date": None} if suffix == "svg" else None
            figure.savefig(path, metadata=metadata, facecolor="white", dpi=110)
            plt.close(figure)
            written.append(path)
    return written

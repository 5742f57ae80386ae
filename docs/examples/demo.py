"""Eight schools and a badly scaled regression, in NumPyro and in PyMC, by three methods.

Run by ``make demo``.  Takes one to three minutes on two cores, mostly for NUTS and for compilation
by PyMC.  Prints what is running and one table, writes every result as netCDF and a forest plot as
PNG to the folder ``demo_output``, and says where.
"""

import logging
import os
import shutil
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

# PyTensor before version 3 translates to C; without a compiler it would fall back to Python.
if shutil.which("g++") is None:
    os.environ.setdefault("PYTENSOR_FLAGS", "mode=NUMBA")
os.environ.setdefault("MPLBACKEND", "agg")
# Every method works in double precision.
os.environ.setdefault("JAX_ENABLE_X64", "1")

import matplotlib.pyplot as plt
import numpy as np
from demo_models import LANGUAGES, PROBLEMS
from rich.console import Console
from rich.table import Table

import isogmm
from isogmm.model.adapter import installed_adapters

OUTPUT = Path("demo_output")
SEED = 1
METHODS = {"isogmm": "#0072B2", "nuts": "#333333", "advi": "#D55E00"}
LIMIT = 8.0  # of the standardized panel
LABELS = {"isogmm": "isogmm", "nuts": "NUTS", "advi": "ADVI"}
#: Draws and warm-up transitions of a chain of NUTS.  The badly scaled regression needs hundreds of
#: gradients for each draw, and has fewer so that the demo stays short.
NUTS_DRAWS = {"eight_schools": (1000, 1000), "fuel_economy": (250, 500)}
#: Seconds that one fit may take on two cores, printed while it runs: with compilation.
EXPECTED = {"isogmm": 10, "nuts": 30, "advi": 30}

# --- fits ---------------------------------------------------------------------------------------


class Fit(NamedTuple):
    """One result: draws of the shown variables by label, and the cost."""

    draws: dict[str, np.ndarray]
    seconds: float
    attributes: dict[str, Any]

    @property
    def num_draws(self) -> int:
        """Draws of all chains."""
        return len(next(iter(self.draws.values())))


def fit(name: str, language: str, method: str, path: Path) -> Fit:
    """Fit one model by one method, compilation included, and save the result."""
    problem = PROBLEMS[name]
    model, *args = problem.models[language]()
    begin = time.perf_counter()
    if method == "isogmm":
        idata = isogmm.fit_isogmm(model, *args, random_seed=SEED, progressbar=False)
    else:
        baseline = installed_adapters()[language].baselines()[method]
        draws, tune = NUTS_DRAWS[name]
        options = {"draws": draws, "tune": tune} if method == "nuts" else {}
        idata = baseline(model, *args, random_seed=SEED, **options)
    seconds = time.perf_counter() - begin
    idata.to_netcdf(path)
    shown = {}
    for label, (variable, index) in problem.shown.items():
        values = np.asarray(idata["posterior"][variable])
        shown[label] = (values if index is None else values[..., index]).ravel()
    return Fit(shown, seconds, dict(idata.attrs) | dict(idata["posterior"].attrs))


def all_fits(console: Console) -> dict[tuple[str, str, str], Fit]:
    """Every problem, language and method, in this order; says what is running."""
    fits = {}
    total = len(PROBLEMS) * len(LANGUAGES) * len(METHODS)
    for name, problem in PROBLEMS.items():
        for language in LANGUAGES:
            for method in METHODS:
                what = f"{problem.title}, {LANGUAGES[language]}, {LABELS[method]}"
                console.print(
                    f"{len(fits) + 1:2d}/{total}  {what} (up to {EXPECTED[method]} s) ...", end=" "
                )
                sys.stdout.flush()
                path = OUTPUT / f"{name}-{language}-{method}.nc"
                fits[name, language, method] = result = fit(name, language, method, path)
                console.print(f"{result.seconds:.1f} s")
    return fits


def total_seconds(fits: dict, method: str) -> float:
    """Seconds of all fits of a method."""
    return sum(fit.seconds for (_, _, used), fit in fits.items() if used == method)


# --- table --------------------------------------------------------------------------------------


def spread(draws: np.ndarray) -> str:
    """Mean ± standard deviation, both to the second digit of the latter."""
    mean, deviation = draws.mean(), draws.std()
    decimals = max(0, 1 - int(np.floor(np.log10(deviation))))
    return f"{mean:.{decimals}f} ± {deviation:.{decimals}f}"


def rows(fits: dict, name: str, language: str) -> Iterator[tuple[str, ...]]:
    """Rows of the table for one problem in one language."""
    results = [fits[name, language, method] for method in METHODS]
    for variable in PROBLEMS[name].key:
        yield (variable, *(spread(result.draws[variable]) for result in results))
    counts = [f"{result.num_draws:,}" for result in results]
    yield ("draws", *counts)
    yield ("seconds", *(f"{r.seconds:.1f}" for r in results))
    ks = [r.attributes.get("pareto_k") for r in results]
    yield ("Pareto k", *("" if k is None else f"{k:.2f}" for k in ks))
    yield ("verdict", *(str(r.attributes.get("verdict", "")) for r in results))


def table(fits: dict) -> Table:
    """Posterior mean ± standard deviation, cost and trust, methods side by side."""
    result = Table(title="Posterior mean ± standard deviation", title_style="bold")
    for heading in ("model", "language", ""):
        result.add_column(heading)
    for method in METHODS:
        result.add_column(LABELS[method], justify="right")
    for name, problem in PROBLEMS.items():
        for language, label in LANGUAGES.items():
            lines = list(rows(fits, name, language))
            for number, line in enumerate(lines):
                head = (problem.title, label) if number == 0 else ("", "")
                result.add_row(*head, *line, end_section=number == len(lines) - 1)
    return result


# --- picture ------------------------------------------------------------------------------------


def forest(fits: dict, path: Path) -> None:
    """Intervals of all methods in both languages; the regression in units of NUTS."""
    height = max(len(problem.shown) for problem in PROBLEMS.values())
    figure, panels = plt.subplots(
        1, len(PROBLEMS), figsize=(11, 0.62 * height + 1.2), layout="constrained"
    )
    series = [(method, language) for method in METHODS for language in LANGUAGES]
    offsets = np.linspace(-0.3, 0.3, len(series))
    for panel, (name, problem) in zip(panels, PROBLEMS.items(), strict=True):
        scaled = name == "fuel_economy"
        for row, variable in enumerate(problem.shown):
            if row % 2:
                panel.axhspan(row - 0.5, row + 0.5, color="0.96", zorder=0)
            reference = fits[name, "numpyro", "nuts"].draws[variable]
            for (method, language), offset in zip(series, offsets, strict=True):
                draws = fits[name, language, method].draws[variable]
                if scaled:
                    draws = (draws - reference.mean()) / reference.std()
                low, lower, middle, upper, high = np.quantile(draws, (0.03, 0.25, 0.5, 0.75, 0.97))
                color = METHODS[method]
                panel.plot([low, high], [row + offset] * 2, color=color, lw=1)
                panel.plot([lower, upper], [row + offset] * 2, color=color, lw=2.6)
                # What lies outside is shown by an arrow at the edge.
                outside = scaled and abs(middle) > LIMIT
                arrow = (">" if middle > 0 else "<") if outside else None
                panel.plot(
                    np.clip(middle, -LIMIT, LIMIT) if scaled else middle,
                    row + offset,
                    clip_on=False,
                    marker=arrow or ("o" if language == "numpyro" else "s"),
                    markerfacecolor="white",
                    markeredgecolor=color,
                    markersize=4.5,
                    linestyle="none",
                    label=f"{LABELS[method]}, {LANGUAGES[language]}" if row == 0 else None,
                )
        panel.set_yticks(range(len(problem.shown)), list(problem.shown))
        panel.set_ylim(len(problem.shown) - 0.5, -0.5)
        panel.set_title(problem.title, loc="left", fontweight="bold")
        panel.spines[["top", "right", "left"]].set_visible(False)
        panel.tick_params(left=False)
        panel.grid(axis="x", color="0.88", lw=0.7)
        panel.set_axisbelow(True)
    panels[0].set_xlabel("effect on the score (points)")
    panels[1].set_xlabel("distance to the mean of NUTS (its standard deviations)")
    panels[1].set_xlim(-LIMIT, LIMIT)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle("Medians with 50 % and 94 % intervals", fontsize=10, color="0.35")
    figure.savefig(path, dpi=160)
    plt.close(figure)


def main() -> None:
    """Fit, print, draw, say where."""
    begin = time.perf_counter()
    logging.getLogger("pymc").setLevel(logging.ERROR)
    warnings.simplefilter("ignore", FutureWarning)
    OUTPUT.mkdir(exist_ok=True)
    console = Console(width=None if sys.stdout.isatty() else 110)
    console.print("Two models, two languages, three methods; 1 to 3 minutes on two cores.")
    fits = all_fits(console)
    console.print()
    console.print(table(fits))
    forest(fits, OUTPUT / "forest.png")
    console.print(
        f"Results: {len(fits)} netCDF files and forest.png in {OUTPUT.resolve()}", soft_wrap=True
    )
    sums = ", ".join(f"{LABELS[m]} {total_seconds(fits, m):.0f} s" for m in METHODS)
    console.print(f"All fits of a method together: {sums}.")
    console.print(f"{time.perf_counter() - begin:.0f} s in all")


if __name__ == "__main__":
    main()

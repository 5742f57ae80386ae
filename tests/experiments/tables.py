"""The tables of the page on the experiments, as Markdown, from the rows that ``run.py`` wrote.

    python tests/experiments/tables.py tests/experiments/results.json docs/experiments.md

writes each between its two marks on the page; without a page they are printed.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from experiments.figures import LABELS, TITLES, pick, spread

Row = dict[str, Any]

#: Ranges over the seeds of up to this share of the median are not shown.
SHOWN_RANGE = 0.1

REGRESSIONS = ("breast_cancer", "wine", "diabetes_network", "planar_robot")


def cell(rows: list[Row], name: str, spec: str = ".3g") -> str:
    """Median over the seeds and, in brackets, the range if it is wide."""
    middle, low, high = spread(rows, name)
    if not np.isfinite(middle):
        return ""
    if len(rows) == 1 or high - low <= SHOWN_RANGE * abs(middle):
        return format(middle, spec)
    far = format(high, spec) if abs(high) < 1e6 else "∞"
    return f"{middle:{spec}} ({low:{spec}}, {far})"


def table(head: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    head = list(head)
    rows = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    rows += ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join(rows)


def largest(rows: list[Row], experiment: str, method: str) -> list[Row]:
    """The rows of a method at its largest K."""
    chosen = pick(rows, experiment=experiment, method=method)
    counts = [row.get("components") or 0 for row in chosen]
    return [row for row in chosen if (row.get("components") or 0) == max(counts)]


def divergences(rows: list[Row]) -> str:
    """KL of the rules at their largest K, of full covariances, and of the default recipe."""
    methods = ("ibw", "md", "gd", "bw", "gmmvi")
    methods = tuple(m for m in methods if pick(rows, method=m))
    lines = []
    for name, title in TITLES.items():
        found = [largest(rows, name, method) for method in methods]
        if not any(found):
            continue
        count = max((row["components"] for group in found for row in group), default=0)
        cells = [cell(group, "kl") for group in found]
        cells.append(cell(pick(rows, experiment=name, method="default"), "kl"))
        cells.append(cell(pick(rows, experiment=name, method="default, refine=0"), "kl"))
        lines.append([title, str(count), *cells])
    head = ["target", "K", *(LABELS[m] for m in methods), "default", "default, refine=0"]
    return table(head, lines)


def distances(rows: list[Row]) -> str:
    """Sliced Wasserstein distance of the draws to exact ones."""
    methods = ("ibw", "default, delivered", "nuts", "advi", "laplace", "flow")
    titles = ("IBW", "default, delivered", "NUTS", "ADVI", "Laplace", "flow")
    lines = []
    for name, title in TITLES.items():
        cells = [cell(largest(rows, name, method), "w2") for method in methods]
        if any(cells):
            lines.append([title, *cells])
    return table(["target", *titles], lines)


def components(rows: list[Row], experiment: str) -> str:
    """KL against K for every rule."""
    chosen = pick(rows, experiment=experiment)
    counts = sorted({row["components"] for row in chosen if row["method"] == "ibw"})
    lines = [
        [LABELS[m], *(cell(pick(chosen, method=m, components=k), "kl") for k in counts)]
        for m in LABELS
        if pick(chosen, method=m)
    ]
    return table(["rule", *(f"K = {k}" for k in counts)], lines)


def regressions(rows: list[Row]) -> str:
    """ELBO and predictions of every method."""
    lines = []
    for name in REGRESSIONS:
        chosen = pick(rows, experiment=name)
        for method in dict.fromkeys(row["method"] for row in chosen):
            group = pick(chosen, method=method)
            quality = "accuracy" if group[0].get("accuracy") is not None else "rmse"
            lines.append(
                [
                    name,
                    LABELS.get(method, method),
                    cell(group, "elbo", ".2f"),
                    cell(group, quality),
                    cell(group, "log_predictive"),
                ]
            )
    head = ["data", "method", "ELBO", "accuracy or RMSE", "mean log predictive density"]
    return table(head, lines)


def by_dimension(rows: list[Row]) -> str:
    """KL against d for every rule."""
    chosen = pick(rows, experiment="dimension")
    dims = sorted({row["dim"] for row in chosen})
    lines = []
    for method in dict.fromkeys(row["method"] for row in chosen):
        cells = [cell(pick(chosen, method=method, dim=dim), "kl", ".4g") for dim in dims]
        if any(cells):
            lines.append([LABELS.get(method, method), *cells])
    return table(["rule", *(f"d = {d}" for d in dims)], lines)


def masses(rows: list[Row]) -> str:
    """Error of the mass of the light mode, and KL, against K."""
    chosen = pick(rows, experiment="unbalanced")
    counts = sorted({row["components"] for row in chosen if row.get("components")})
    lines = []
    for method in dict.fromkeys(row["method"] for row in chosen):
        for name, words, spec in (("two_means_mass_error", "mass", ".3f"), ("kl", "KL", ".3g")):
            groups = [pick(chosen, method=method, components=count) for count in counts]
            cells = [cell(group, name, spec) if group else "" for group in groups]
            if any(cells):
                lines.append([f"{LABELS.get(method, method)}: {words}", *cells])
    return table(["rule: error", *(f"K = {count}" for count in counts)], lines)


def networks(rows: list[Row]) -> str:
    """Factorized mixtures: one line for each rule, d and K."""
    columns = {"iterations": ".0f", "elbo": ".0f", "accuracy": ".3f", "log_predictive": ".3f"}
    chosen = pick(rows, experiment="digits_network")
    lines = []
    for method, count, dim in dict.fromkeys(
        (row["method"], row.get("components"), row.get("dim")) for row in chosen
    ):
        group = pick(chosen, method=method, components=count, dim=dim)
        cells = [cell(group, name, spec) for name, spec in columns.items()]
        lines.append([LABELS.get(method, method), str(dim), str(count), *cells])
    titles = [name.replace("_", " ") for name in columns]
    return table(["method", "d", "K", *titles], lines)


def growth(rows: list[Row]) -> str:
    """Processor time and memory of an iteration."""
    lines = [
        [
            f"{row['components']:,}",
            f"{row['dim']:,}",
            str(row["samples"]),
            f"{row['seconds_per_iteration']:.2g}",
            f"{row['added_mib']:,.0f}",
        ]
        for row in pick(rows, experiment="scaling")
    ]
    return table(["K", "d", "S", "seconds", "MiB"], dict.fromkeys(map(tuple, lines)))


def beside(rows: list[Row]) -> str:
    """The authors' code and ours: divergence over the seeds, milliseconds of an iteration."""
    chosen = pick(rows, experiment="authors")
    lines = []
    for row in pick(chosen, method="ratio"):
        same = {"dim": row["dim"], "components": row["components"]}
        cells = []
        for name in ("authors", "isogmm"):
            values = [r["kl"] for r in pick(chosen, method=name, **same) if "kl" in r]
            cells.append(f"{np.mean(values):.4g} ± {np.std(values):.2g}" if values else "")
        times = (f"{1e3 * row[f'seconds_{name}']:.3g}" for name in ("authors", "isogmm"))
        lines.append([str(row["dim"]), str(row["components"]), *cells, *times])
        lines[-1].append(f"{row['ratio']:.0f}")
    head = ["d", "K", "KL, authors", "KL, isogmm", "ms, authors", "ms, isogmm", "ratio"]
    return table(head, lines)


def all_tables(rows: list[Row]) -> dict[str, str]:
    """Every table by the name of its marks."""
    return {
        "divergences": divergences(rows),
        "distances": distances(rows),
        "mixture_2": components(rows, "mixture_2"),
        "funnel": components(rows, "funnel"),
        "regressions": regressions(rows),
        "unbalanced": masses(rows),
        "dimension": by_dimension(rows),
        "digits_network": networks(rows),
        "growth": growth(rows),
        "authors": beside(rows),
    }


def main() -> None:
    """The command line."""
    rows = json.loads(Path(sys.argv[1]).read_text())
    tables = all_tables(rows)
    if len(sys.argv) < 3:
        print("\n\n".join(f"## {name}\n\n{text}" for name, text in tables.items()))
        return
    page = Path(sys.argv[2])
    text = page.read_text(encoding="utf-8")
    for name, content in tables.items():
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        if begin in text:
            before, _, rest = text.partition(begin)
            text = f"{before}{begin}\n{content}\n{end}{rest.partition(end)[2]}"
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

"""The tables of the page on the experiments, as Markdown, from the rows that ``run.py`` wrote.

    python tests/experiments/tables.py tests/experiments/results.json docs/experiments.md

writes those that have marks on the page; without a page all are printed.
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

#: Ranges over the seeds are shown if the values differ by more than this factor.
SHOWN_FACTOR = 10.0
#: Smaller divergences are not distinguished: estimates for exact fits vary by 0.0008.
SMALLEST = 0.001
#: K of the targets whose row does not name it.
USUAL_COMPONENTS = 20

REGRESSIONS = {
    "breast_cancer": "breast cancer",
    "wine": "wine",
    "diabetes_network": "network",
}
METHODS = {
    "ibw": "IBW",
    "md": "MD",
    "default, delivered": "default",
    "advi": "ADVI",
    "nuts": "NUTS",
}


def number(value: float) -> str:
    """Two significant digits, all digits before the point beyond 100, without an exponent."""
    if abs(value) > 1e6:
        return "∞"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{float(f'{value:.2g}'):g}"


def cell(rows: list[Row], name: str, smallest: float = 0.0) -> str:
    """Median over the seeds and, in brackets, the range if it is wide."""
    middle, low, high = spread(rows, name)
    if not np.isfinite(middle):
        return ""
    if abs(middle) < smallest:
        return f"<{smallest}"
    is_narrow = max(abs(low), abs(high)) <= SHOWN_FACTOR * min(abs(low), abs(high))
    if is_narrow or high - low < 10 * smallest:
        return number(middle)
    return f"{number(middle)} ({number(low)}, {number(high)})"


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
    lines = []
    for name, title in TITLES.items():
        found = [largest(rows, name, method) for method in methods]
        if not any(found):
            continue
        count = max((row["components"] for group in found for row in group), default=0)
        if count != USUAL_COMPONENTS:
            title += f", K = {count}"
        found.append(pick(rows, experiment=name, method="default"))
        lines.append([title, *(cell(group, "kl", SMALLEST) for group in found)])
    head = ["target", *(LABELS[m] for m in methods), "default"]
    return table(head, lines)


def distances(rows: list[Row]) -> str:
    """Sliced Wasserstein distance of the draws to exact ones, where other methods ran too."""
    methods = ("ibw", "default, delivered", "nuts", "advi")
    titles = ("IBW", "default, delivered", "NUTS", "ADVI")
    lines = []
    for name, title in TITLES.items():
        cells = [cell(largest(rows, name, method), "w2") for method in methods]
        if all(cells):
            lines.append([title, *cells])
    return table(["target", *titles], lines)


def components(rows: list[Row], experiments: tuple[str, ...]) -> str:
    """KL against K for every rule."""
    columns = [
        (name, count)
        for name in experiments
        for count in sorted(
            {row["components"] for row in pick(rows, experiment=name, method="ibw")}
        )
    ]
    lines = []
    for method, label in LABELS.items():
        found = [pick(rows, experiment=e, method=method, components=k) for e, k in columns]
        if any(found):
            lines.append([label, *(cell(group, "kl", SMALLEST) for group in found)])
    return table(["rule", *(f"{TITLES[e].partition(',')[0]}, K = {k}" for e, k in columns)], lines)


def regressions(rows: list[Row]) -> str:
    """Predictive density of every method."""
    lines = [
        [title, *(cell(pick(rows, experiment=data, method=m), "log_predictive") for m in METHODS)]
        for data, title in REGRESSIONS.items()
    ]
    return table(["data", *METHODS.values()], lines)


def by_dimension(rows: list[Row]) -> str:
    """KL against d for every rule."""
    chosen = pick(rows, experiment="dimension")
    dims = sorted({row["dim"] for row in chosen})
    lines = []
    for method in dict.fromkeys(row["method"] for row in chosen):
        cells = [cell(pick(chosen, method=method, dim=dim), "kl") for dim in dims]
        if method in LABELS:
            lines.append([LABELS.get(method, method), *cells])
    return table(["rule", *(f"d = {d}" for d in dims)], lines)


def masses(rows: list[Row]) -> str:
    """Error of the mass of the light mode, and KL, against K."""
    chosen = pick(rows, experiment="unbalanced")
    counts = sorted({row["components"] for row in chosen if row.get("components")})
    lines = []
    for method in ("ibw, near", "ibw, far"):
        for name, words in (("two_means_mass_error", "mass"), ("kl", "KL")):
            groups = [pick(chosen, method=method, components=count) for count in counts]
            cells = [cell(group, name) for group in groups]
            lines.append([f"{method.partition(', ')[2]}: {words}", *cells])
    return table(["modes", *(f"K = {count}" for count in counts)], lines)


def networks(rows: list[Row]) -> str:
    """Factorized mixtures: one line for each rule, d and K."""
    chosen = pick(rows, experiment="digits_network")
    lines = []
    for method, count, dim in dict.fromkeys(
        (row["method"], row.get("components"), row.get("dim")) for row in chosen
    ):
        group = pick(chosen, method=method, components=count, dim=dim)
        cells = [number(spread(group, "elbo")[0])]
        cells += [f"{spread(group, name)[0]:.3f}" for name in ("accuracy", "log_predictive")]
        lines.append(
            [method.replace("md", "MD").replace("ibw", "IBW"), f"{dim:,}", str(count), *cells]
        )
    return table(["method", "d", "K", "ELBO", "accuracy", "log predictive"], lines)


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
    """How many times faster an iteration is than that of the authors' code."""
    chosen = pick(rows, experiment="authors", method="ratio")
    dims, counts = (sorted({row[key] for row in chosen}) for key in ("dim", "components"))
    lines = [
        [
            f"d = {dim}",
            *(f"{pick(chosen, dim=dim, components=count)[0]['ratio']:.0f}" for count in counts),
        ]
        for dim in dims
    ]
    return table(["", *(f"K = {count}" for count in counts)], lines)


def all_tables(rows: list[Row]) -> dict[str, str]:
    """Every table by the name of its marks."""
    return {
        "divergences": divergences(rows),
        "distances": distances(rows),
        "components": components(rows, ("mixture_2", "funnel")),
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

"""Tables by kind and by posterior, from the rows of ``run.py`` and ``definition.py``.

    python tests/benchmarks/posteriordb/table.py results.json definition.json

Errors are the largest over all quantities and all fits with a trusted verdict, in sds of the
reference, and in brackets the 99 % quantile of 4,000 exact draws: smaller numbers cannot be told
from zero.
"""

import collections
import functools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks import run
from benchmarks.posteriordb import collection

TRUSTED = ("good", "reweighted", "refined")
ERRORS = {"mean_max": "mean", "sd_max": "log sd", "q_max": "quantiles"}
KINDS = {
    "regressions": "linear regressions",
    "series": "time series, hidden Markov models",
    "processes": "Gaussian processes, differential equations",
    "hierarchies": "hierarchy, mixture",
}
#: Errors beyond those of exact draws by more than this are wrong results.
WRONG = 0.1

Row = dict[str, Any]


@functools.cache
def floors_of(name: str) -> dict[str, float]:
    """Errors of exact draws; without reference draws, the largest for moments elsewhere."""
    floors = collection.load(name).floors
    if floors:
        return floors
    others = [collection.load(other).floors for other in collection.names()]
    return {key: max(floors[key] for floors in others if floors) for key in ("mean_max", "sd_max")}


def excess(row: Row) -> dict[str, float]:
    """Errors of a fit minus those of exact draws."""
    floors = floors_of(row["case"].partition("/")[2])
    return {key: row[key] - floor for key, floor in floors.items() if key in ERRORS and key in row}


def largest(rows: list[Row], key: str) -> float:
    """The largest error of fits with a trusted verdict; NaN where there is none."""
    values = [row.get(key, np.nan) for row in rows if row.get("verdict") in TRUSTED]
    return max((value for value in values if not np.isnan(value)), default=np.nan)


def is_above(row: Row, margin: float) -> bool:
    """Whether a trusted fit has an error above those of exact draws by more than a margin."""
    return row.get("verdict") in TRUSTED and max(excess(row).values()) > margin


def counted(values: list[str]) -> str:
    """Verdicts, the most frequent first."""
    found = collections.Counter(values).most_common()
    return ", ".join(value if len(found) == 1 else f"{value} {count}" for value, count in found)


def line(name: str, rows: list[Row], checked: Row | None) -> Row:
    """A line of the table."""
    posterior = collection.load(name)
    result: Row = {"case": name, "dim": posterior.dim}
    result["verdict"] = counted([row.get("verdict", "failed") for row in rows])
    for key in ERRORS:
        worst, floor = largest(rows, key), posterior.floors.get(key)
        if not np.isnan(worst):
            result[key] = f"{worst:.3f}" + (f" ({floor:.3f})" if floor is not None else "")
    for key in ("num_gradient_evaluations", "seconds"):
        result[key] = float(np.median([row[key] for row in rows if key in row]))
    if checked is not None:
        result["rhat"], result["lag1"] = checked.get("rhat"), checked.get("autocorrelation")
    return result


def of_kind(kind: str, names: list[str], results: list[Row], checks: dict[str, Row]) -> Row:
    """A line for all posteriors of a kind."""
    cases = {f"posteriordb/{name}" for name in names}
    rows = [row for row in results if row["case"] in cases]
    result: Row = {"kind": kind, "posteriors": len({row["case"] for row in rows})}
    result["verdict"] = counted([row.get("verdict", "failed") for row in rows])
    for key in ERRORS:
        result[key] = largest(rows, key)
    result["above"] = len([row for row in rows if is_above(row, 0.0)])
    result["gradients"] = float(np.median([row["num_gradient_evaluations"] for row in rows]))
    checked = [row for case, row in checks.items() if case in cases]
    if checked:
        satisfied = sum(bool(row.get("satisfied")) for row in checked)
        result["satisfied"] = f"{satisfied} of {len(checked)}"
    return result


def print_kinds(results: list[Row], checks: dict[str, Row]) -> None:
    """The table by kind."""
    kinds: dict[str, list[str]] = {title: [] for title in KINDS.values()}
    for name, entry in collection.ENTRIES.items():
        kinds[KINDS[entry.model.partition(".")[0]]].append(name)
    columns = [("kind", "kind", ""), ("posteriors", "posteriors", "d"), ("verdict", "verdict", "")]
    columns += [(key, title, ".3f") for key, title in ERRORS.items()]
    columns += [("above", "above exact", "d"), ("gradients", "gradients", ",d")]
    columns += [("satisfied", "definition", "")] if checks else []
    lines = [of_kind(kind, names, results, checks) for kind, names in kinds.items()]
    lines.append(of_kind("all", collection.names(), results, checks))
    print(run.markdown(lines, columns) + "\n")


def main() -> None:
    """The command line."""
    results, *more = (json.loads(Path(path).read_text()) for path in sys.argv[1:])
    checks = {row["case"]: row for row in more[0]} if more else {}
    print_kinds(results, checks)
    lines = []
    for name in collection.names():
        rows = [row for row in results if row["case"] == f"posteriordb/{name}"]
        if rows:
            lines.append(line(name, rows, checks.get(f"posteriordb/{name}")))
    columns = [("case", "posterior", ""), ("dim", "d", "d"), ("verdict", "verdict", "")]
    columns += [(key, title, "") for key, title in ERRORS.items()]
    columns += [("num_gradient_evaluations", "gradients", ",d"), ("seconds", "s", ".1f")]
    columns += [("rhat", "R-hat", ".4f"), ("lag1", "lag 1", ".3f")] if checks else []
    print(run.markdown(lines, columns))
    trusted = [row for row in results if row.get("verdict") in TRUSTED]
    print(f"\n{len(results)} fits, {len(trusted)} with a trusted verdict")
    for margin in (0.0, WRONG):
        above = [f"{row['case']} {row['seed']}" for row in results if is_above(row, margin)]
        print(f"trusted, errors of exact draws exceeded by more than {margin}: {above}")


if __name__ == "__main__":
    main()

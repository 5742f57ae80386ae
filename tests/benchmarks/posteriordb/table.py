"""Tables by kind and by posterior, from the rows of ``run.py`` and ``definition.py``.

    python tests/benchmarks/posteriordb/table.py results.json definition.json

Errors are the largest over all quantities and seeds, in sds of the reference, and in brackets the
99 % quantile of 4,000 exact draws: smaller numbers cannot be told from zero.
"""

import collections
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
#: Errors beyond those of exact draws by more than this are wrong results.
WRONG = 0.1

Row = dict[str, Any]


def excess(row: Row) -> dict[str, float]:
    """Errors minus those of exact draws, of those that are known."""
    floors = collection.load(row["case"].partition("/")[2]).floors
    return {key: row[key] - floors[key] for key in ERRORS if floors and key in row}


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
        worst, floor = max(row.get(key, np.nan) for row in rows), posterior.floors.get(key)
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
        result[key] = max(row[key] for row in rows if not np.isnan(row.get(key, np.nan)))
    result["above"] = sum(max(excess(row).values(), default=0.0) > 0 for row in rows)
    result["gradients"] = float(np.median([row["num_gradient_evaluations"] for row in rows]))
    checked = [row for case, row in checks.items() if case in cases]
    if checked:
        satisfied = sum(bool(row.get("satisfied")) for row in checked)
        result["satisfied"] = f"{satisfied} of {len(checked)}"
    return result


def print_kinds(results: list[Row], checks: dict[str, Row]) -> None:
    """The table by kind."""
    kinds: dict[str, list[str]] = {}
    for name, entry in collection.ENTRIES.items():
        kinds.setdefault(entry.model.partition(".")[0], []).append(name)
    columns = [("kind", "kind", ""), ("posteriors", "posteriors", "d"), ("verdict", "verdict", "")]
    columns += [(key, title, ".3f") for key, title in ERRORS.items()]
    columns += [("above", "above exact", "d"), ("gradients", "gradients", ",d")]
    columns += [("satisfied", "definition", "")] if checks else []
    lines = [of_kind(kind, names, results, checks) for kind, names in kinds.items()]
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
    wrong = [row for row in trusted if max(excess(row).values(), default=0.0) > WRONG]
    above = [row for row in trusted if max(excess(row).values(), default=0.0) > 0]
    print(f"\n{len(results)} fits, {len(trusted)} with a trusted verdict")
    print(f"trusted, errors above those of exact draws: {len(above)}")
    print(f"trusted, more than {WRONG} above: {[(row['case'], row['seed']) for row in wrong]}")


if __name__ == "__main__":
    main()

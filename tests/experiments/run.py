"""Runs an experiment of the paper and tables what it measured.

    python tests/experiments/run.py mixture_2 --seeds 0 1 2 --json results.json
    python tests/experiments/run.py all --quick
    python tests/experiments/run.py mixture_20 --methods ibw default

The JSON file is a list of rows and grows with each run: rows of the same experiment, method,
number of components and seed are replaced.  ``--figures`` draws what the file holds.
"""

import argparse
import json
import os
import sys
import time
import traceback
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

Row = dict[str, Any]

COLUMNS = (
    ("experiment", ""),
    ("method", ""),
    ("dim", "d"),
    ("components", "d"),
    ("seed", "d"),
    ("kl", ".4f"),
    ("elbo", ".3f"),
    ("elbo_se", ".3f"),
    ("mass_error", ".3f"),
    ("w2", ".3f"),
    ("accuracy", ".3f"),
    ("rmse", ".3f"),
    ("log_predictive", ".3f"),
    ("verdict", ""),
    ("seconds", ".1f"),
    ("skipped", ""),
)


def names() -> list[str]:
    """Every experiment."""
    from experiments.settings import SETTINGS
    from experiments.studies import STUDIES

    return [*SETTINGS, *STUDIES]


def run_experiment(
    name: str,
    seeds: list[int],
    quick: bool = False,
    chosen: Iterable[str] | None = None,
) -> list[Row]:
    """All rows of an experiment; what fails is a row with its error."""
    from experiments import methods, settings, studies

    if name in studies.STUDIES:
        rows = studies.STUDIES[name](seeds, quick)
        rows = [{"experiment": name, "quick": quick, **row} for row in rows]
        print("\n".join(line(row) for row in rows), flush=True)
        return rows
    setting = settings.SETTINGS[name]
    problem = setting.problem()
    iterations = setting.quick_iterations if quick else setting.iterations
    counts = setting.components[:2] if quick else setting.components
    tasks: list[tuple[Any, ...]] = []
    for method in setting.methods:
        for count in counts:
            run = methods.run_rule if method in methods.RULES else methods.run_full
            tasks.append((method, run, problem, setting, method, count, seeds, iterations))
    for method in setting.others:
        # Beyond 500 dimensions the default takes minutes.
        if quick and (method != "default" or problem.dim > 500):
            continue
        # The baselines are there for scale: one seed says enough.
        for seed in seeds if method == "default" else seeds[:1]:
            if method == "default":
                tasks.append((method, methods.run_default, problem, seed))
                if problem.log_evidence is not None and not quick:
                    # Nothing repairs the mixture then, and it is fitted to the end.
                    mixture = partial(methods.run_default, refine=0)
                    tasks.append((f"{method}, refine=0", mixture, problem, seed))
            else:
                tasks.append((method, methods.run_baseline, problem, method, seed))
    rows = []
    for method, run, *arguments in tasks:
        if chosen is not None and method not in chosen:
            continue
        begin = time.perf_counter()
        try:
            found = run(*arguments)
        except Exception as error:  # whatever goes wrong is a result
            found = [{"method": method, "error": f"{type(error).__name__}: {error}"[:500]}]
            traceback.print_exc()
        for row in found:
            rows.append({"experiment": name, "quick": quick, "dim": problem.dim, **row})
            print(line(rows[-1]), flush=True)
        print(f"    {method}: {time.perf_counter() - begin:.1f} s", file=sys.stderr, flush=True)
    return rows


def line(row: Row) -> str:
    """A row as a line of a table; an error takes the place of a reason to skip."""
    shown = dict(row)
    if "error" in row:
        shown["skipped"] = "FAILED " + row["error"][:80]
    cells = []
    for name, spec in COLUMNS:
        value = shown.get(name)
        if value is None:
            cells.append("")
        elif not spec or isinstance(value, str):
            cells.append(str(value))
        else:
            cells.append(format(int(value) if spec == "d" else float(value), spec))
    return "| " + " | ".join(cells) + " |"


def header() -> str:
    """The head of the table."""
    return line({name: name for name, _ in COLUMNS}) + "\n|" + " --- |" * len(COLUMNS)


def key_of(row: Row) -> tuple[Any, ...]:
    """What makes a row the same measurement as another."""
    return tuple(row.get(k) for k in ("experiment", "method", "dim", "components", "seed", "quick"))


def append_json(path: Path, rows: list[Row]) -> None:
    """Add rows to a JSON list, atomically; newer measurements replace older ones."""
    from experiments.measure import plain

    kept = json.loads(path.read_text()) if path.exists() else []
    new = [plain(row) for row in rows]
    keys = {key_of(row) for row in new}
    kept = [row for row in kept if key_of(row) not in keys] + new
    temporary = path.with_suffix(".tmp")
    lines = ",\n".join(json.dumps(rounded(row), default=float) for row in kept)
    temporary.write_text(f"[\n{lines}\n]\n")
    temporary.replace(path)


def rounded(value: Any) -> Any:
    """Floats with six digits, which is more than any of them means."""
    if isinstance(value, dict):
        return {key: rounded(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [rounded(entry) for entry in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def main() -> None:
    """The command line."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=[], help="experiments, or all")
    parser.add_argument("--quick", action="store_true", help="small sizes, no baselines")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--methods", nargs="*", help="only these")
    parser.add_argument("--json", type=Path, help="file to append the rows to")
    parser.add_argument("--figures", type=Path, help="folder for the figures of the JSON file")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    arguments = parser.parse_args()
    os.environ.setdefault("JAX_ENABLE_X64", "1")
    from threadpoolctl import threadpool_limits

    if arguments.list:
        print("\n".join(names()))
        return
    chosen = names() if arguments.names == ["all"] else arguments.names
    if unknown := [name for name in chosen if name not in names()]:
        raise SystemExit(f"unknown experiments {unknown}; known are {', '.join(names())}")
    print(header(), flush=True)
    for name in chosen:
        # One thread of BLAS, as in a fit: threads that spin take the cores from the model.
        with threadpool_limits(1, user_api="blas"):
            rows = run_experiment(name, arguments.seeds, arguments.quick, arguments.methods)
        if arguments.json:
            append_json(arguments.json, rows)
    if arguments.figures:
        from experiments import figures

        if not arguments.json:
            raise SystemExit("--figures draws what a file of --json holds: name one")
        figures.draw_all(json.loads(arguments.json.read_text()), arguments.figures)


if __name__ == "__main__":
    main()

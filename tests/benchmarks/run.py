"""Fits every case with every seed and tables the errors, the verdicts and the costs.

    python tests/benchmarks/run.py --seeds 0 1 2 --json results.json
    python tests/benchmarks/run.py --only hard funnel --fresh --option "num_components=32"
    python tests/benchmarks/run.py --language pymc --method nuts --only eight_schools

A case that fails is a row with its error, not the end of the run.  ``--fresh`` gives each fit a
process of its own, so that seconds include imports and compilation and memory is the fit's own.
The JSON file is a list of rows, and grows with each run.  Options of a method are Python literals.
The exit status is 1 if a fit failed or has an error above 0.1 under a trusted verdict.
"""

import argparse
import ast
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import cases, metrics
from benchmarks.methods import METHODS, import_libraries

Row = dict[str, Any]

#: Attributes of a result that a row takes over as they are.
ATTRIBUTES = (
    "verdict",
    "advice",
    "converged",
    "stop_reason",
    "elbo",
    "elbo_se",
    "pareto_k",
    "rhat_max",
    "importance_ess",
    "log_evidence",
    "log_evidence_se",
    "num_gradient_evaluations",
)
#: Further attributes, by how their names begin: what each stage cost, if the result says.
STAGES = ("seconds_", "gradients_", "stage_")
#: Exact draws of each component of a target that measure the masses of the fitted modes.
COMPONENT_DRAWS = 20_000

COLUMNS = (
    ("case", "case", ""),
    ("seed", "seed", "d"),
    ("mean_rms", "mean", ".3f"),
    ("mean_max", "max", ".2f"),
    ("sd_rms", "log sd", ".3f"),
    ("q_rms", "quant.", ".3f"),
    ("verdict", "verdict", ""),
    ("pareto_k", "k", ".2f"),
    ("importance_ess", "ESS", ".0f"),
    ("elbo", "ELBO", ".2f"),
    ("evidence_error", "ΔlogZ", "+.3f"),
    ("total_variation", "TV", ".3f"),
    ("num_gradient_evaluations", "gradients", ",d"),
    ("seconds", "s", ".1f"),
    ("stop_reason", "stopped", ""),
)


def run_case(
    name: str,
    seed: int,
    method: str = "isogmm",
    language: str = "numpyro",
    options: dict[str, Any] | None = None,
    *,
    imports_first: bool = False,
) -> Row:
    """Fit one case and measure the result; an exception becomes the entry ``error``.

    ``imports_first`` leaves the imports of the libraries out of ``seconds``.
    """
    row: Row = {"case": name, "seed": seed, "method": method, "language": language}
    if options:
        row["options"] = {key: repr(value) for key, value in options.items()}
    begin = time.perf_counter()
    try:
        case = cases.load(name, language)
        row["dim"] = case.dim
        if imports_first:
            import_libraries()
        # The clock starts before the model is built: fresh processes import the language there.
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            begin = time.perf_counter()
            result = METHODS[method](case, seed, **(options or {}))
            row["seconds"] = time.perf_counter() - begin
            row["finished"] = time.time()
        row["warnings"] = sorted({f"{w.category.__name__}: {w.message}"[:300] for w in caught})
        row |= measure(result, case)
    except Exception as error:  # whatever goes wrong is a result
        row.setdefault("seconds", time.perf_counter() - begin)
        row["error"] = f"{type(error).__name__}: {error}"[:500]
        row["traceback"] = traceback.format_exc()[-3_000:]
    row["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return row


def measure(result: Any, case: cases.Case) -> Row:
    """Errors of the draws and attributes of the result, as plain numbers and strings."""
    row: Row = metrics.compare(result, case.reference())
    for key, value in dict(getattr(result, "attrs", {})).items():
        if key in ATTRIBUTES or key.startswith(STAGES):
            row[key] = value.item() if hasattr(value, "item") else value
    if case.log_evidence is not None:
        if _is_number(row.get("log_evidence")):
            row["evidence_error"] = row["log_evidence"] - case.log_evidence
        if _is_number(row.get("elbo")):
            row["kl"] = case.log_evidence - row["elbo"]
    if case.mode_of is not None and case.masses is not None:
        draws = metrics.rows_of(result, {"x": np.zeros(case.dim)})
        counts = np.bincount(case.mode_of(draws), minlength=len(case.masses))
        row["total_variation"] = metrics.total_variation(counts, case.masses)
        row["modes"], row["modes_found"] = len(case.masses), int(np.sum(counts > 0))
        row["mass_error"] = float(np.abs(counts / max(counts.sum(), 1) - case.masses).max())
        row |= mode_masses(result, case)
    return row


def mode_masses(result: Any, case: cases.Case) -> Row:
    """Estimated masses of the fitted modes and the true masses of their regions, with errors.

    The true mass of a region is Σ_k w_k s_k, with w_k the masses of the components of the target
    and s_k the shares of their exact draws in the region.
    """
    if not hasattr(result, "fit") or "mode_mass" not in result.fit or not case.components:
        return {}
    from isogmm.draws.evidence import regions_of
    from isogmm.mixtures.stored import mixture_from

    masses = np.asarray(result.fit["mode_mass"])
    modes = np.asarray(result.fit["component_mode"]).ravel()
    mixture = mixture_from(result).pooled()
    generator = np.random.default_rng(0)
    truth, variances = np.zeros(len(masses)), np.zeros(len(masses))
    for mass, draw in case.components:
        regions = regions_of(draw(generator, COMPONENT_DRAWS), mixture, modes)
        shares = np.bincount(regions, minlength=len(masses)) / COMPONENT_DRAWS
        truth += mass * shares
        variances += mass**2 * shares * (1.0 - shares) / COMPONENT_DRAWS
    return {
        "mode_mass": masses.tolist(),
        "mode_mass_se": np.asarray(result.fit["mode_mass_se"]).tolist(),
        "region_mass": truth.tolist(),
        "region_mass_se": np.sqrt(variances).tolist(),
    }


def run_fresh(
    name: str,
    seed: int,
    method: str,
    language: str,
    options: dict[str, Any],
    timeout: float,
    *,
    imports_first: bool = False,
) -> Row:
    """:func:`run_case` in a process of its own; adds ``wall``, its whole time to the result.

    What PyTensor compiled before does not count: each process has an empty directory for it.
    """
    texts = {key: repr(value) for key, value in options.items()}
    request = json.dumps([name, seed, method, language, texts, imports_first])
    row: Row = {"case": name, "seed": seed, "method": method, "language": language}
    with tempfile.TemporaryDirectory() as compiled:
        flags = [os.environ.get("PYTENSOR_FLAGS", ""), f"base_compiledir={compiled}"]
        begin = time.time()
        try:
            done = subprocess.run(
                [sys.executable, __file__, "--worker", request],
                env=os.environ | {"PYTENSOR_FLAGS": ",".join(filter(None, flags))},
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return row | {"error": f"no result after {timeout:.0f} s", "seconds": timeout}
    lines = [line for line in done.stdout.splitlines() if line.startswith("ROW ")]
    if not lines:
        return row | {"error": f"exit {done.returncode}: {done.stderr[-500:]}"}
    row = json.loads(lines[-1][4:])
    if "finished" in row:
        row["wall"] = row["finished"] - begin
    return row


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def solved(row: Row) -> bool:
    """Whether the errors are at most the bar of the case."""
    if row["case"] in cases.QUANTILE_BAR:
        wanted = [
            (row.get("mean_rms"), cases.BAR),
            (row.get("q_rms"), cases.QUANTILE_BAR[row["case"]]),
        ]
    else:
        wanted = [(row.get("mean_rms"), cases.BAR), (row.get("sd_rms"), cases.BAR)]
        # Without a second moment the quantiles speak.
        if row.get("sd_rms") is None or math.isnan(row["sd_rms"]):
            wanted = [(row.get("q_rms"), 0.08)]
    return all(value is not None and value <= bar for value, bar in wanted)


def largest_error(row: Row) -> float:
    """The larger of the mean and log sd errors (quantiles where there is no sd), or infinity."""
    if "error" in row:
        return math.inf
    spread = row["sd_rms"]
    if row["case"] in cases.QUANTILE_BAR or math.isnan(spread):
        spread = row["q_rms"]
    return math.inf if math.isnan(row["mean_rms"] + spread) else max(row["mean_rms"], spread)


def summary(rows: Iterable[Row]) -> Row:
    """Counts over rows: solved, failed, and whether the verdicts were honest."""
    rows = list(rows)
    judged = [row for row in rows if row.get("verdict")]
    good_fits = [row for row in judged if largest_error(row) <= cases.BAR]
    seconds = [row["seconds"] for row in rows if "seconds" in row]
    gradients = [row["num_gradient_evaluations"] for row in rows if row.get(ATTRIBUTES[-1])]
    return {
        "fits": len(rows),
        "solved": sum(solved(row) for row in rows),
        "failed": sum("error" in row for row in rows),
        "trusted, error above 0.1": [
            f"{row['case']} {row['seed']}"
            for row in judged
            if row["verdict"] != "unreliable" and largest_error(row) > 0.1
        ],
        "solved, called unreliable": [
            f"{row['case']} {row['seed']}" for row in good_fits if row["verdict"] == "unreliable"
        ],
        "median seconds": float(np.median(seconds)) if seconds else None,
        "median gradients": float(np.median(gradients)) if gradients else None,
    }


def format_cell(value: Any, spec: str) -> str:
    """A value as the table shows it; empty where there is none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if not spec or isinstance(value, str):
        return str(value)
    return format(int(value) if spec.endswith("d") else float(value), spec)


def markdown(rows: Iterable[Row], columns: Iterable[tuple[str, str, str]] = COLUMNS) -> str:
    """Rows as a Markdown table; an error takes the place of the verdict."""
    columns = list(columns)
    lines = [
        "| " + " | ".join(title for _, title, _ in columns) + " |",
        "|" + " --- |" * len(columns),
    ]
    for row in rows:
        shown = dict(row)
        if "error" in row:
            shown["verdict"] = "FAILED: " + " ".join(row["error"].split())[:80].replace("|", "/")
        cells = [format_cell(shown.get(key), spec) for key, _, spec in columns]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def append_json(path: Path, row: Row) -> None:
    """Add a row to a JSON list, atomically: an interrupt loses at most one row."""
    rows = json.loads(path.read_text()) if path.exists() else []
    rows.append({key: value for key, value in row.items() if key != "finished"})
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(rows, indent=1, default=float))
    temporary.replace(path)


def parse_options(entries: Iterable[str]) -> dict[str, Any]:
    """``["num_components=32", "init='zero'"]`` as keyword arguments."""
    options = {}
    for entry in entries:
        key, _, text = entry.partition("=")
        try:
            options[key] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            options[key] = text
    return options


def choose(only: list[str], language: str, sources: tuple[str, ...]) -> list[str]:
    """Names of the cases that contain one of the given words; an unknown word is an error."""
    known = cases.names(language, sources)
    for word in only:
        if not any(word in name for name in known):
            raise SystemExit(f"no case contains {word!r}; known are {', '.join(known)}")
    return [name for name in known if not only or any(word in name for word in only)]


def _worker(request: str) -> None:
    name, seed, method, language, options, imports_first = json.loads(request)
    options = {key: ast.literal_eval(text) for key, text in options.items()}
    row = run_case(name, seed, method, language, options, imports_first=imports_first)
    print("ROW " + json.dumps(row, default=float), flush=True)


def main() -> int:
    """The command line; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[], help="parts of the names of cases")
    parser.add_argument("--skip", nargs="*", default=[], help="parts of names to leave out")
    parser.add_argument("--sources", nargs="*", default=["pdb", "hard", "synthetic"])
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--method", default="isogmm", choices=sorted(METHODS))
    parser.add_argument("--language", default="numpyro", choices=["numpyro", "pymc"])
    parser.add_argument("--option", action="append", default=[], help="key=value for the method")
    parser.add_argument("--json", type=Path, help="file to append the rows to")
    parser.add_argument("--fresh", action="store_true", help="each fit in a fresh process")
    parser.add_argument("--timeout", type=float, default=900.0, help="seconds a fresh fit may take")
    parser.add_argument("--float32", action="store_true", help="JAX's default precision")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    os.environ.setdefault("JAX_ENABLE_X64", "0" if arguments.float32 else "1")
    if arguments.worker:
        _worker(arguments.worker)
        return 0
    chosen = choose(arguments.only, arguments.language, tuple(arguments.sources))
    chosen = [name for name in chosen if not any(word in name for word in arguments.skip)]
    if arguments.list:
        print("\n".join(chosen))
        return 0
    options = parse_options(arguments.option)
    rows = []
    print(markdown([]), flush=True)
    for name in chosen:
        for seed in arguments.seeds:
            request = (name, seed, arguments.method, arguments.language, options)
            row = run_fresh(*request, arguments.timeout) if arguments.fresh else run_case(*request)
            rows.append(row)
            if arguments.json:
                append_json(arguments.json, row | {"float32": arguments.float32})
            print(markdown([row]).splitlines()[-1], flush=True)
            for text in row.get("warnings", []):
                print(f"    {text}", file=sys.stderr, flush=True)
    print()
    counts = summary(rows)
    for key, value in counts.items():
        print(f"{key}: {value}")
    return int(bool(counts["failed"] or counts["trusted, error above 0.1"]))


if __name__ == "__main__":
    sys.exit(main())

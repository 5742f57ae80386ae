"""How often a verdict is wrong, and how often the intervals of a fit contain the truth.

    python tests/benchmarks/random_targets.py --first 400 --count 40 --json random.json
    python tests/benchmarks/run.py --sources pdb hard --json posteriors.json
    python tests/benchmarks/calibrate_models.py --json calibration.json
    python tests/benchmarks/reliability.py --results random.json posteriors.json calibration.json \\
        --exact --figure docs/images/benchmark_reliability.svg

Reads the rows of these three commands, in any order, and prints the tables of docs/benchmarks.md.
It takes seconds; ``--exact`` adds 4,000 exact draws of each random target, about one second for
each.  Rows of one target and seed in several files count once: the last one is kept.
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binomtest, norm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.cases import QUANTILE_BAR
from benchmarks.random_targets import MIN_MASS, TRUSTED, is_wrong

Row = dict[str, Any]
#: Estimate, its standard error, and the truth.
Interval = tuple[float, float, float]

#: Largest error of a mean or log sd, in sds, that counts as accurate.
LIMIT = 0.1
#: Largest R-hat that counts as converged (Vehtari et al. 2021).
MAX_RHAT = 1.01
VERDICTS = (*TRUSTED, "unreliable")


def error_of(row: Row) -> float:
    """The largest error of a mean or log sd of all variables, in sds; infinite for failed fits.

    Where the sd does not exist, or is a poor summary of a far tail, the root mean square of the
    errors of the quantiles takes the place of the log sd.
    """
    mean, spread = row.get("mean_max", math.nan), row.get("sd_max", math.nan)
    if row["case"] in QUANTILE_BAR or (math.isnan(spread) and not math.isnan(mean)):
        spread = row["q_rms"]
    return math.inf if math.isnan(mean + spread) else max(mean, spread)


def misses_modes(row: Row) -> bool:
    """Whether a mode of the target has no draw, or a mass that is off by about all of it."""
    missing = row.get("modes_found", 0) < row.get("modes", 0)
    return missing or row.get("mass_error", 0.0) > 0.9 * MIN_MASS


def share(count: int, total: int) -> str:
    """Count of total, and the share with its exact 95 % binomial interval, in percent."""
    if total == 0:
        return "0 of 0"
    low, high = binomtest(count, total).proportion_ci(0.95, method="exact")
    return f"{count} of {total}: {count / total:.1%} ({low:.1%}, {high:.1%})".replace("%", " %")


def read(paths: Iterable[Path]) -> tuple[list[Row], list[Row], list[Row]]:
    """Rows of fits and of NUTS, one for each case and seed, and rows of calibration."""
    fits: dict[tuple[str, int], Row] = {}
    nuts: dict[tuple[str, int], Row] = {}
    calibrations: dict[str, Row] = {}
    for path in paths:
        for row in json.loads(path.read_text()):
            if "case" in row:
                method = row.get("method", "isogmm")
                if method in ("isogmm", "nuts"):
                    rows = nuts if method == "nuts" else fits
                    rows[row["case"], row["seed"]] = row
            else:
                calibrations[row["model"]] = row
    return list(fits.values()), list(nuts.values()), list(calibrations.values())


def verdict_table(rows: list[Row]) -> str:
    """P(error > 0.1 sd | verdict) and P(wrong | verdict), with the fits that miss a mode."""
    lines = [
        "| verdict | error above 0.1 sd | wrong | misses a mode |",
        "| --- | --- | --- | --- |",
    ]
    groups = [(word, [r for r in rows if r.get("verdict") == word]) for word in VERDICTS]
    groups.insert(3, ("any trusted verdict", [r for r in rows if r.get("verdict") in TRUSTED]))
    for word, found in groups:
        counts = (
            sum(error_of(r) > LIMIT for r in found),
            sum(is_wrong(r) for r in found),
            sum(misses_modes(r) for r in found),
        )
        if found:
            shares = " | ".join(share(count, len(found)) for count in counts)
            lines.append(f"| {word} | {shares} |")
    return "\n".join(lines)


def false_alarms(rows: list[Row]) -> str:
    """P(unreliable | correct), where a correct fit is within the limit of 0.1."""
    correct = [row for row in rows if error_of(row) <= LIMIT]
    return share(sum(row.get("verdict") not in TRUSTED for row in correct), len(correct))


def evidence_intervals(rows: Iterable[Row]) -> list[Interval]:
    """Log evidence, its standard error and the truth."""
    return [
        (row["log_evidence"], row["log_evidence_se"], row["log_evidence"] - row["evidence_error"])
        for row in rows
        if "evidence_error" in row
    ]


def mass_intervals(rows: Iterable[Row]) -> list[Interval]:
    """Masses of all fitted modes but the largest; the masses add up to one.

    The true mass is that of the region of the fitted mode, as measured by exact draws.
    """
    found: list[Interval] = []
    for row in rows:
        truth = np.array(row.get("region_mass", []))
        errors = np.hypot(row.get("mode_mass_se", []), row.get("region_mass_se", []))
        found += [
            (float(row["mode_mass"][mode]), float(errors[mode]), float(truth[mode]))
            for mode in np.argsort(truth)[:-1]
        ]
    return found


def covered(intervals: list[Interval], level: float) -> int:
    """How many intervals of this level contain the truth."""
    width = norm.ppf(0.5 + 0.5 * level)
    return sum(abs(value - truth) <= width * se for value, se, truth in intervals)


def coverage_table(rows: list[Row]) -> str:
    """Coverage of 95 % intervals in trusted fits, all of them and those that find every mode."""
    trusted = [row for row in rows if row.get("verdict") in TRUSTED]
    complete = [row for row in trusted if not misses_modes(row)]
    lines = ["| 95 % intervals of | contain the truth |", "| --- | --- |"]
    for words, intervals in (
        ("log evidence, fits that find all modes", evidence_intervals(complete)),
        ("log evidence, all trusted fits", evidence_intervals(trusted)),
        ("masses, fits that find all modes", mass_intervals(complete)),
    ):
        lines.append(f"| {words} | {share(covered(intervals, 0.95), len(intervals))} |")
    return "\n".join(lines)


def calibration_line(rows: list[Row]) -> str:
    """Simulation-based calibration in one line."""
    if not rows:
        return "no results of simulation-based calibration"
    counts = {word: sum(row["verdicts"].get(word, 0) for row in rows) for word in VERDICTS}
    failed = [row["model"] for row in rows if not row["calibrated"]]
    words = ", ".join(f"{count} {word}" for word, count in counts.items())
    return (
        f"simulation-based calibration: {len(rows)} models, {sum(counts.values())} fits ({words}); "
        f"ranks not uniform: {', '.join(failed) or 'none'}; "
        f"smallest corrected p value {min(row['p'] for row in rows):.2g}"
    )


def rhat_lines(rows: list[Row]) -> str:
    """The same shares for NUTS, whose verdict is R-hat."""
    passed = [row for row in rows if row.get("rhat_max", math.inf) <= MAX_RHAT]
    accurate = [row for row in rows if error_of(row) <= LIMIT]
    wrong = sum(error_of(row) > LIMIT for row in passed)
    alarms = sum(row.get("rhat_max", math.inf) > MAX_RHAT for row in accurate)
    return (
        f"NUTS, {len(rows)} runs: R-hat at most {MAX_RHAT}, error above 0.1 sd: "
        f"{share(wrong, len(passed))}\nlarger R-hat although accurate: "
        f"{share(alarms, len(accurate))}"
    )


def exact_rows(rows: Iterable[Row]) -> list[Row]:
    """Rows of 4,000 exact draws of the same targets: what an exact method scores."""
    from benchmarks.run import run_case

    return [run_case(row["case"], row["seed"], "exact") for row in rows]


def main() -> None:
    """The command line."""
    os.environ.setdefault("MPLBACKEND", "agg")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, nargs="+", required=True)
    parser.add_argument("--figure", type=Path, help="file for the reliability diagram")
    parser.add_argument("--exact", action="store_true", help="exact draws of the random targets")
    arguments = parser.parse_args()
    fits, nuts, calibrations = read(arguments.results)
    random = [row for row in fits if row["case"].startswith("random/")]
    exact = exact_rows(random) if arguments.exact else []
    for title, rows in (
        ("random targets", random),
        ("posteriors", [row for row in fits if row["case"].startswith(("pdb/", "hard/"))]),
    ):
        if rows:
            print(f"## {title}: {len(rows)} fits\n\n{verdict_table(rows)}\n")
            print(f"unreliable although accurate: {false_alarms(rows)}\n")
    if random:
        print(coverage_table(random) + "\n")
    if exact:
        above = sum(error_of(row) > LIMIT for row in exact)
        wrong = sum(is_wrong(row) for row in exact)
        print(f"exact draws with an error above 0.1 sd: {share(above, len(exact))}")
        print(f"exact draws that count as wrong: {share(wrong, len(exact))}\n")
    if nuts:
        print(rhat_lines(nuts) + "\n")
    print(calibration_line(calibrations))
    if arguments.figure:
        import matplotlib.pyplot as plt

        from benchmarks.figures import STYLE, write
        from benchmarks.reliability_figure import draw

        with plt.rc_context(STYLE):
            write(draw(random, exact), arguments.figure)


if __name__ == "__main__":
    main()

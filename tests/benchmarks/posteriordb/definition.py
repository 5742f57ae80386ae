"""Applies posteriordb's definition of reference draws to 10,000 draws of fits.

    python tests/benchmarks/posteriordb/definition.py --json definition.json

posteriordb asks for 10,000 draws, an R-hat below 1.01 for each quantity, and an autocorrelation at
lag 1, in the mean over the chains, of absolute value below 0.05.  Its further criteria are about
HMC in Stan: energies and divergent transitions.  As there, the draws are 10 chains of 1,000.  The
HMC chains of a default fit record 50 transitions for them, which are too few for 10,000 independent
draws; ``--recorded 200`` records four times as many.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks import cases, metrics, run
from benchmarks.methods import isogmm
from benchmarks.posteriordb import collection

MAX_RHAT, MAX_AUTOCORRELATION = 1.01, 0.05
CHAINS, DRAWS = 10, 1_000
#: Budget of fits with ``--recorded``.
MAX_GRADIENTS = 10_000_000
COLUMNS = (
    ("case", "case", ""),
    ("seed", "seed", "d"),
    ("verdict", "verdict", ""),
    ("rhat", "R-hat", ".4f"),
    ("autocorrelation", "lag 1", ".3f"),
    ("ess_bulk", "bulk ESS", ",d"),
    ("repeated", "repeated", "d"),
    ("mean_max", "mean", ".3f"),
    ("sd_max", "log sd", ".3f"),
    ("num_gradient_evaluations", "gradients", ",d"),
    ("seconds", "s", ".1f"),
    ("satisfied", "satisfied", ""),
)


def autocorrelation(draws: np.ndarray) -> np.ndarray:
    """Autocorrelation at lag 1 of draws (c, n, k), in the mean over the chains."""
    centered = draws - draws.mean(axis=1, keepdims=True)
    products = (centered[:, 1:] * centered[:, :-1]).sum(axis=1)
    with np.errstate(all="ignore"):
        return np.mean(products / (centered**2).sum(axis=1), axis=0)


def criteria(draws: np.ndarray) -> dict[str, Any]:
    """The criteria for draws (c, n, k): the worst value of each, and whether all are satisfied."""
    from isogmm.results.arviz.versions import ess
    from isogmm.results.rhat import rhat

    row: dict[str, Any] = {
        "rhat": float(np.max(rhat(draws))),
        "autocorrelation": float(np.max(np.abs(autocorrelation(draws)))),
        "ess_bulk": float(np.min(ess(draws))),
    }
    rows = draws.reshape(-1, draws.shape[-1])
    row["repeated"] = len(rows) - len(np.unique(rows, axis=0))
    row["satisfied"] = bool(
        len(rows) >= 10_000
        and row["rhat"] < MAX_RHAT
        and row["autocorrelation"] < MAX_AUTOCORRELATION
    )
    return row


def check(name: str, seed: int, options: dict[str, Any]) -> dict[str, Any]:
    """Fit a posterior and check its draws; an exception becomes the entry ``error``."""
    kept: dict[str, Any] = {}

    def method(case: cases.Case, seed: int, **options: Any) -> Any:
        kept["result"] = isogmm(case, seed, chains=CHAINS, draws=DRAWS, **options)
        return kept["result"]

    run.METHODS["definition"] = method
    row = run.run_case(name, seed, "definition", options=options)
    if "result" in kept:
        reference = collection.load(name.partition("/")[2]).reference
        rows = metrics.rows_of(kept["result"], reference.mean)
        row |= criteria(rows.reshape(CHAINS, DRAWS, -1))
    return row


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[], help="parts of the names of cases")
    parser.add_argument("--skip", nargs="*", default=[], help="parts of names to leave out")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--recorded", type=int, help="recorded transitions of the HMC chains")
    parser.add_argument("--json", type=Path, help="file to append the rows to")
    arguments = parser.parse_args()
    os.environ.setdefault("JAX_ENABLE_X64", "1")
    options: dict[str, Any] = {}
    if arguments.recorded:
        from isogmm import Refine

        options["refine"] = Refine(min_recorded=arguments.recorded, max_gradients=MAX_GRADIENTS)
    rows = []
    print(run.markdown([], COLUMNS), flush=True)
    for name in run.choose(arguments.only, "numpyro", ("posteriordb",)):
        if any(word in name for word in arguments.skip):
            continue
        for seed in arguments.seeds:
            row = check(name, seed, options)
            rows.append(row)
            print(run.markdown([row], COLUMNS).splitlines()[-1], flush=True)
            if arguments.json:
                run.append_json(arguments.json, row)
    print(f"\n{sum(bool(row.get('satisfied')) for row in rows)} of {len(rows)} satisfy it")


if __name__ == "__main__":
    main()

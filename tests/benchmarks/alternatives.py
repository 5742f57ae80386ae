"""The default fit beside nutpie, pm.sample, DADVI, Pathfinder, MCLMC and LAPS: errors and seconds.

    python tests/benchmarks/alternatives.py --json alternatives.json
    python tests/benchmarks/alternatives.py --cases many_rows --methods isogmm_pymc nutpie

Each method runs twice, each time in a fresh process, from the start of the process to the result:
once with empty caches (cold), and once with the compiled programs that the first run stored on
disk (warm).  Processor seconds are those of the process and its children.  It takes about half an
hour on two cores.  Requires ``nutpie`` and ``pymc-extras``, which isogmm does not depend on.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import cases, metrics, microcanonical
from benchmarks.many_rows_case import many_rows
from benchmarks.methods import METHODS as OWN_METHODS
from benchmarks.run import append_json, markdown

Row = dict[str, Any]

CASES = (
    "pdb/eight_schools-eight_schools_noncentered",
    "pdb/seeds_data-seeds_centered_model",
    "hard/item_response_2pl",
    "many_rows",
)
COLUMNS = (
    ("case", "case", ""),
    ("method", "method", ""),
    ("mean_rms", "mean", ".3f"),
    ("sd_rms", "log sd", ".3f"),
    ("verdict", "verdict", ""),
    ("cold_processor", "processor s, cold", ".0f"),
    ("warm_processor", "warm", ".0f"),
    ("cold_wall", "s, cold", ".0f"),
    ("warm_wall", "warm", ".0f"),
)


def nutpie(case: cases.Case, seed: int, adaptation: str = "diag") -> Any:
    """Nutpie's NUTS with its own defaults."""
    import nutpie as library

    compiled = library.compile_pymc_model(case.build()[0])
    return library.sample(compiled, seed=seed, progress_bar=False, adaptation=adaptation)


def pm_sample(case: cases.Case, seed: int) -> Any:
    """PyMC's own NUTS."""
    import pymc as pm

    with case.build()[0]:
        return pm.sample(random_seed=seed, progressbar=False, nuts_sampler="pymc")


def dadvi(case: cases.Case, seed: int) -> Any:
    """Deterministic ADVI, with 4,000 draws."""
    from pymc_extras.inference import fit_dadvi

    model = case.build()[0]
    return fit_dadvi(model, n_draws=4_000, random_seed=seed, progressbar=False)


def pathfinder(case: cases.Case, seed: int) -> Any:
    """Multi-path Pathfinder, with 4,000 draws."""
    from pymc_extras.inference import fit_pathfinder

    model = case.build()[0]
    settings = {"progressbar": False, "parallel": False}
    return fit_pathfinder(model, num_draws=4_000, random_seed=seed, **settings)


#: Language and function of each method.
METHODS = {
    "isogmm_pymc": ("pymc", OWN_METHODS["isogmm"]),
    "nutpie": ("pymc", nutpie),
    "nutpie_low_rank": ("pymc", lambda case, seed: nutpie(case, seed, "low_rank")),
    "pm_sample": ("pymc", pm_sample),
    "dadvi": ("pymc", dadvi),
    "pathfinder": ("pymc", pathfinder),
    "isogmm_numpyro": ("numpyro", OWN_METHODS["isogmm"]),
    "nuts_numpyro": ("numpyro", OWN_METHODS["nuts"]),
    "adjusted_mclmc": ("numpyro", microcanonical.adjusted_mclmc),
    "laps": ("numpyro", microcanonical.laps),
}


def load(name: str, language: str) -> cases.Case:
    """A case of the benchmark, or the regression with many rows."""
    return many_rows(language) if name == "many_rows" else cases.load(name, language)


def worker(name: str, method: str, seed: int, folder: str) -> None:
    """One run; prints its row."""
    language, function = METHODS[method]
    if language == "numpyro" or method.startswith("isogmm"):
        import isogmm

        isogmm.enable_compilation_cache(folder)
    case = load(name, language)
    result = function(case, seed)
    finished = time.time()
    usage = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    row: Row = {"finished": finished, "processor": sum(u.ru_utime + u.ru_stime for u in usage)}
    row |= metrics.compare(result, case.reference())
    attributes = dict(getattr(result, "attrs", {}))
    for key in ("verdict", "num_gradient_evaluations", "stage_seconds"):
        if key in attributes:
            row[key] = attributes[key]
    print("ROW " + json.dumps(row, default=float), flush=True)


def run(name: str, method: str, seed: int, folder: str, timeout: float) -> Row:
    """One run in a fresh process with its caches in ``folder``."""
    flags = [os.environ.get("PYTENSOR_FLAGS", ""), f"base_compiledir={folder}/pytensor"]
    environment = os.environ | {
        "PYTENSOR_FLAGS": ",".join(filter(None, flags)),
        "NUMBA_CACHE_DIR": f"{folder}/numba",
        "JAX_ENABLE_X64": "1",
    }
    request = json.dumps([name, method, seed, f"{folder}/jax"])
    begin = time.time()
    try:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", __file__, "--worker", request],
            env=environment, capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {"error": f"no result after {timeout:.0f} s"}
    lines = [line for line in done.stdout.splitlines() if line.startswith("ROW ")]
    if not lines:
        return {"error": f"exit {done.returncode}: {done.stderr[-500:]}"}
    row = json.loads(lines[-1][4:])
    return row | {"wall": row.pop("finished") - begin}


def compare(name: str, method: str, seed: int, timeout: float) -> Row:
    """Cold and warm run of one method."""
    with tempfile.TemporaryDirectory() as folder:
        cold = run(name, method, seed, folder, timeout)
        warm = {} if "error" in cold else run(name, method, seed, folder, timeout)
    row = {"case": name.rpartition("-")[2].rpartition("/")[2], "method": method, "seed": seed}
    for label, result in (("cold", cold), ("warm", warm)):
        for key in ("processor", "wall", "stage_seconds"):
            if key in result:
                row[f"{label}_{key}"] = result.pop(key)
    return row | warm | cold


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="*", default=list(CASES))
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=METHODS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds of one run")
    parser.add_argument("--json", type=Path, help="file to append the rows to")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        worker(*json.loads(arguments.worker))
        return
    print(markdown([], COLUMNS), flush=True)
    for name in arguments.cases:
        for method in arguments.methods:
            row = compare(name, method, arguments.seed, arguments.timeout)
            if arguments.json:
                append_json(arguments.json, row)
            print(markdown([row], COLUMNS).splitlines()[-1], flush=True)


if __name__ == "__main__":
    main()

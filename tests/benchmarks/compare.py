"""isogmm beside other methods on the posteriors with reference draws: tables of isogmm.compare.

    python tests/benchmarks/compare.py --jobs 2 --json compare.json
    python tests/benchmarks/compare.py --only arK --methods isogmm nuts

Every posterior has a process of its own; a method that fails is a row with its error.  The
reference draws are those kept with the collection, so that the floors, what an exact method would
score against them, are a good part of the smaller errors.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import cases
from benchmarks.run import choose, markdown

METHODS = (
    "isogmm",
    "nuts",
    "advi",
    "fullrank_advi",
    "laplace",
    "pathfinder",
    "svgd",
    "flow",
    "alpha_vi",
)
COLUMNS = (
    ("method", "method", ""),
    ("mean_rms", "mean", ".3f"),
    ("log_sd_rms", "log sd", ".3f"),
    ("quantile_rms", "quantiles", ".3f"),
    ("mean_rms_floor", "floor of mean", ".3f"),
    ("sliced_w2", "sliced W2", ".3f"),
    ("sliced_w2_floor", "its floor", ".3f"),
    ("mmd2", "MMD²", ".4f"),
    ("mmd2_se", "± ", ".4f"),
    ("rhat_max", "R-hat", ".2f"),
    ("pareto_k", "Pareto k", ".2f"),
    ("log_evidence", "log evidence", ".2f"),
    ("elpd_loo", "elpd", ".1f"),
    ("gradient_evaluations", "gradients", ",.0f"),
    ("seconds", "s", ".1f"),
)


def compare_case(name: str, language: str, methods: list[str], seed: int) -> dict[str, Any]:
    """All methods on one posterior; errors by method where one fails."""
    import isogmm
    from isogmm import baselines
    from isogmm.inference_data import from_groups

    case = cases.load(name, language)
    model, model_kwargs = case.build()
    reference = {
        key: (
            ("chain", "draw", *(f"{key}_dim_{axis}" for axis in range(np.ndim(value) - 1))),
            np.asarray(value)[None],
        )
        for key, value in case.reference().draws.items()
    }
    results = {"reference": from_groups({"posterior": xr.Dataset(reference)})}
    failed = {}
    for method in methods:
        function = isogmm.fit_isogmm if method == "isogmm" else getattr(baselines, method)
        quiet = {"progressbar": False} if method == "isogmm" else {}
        try:
            results[method] = function(
                model, model_kwargs=model_kwargs or None, random_seed=seed, **quiet
            )
        except Exception as error:  # whatever goes wrong is a result
            failed[method] = f"{type(error).__name__}: {error}"[:300]
    table = isogmm.compare(results, reference="reference", var_names=sorted(reference))
    rows = [{"method": method, **scores} for method, scores in table.to_dict("index").items()]
    return {"case": name, "rows": rows, "failed": failed}


def _fresh(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    request = json.dumps([name, arguments.language, arguments.methods, arguments.seed])
    begin = time.time()
    done = subprocess.run(
        [sys.executable, __file__, "--worker", request], capture_output=True, text=True, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("ROW ")]
    if not lines:
        return {"case": name, "rows": [], "failed": {"all": done.stderr[-800:]}}
    return json.loads(lines[-1][4:]) | {"seconds": time.time() - begin}


def show(result: dict[str, Any]) -> str:
    """One posterior as a section of a page."""
    rows = [row for row in result["rows"] if row["method"] != "reference"]
    text = f"### {result['case'].partition('/')[2]}\n\n{markdown(rows, COLUMNS)}\n"
    for method, error in result["failed"].items():
        text += f"\n`{method}` failed: {error}\n"
    return text


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[], help="parts of the names of posteriors")
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=METHODS)
    parser.add_argument("--language", default="numpyro", choices=["numpyro", "pymc"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="posteriors at a time")
    parser.add_argument("--json", type=Path, help="file for the rows")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    os.environ.setdefault("JAX_ENABLE_X64", "1")
    if arguments.worker:
        warnings.simplefilter("ignore")
        print("ROW " + json.dumps(compare_case(*json.loads(arguments.worker)), default=float))
        return
    names = choose(arguments.only, arguments.language, ("pdb",))
    with ThreadPoolExecutor(arguments.jobs) as pool:
        results = list(pool.map(lambda name: _fresh(name, arguments), names))
    for result in results:
        print(show(result), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()

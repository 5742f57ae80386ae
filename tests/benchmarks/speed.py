"""Seconds of a default fit beside those of NUTS, and what an iteration costs.

    python tests/benchmarks/speed.py --json speed.json           # NumPyro: 4 x (1,000 + 1,000)
    python tests/benchmarks/speed.py --language pymc             # pm.sample with its defaults
    python tests/benchmarks/speed.py --limit                     # iteration over gradients alone

Each run has a fresh process.  Three clocks, compilation included in each: ``ready`` runs from
building the model to the result with the libraries imported before; ``call`` imports them on its
way; ``whole`` runs from the start of the process.  NumPyro has two ratios, with the libraries
imported (``ratio_ready``) and with their imports (``ratio``); that of PyMC is of whole processes.
Both sides end with an InferenceData; ``..._draws`` leaves out what that took of NumPyro's NUTS,
and leaves it in for the fit.
"""

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import models
from benchmarks.run import STAGES, append_json, choose, format_cell, markdown, run_fresh

Row = dict[str, Any]

COLUMNS = (
    ("case", "case", ""),
    ("dim", "d", "d"),
    ("fit_call", "fit, s", ".1f"),
    ("nuts_call", "NUTS, s", ".1f"),
    ("fit_whole", "fit, whole s", ".1f"),
    ("nuts_whole", "NUTS, whole s", ".1f"),
    ("ratio", "ratio", ".2f"),
    ("ratio_draws", "ratio to the draws", ".2f"),
    ("fit_ready", "fit, imported, s", ".1f"),
    ("nuts_ready", "NUTS, imported, s", ".1f"),
    ("ratio_ready", "ratio, imported", ".2f"),
    ("ratio_ready_draws", "ratio to the draws, imported", ".2f"),
    ("fit_gradients", "gradients", ",d"),
    ("nuts_gradients", "NUTS gradients", ",d"),
    ("fit_mean", "mean", ".3f"),
    ("nuts_mean", "NUTS mean", ".3f"),
    ("fit_sd", "log sd", ".3f"),
    ("nuts_sd", "NUTS log sd", ".3f"),
    ("verdict", "verdict", ""),
)


def compare_speed(name: str, language: str, seed: int, timeout: float) -> Row:
    """One case, fitted and sampled one after the other."""
    row: Row = {"case": name, "language": language, "seed": seed}
    for label, method in (("fit", "isogmm"), ("nuts", "nuts")):
        result = run_fresh(name, seed, method, language, {}, timeout)
        if "error" in result:
            row["error"] = f"{method}: {result['error']}"
        row["dim"] = result.get("dim", row.get("dim"))
        row[f"{label}_call"] = result.get("seconds")
        row[f"{label}_whole"] = result.get("wall")
        row[f"{label}_gradients"] = result.get("num_gradient_evaluations")
        row[f"{label}_mean"] = result.get("mean_rms")
        row[f"{label}_sd"] = result.get("sd_rms")
        if label == "nuts":
            row["nuts_arviz"] = result.get("seconds_arviz")
        else:
            row["verdict"] = result.get("verdict")
            row |= {key: value for key, value in result.items() if key.startswith(STAGES)}
        if language == "numpyro":
            ready = run_fresh(name, seed, method, language, {}, timeout, imports_first=True)
            row[f"{label}_ready"] = ready.get("seconds")
            row[f"{label}_ready_arviz"] = ready.get("seconds_arviz")
            if "error" in ready:
                row["error"] = f"{method}: {ready['error']}"
    if "error" in row:
        return row
    clock = "whole" if language == "pymc" else "call"
    row["ratio"] = row[f"fit_{clock}"] / row[f"nuts_{clock}"]
    if language == "numpyro":
        row["ratio_ready"] = row["fit_ready"] / row["nuts_ready"]
        if row.get("nuts_arviz"):
            row["ratio_draws"] = row["fit_call"] / (row["nuts_call"] - row["nuts_arviz"])
            draws = row["nuts_ready"] - row["nuts_ready_arviz"]
            row["ratio_ready_draws"] = row["fit_ready"] / draws
    return row


def stage_table(rows: list[Row]) -> str:
    """Seconds and gradients by stage, for results that say so; else an empty string."""
    keys = sorted({key for row in rows for key in row if key.startswith(STAGES)})
    if not keys:
        return ""
    columns = [("case", "case", "")]
    columns += [(key, key, ",d" if key.startswith("gradients_") else ".2f") for key in keys]
    return markdown(rows, columns)


def logistic_target(n: int = 10_000, dim: int = 50, x64: bool = True) -> Any:
    """The logistic regression of :mod:`benchmarks.models` as a plain JAX target."""
    import jax.numpy as jnp

    from isogmm.model.jax_target import JaxPrograms, jax_target

    data = models.logistic_data(n, dim)

    def log_density(beta: Any, data: Any) -> Any:
        logits = data["x"] @ beta
        softplus = jnp.logaddexp(jnp.zeros_like(logits), logits)
        return jnp.sum(data["y"] * logits - softplus) - 0.5 * jnp.sum(beta**2)

    data = {name: value.astype(float) for name, value in data.items()}
    programs = JaxPrograms(
        log_density, lambda x, key, data: {"posterior": {"beta": x}}, dim, data, x64=x64
    )
    return jax_target(
        programs,
        data,
        variables={"beta": (dim,)},
        initial_positions=lambda generator, k: generator.uniform(-2, 2, (k, dim)),
    )


def gradient_limit(
    chains: int = 1,
    components: int = 128,
    samples: int = 2,
    iterations: int = 20,
    repeats: int = 5,
) -> Row:
    """Iteration time of :func:`isogmm.optimize.optimize` over that of its gradients alone.

    Logistic regression, n = 10,000, d = 50, in float64, 256 gradients an iteration by default;
    the parts of the default recipe: Bures-Wasserstein steps behind a trust region, antithetic
    pairs, dense map, and the one thread of BLAS that ``fit_isogmm`` sees to.  Both are timed in
    turns on points like the fit's own; the median of the turns' ratios counts.
    """
    from threadpoolctl import threadpool_limits

    from isogmm.mixtures.affine_map import dense_map
    from isogmm.mixtures.isotropic import IsotropicMixture
    from isogmm.optimize import optimize
    from isogmm.optimize.gradients.monte_carlo import MonteCarlo
    from isogmm.optimize.schedules import Constant
    from isogmm.optimize.stopping import MaxIterations
    from isogmm.optimize.updates.bures_wasserstein import BuresWasserstein
    from isogmm.optimize.updates.relative_step import RelativeStep
    from isogmm.optimize.updates.trust_region import TrustRegion

    target = logistic_target()
    generator = np.random.default_rng(0)
    dim = target.dim
    mixture = IsotropicMixture(
        0.3 * generator.standard_normal((chains, components, dim)),
        np.ones((chains, components)),
        np.full((chains, components), -np.log(components)),
        dense_map(np.zeros(dim), 1e-3 * (np.eye(dim) + 0.1)),
    )
    positions = mixture.pooled().sample(generator, chains * components * samples)[0]

    def gradients_alone() -> None:
        for _ in range(iterations):
            target.evaluate(positions)

    def whole_iterations() -> None:
        optimize(
            target,
            mixture,
            estimator=MonteCarlo(num_samples=samples, antithetic=True),
            rule=TrustRegion(RelativeStep(BuresWasserstein())),
            schedule=Constant(0.1),
            stopping=MaxIterations(iterations),
            generator=np.random.default_rng(1),
        )

    ratios, cpu_ratios, gradients, whole = [], [], [], []
    with threadpool_limits(1, user_api="blas"):
        gradients_alone()
        whole_iterations()
        for _ in range(repeats):
            cpu = []
            for work, times in ((gradients_alone, gradients), (whole_iterations, whole)):
                begin, begin_cpu = time.perf_counter(), time.process_time()
                work()
                times.append((time.perf_counter() - begin) / iterations)
                cpu.append(time.process_time() - begin_cpu)
            ratios.append(whole[-1] / gradients[-1])
            cpu_ratios.append(cpu[1] / cpu[0])
    return {
        "case": "logistic regression, n 10,000, d 50",
        "chains": chains,
        "components": components,
        "samples": samples,
        "gradients_ms": 1e3 * float(np.median(gradients)),
        "iteration_ms": 1e3 * float(np.median(whole)),
        "ratio": float(np.median(ratios)),
        "ratio_low": min(ratios),
        "ratio_high": max(ratios),
        # Processor time counts what threads of the linear algebra burn while they wait, and is
        # the steadier of the two on a busy machine.
        "cpu_ratio": float(np.median(cpu_ratios)),
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[], help="parts of the names of cases")
    parser.add_argument("--sources", nargs="*", default=["pdb", "hard"])
    parser.add_argument("--language", default="numpyro", choices=["numpyro", "pymc"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--timeout", type=float, default=900.0)
    parser.add_argument("--json", type=Path, help="file to append the rows to")
    parser.add_argument("--limit", action="store_true", help="only the cost of an iteration")
    arguments = parser.parse_args()
    os.environ.setdefault("JAX_ENABLE_X64", "1")
    if arguments.limit:
        for shape in ((1, 128, 2), (4, 16, 4)):
            row = gradient_limit(*shape)
            if arguments.json:
                append_json(arguments.json, row)
            print(", ".join(f"{key} {format_cell(value, '.4g')}" for key, value in row.items()))
        return
    rows: list[Row] = []
    print(markdown([], COLUMNS), flush=True)
    for name in choose(arguments.only, arguments.language, tuple(arguments.sources)):
        row = compare_speed(name, arguments.language, arguments.seed, arguments.timeout)
        rows.append(row)
        if arguments.json:
            append_json(arguments.json, row)
        print(markdown([row], COLUMNS).splitlines()[-1], flush=True)
    table = stage_table(rows)
    if table:
        print("\n" + table)
    for source in arguments.sources:
        for clock in ("ratio", "ratio_draws", "ratio_ready", "ratio_ready_draws"):
            ratios = [r[clock] for r in rows if r["case"].startswith(source) and clock in r]
            if ratios:
                print(
                    f"\n{source}, {clock}: median {np.median(ratios):.2f}, "
                    f"largest {max(ratios):.2f}, {len(ratios)} cases"
                )


if __name__ == "__main__":
    main()

"""The authors' own code beside this library, in one process: same target, start, K, S and T.

    python tests/experiments/authors.py --authors PATH --json results.json

PATH is a checkout of the code that accompanies arXiv 2506.13613; it needs torch, einops, tqdm and
matplotlib, and nothing of it is part of this project.  Divergences are estimated here for both,
by the same 10,000 draws of each fit.  Seconds are processor time, the best of some rounds in
which the two take turns, one chain, compilation before the clock starts.
"""

import argparse
import contextlib
import io
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

Row = dict[str, Any]

DIMENSIONS = (2, 10, 50, 200)
COMPONENTS = (1, 5, 20)


class Theirs:
    """Their solver on a mixture target of ours.

    Parameters
    ----------
    truth
        Means, variances (k, d) and weights (k,) of the target.
    start
        Our start; one chain.
    step_size, num_samples
        γ and S.
    """

    def __init__(self, truth: Any, start: Any, step_size: float, num_samples: int) -> None:
        from src.optim import VI_GMM
        from src.target import Target

        means, variances, weights = truth
        self._target = Target(
            "gmm",
            "diag",
            means=means,
            covariances=np.stack([np.diag(row) for row in variances]),
            weights=weights,
        )
        self._make, self._start = VI_GMM, start
        self._options = {"learning_rate": step_size, "BG": num_samples, "BKL": 2}

    def run(self, iterations: int) -> tuple[np.ndarray, np.ndarray, float]:
        """Means, variances and seconds of a run."""
        means = self._start.means[0]
        dim = means.shape[1]
        covariances = self._start.variances[0][:, None, None] * np.eye(dim)
        solver = self._make(
            self._target,
            mode="iso",
            n_iterations=iterations,
            means=means.copy(),
            covs=covariances,
            n_components=len(means),
            **self._options,
        )
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            begin = time.process_time()
            solver.optimize(bw=True, plot_iter=10**9, compute_kl=10**9)
            seconds = time.process_time() - begin
        return np.asarray(solver.vgmm.means), np.asarray(solver.vgmm.epsilons), seconds


def ours(target: Any, start: Any, step_size: float, seed: int, iterations: int) -> Any:
    """Means, variances and seconds of our optimization loop with the rule of equation 12."""
    from isogmm.optimize.fused import optimize_fused
    from isogmm.optimize.gradients import MonteCarlo
    from isogmm.optimize.schedules import Constant
    from isogmm.optimize.stopping import MaxIterations
    from isogmm.optimize.updates import BuresWasserstein

    begin = time.process_time()
    result = optimize_fused(
        target,
        start,
        estimator=MonteCarlo(10, antithetic=False),
        rule=BuresWasserstein(step_size),
        schedule=Constant(step_size),
        stopping=MaxIterations(iterations, window=iterations),
        generator=np.random.default_rng([seed, 7]),
    )
    seconds = time.process_time() - begin
    return result.mixture.means[0], result.mixture.variances[0], seconds


def compare(dim: int, count: int, seeds: list[int], iterations: int, rounds: int) -> list[Row]:
    """Divergences of both for every seed, and seconds of an iteration."""
    from experiments import measure, methods
    from experiments.settings import NUM_SAMPLES, SETTINGS
    from experiments.studies import dimension_setting
    from isogmm.mixtures.isotropic import IsotropicMixture

    problem, setting = dimension_setting(dim)
    if dim == 2:
        setting = SETTINGS["mixture_2"]
        problem = setting.problem()
    assert problem.arrays is not None
    target = methods.target_of(problem, count * NUM_SAMPLES)
    rows: list[Row] = []
    for seed in seeds:
        start = methods.start(problem.dim, setting, count, [seed])
        np.random.seed(seed)  # theirs draws from the global generator
        theirs = Theirs(problem.arrays, start, setting.step_size, NUM_SAMPLES)
        fits = {
            "authors": theirs.run(iterations)[:2],
            "isogmm": ours(target, start, setting.step_size, seed, iterations)[:2],
        }
        for name, (means, variances) in fits.items():
            row: Row = {"method": name, "dim": dim, "components": count, "seed": seed}
            try:
                mixture = IsotropicMixture(means, variances, np.full(count, -np.log(count)))
                generator = np.random.default_rng([seed, 1])
                row |= measure.of_mixture(problem, target, mixture, generator)
            except ValueError as error:
                row["error"] = str(error)[:200]
            rows.append(row)
    # Some seconds of theirs at every size.  Ours takes more iterations in that time, so that the
    # fixed cost of a run is small: an empty block of random numbers takes milliseconds.
    length = max(20, min(200, 40_000 // (dim * count)))
    own_length = 5 * length
    best = {"authors": np.inf, "isogmm": np.inf}
    for _ in range(rounds):
        best["authors"] = min(best["authors"], theirs.run(length)[2] / length)
        seconds = ours(target, start, setting.step_size, 0, own_length)[2]
        best["isogmm"] = min(best["isogmm"], seconds / own_length)
    rows.append(
        {
            "method": "ratio",
            "dim": dim,
            "components": count,
            "seconds_authors": best["authors"],
            "seconds_isogmm": best["isogmm"],
            "ratio": best["authors"] / best["isogmm"],
        }
    )
    return [{"experiment": "authors", **row} for row in rows]


def main() -> None:
    """The command line."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--authors", type=Path, required=True, help="a checkout of their code")
    parser.add_argument("--dimensions", nargs="*", type=int, default=list(DIMENSIONS))
    parser.add_argument("--components", nargs="*", type=int, default=list(COMPONENTS))
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--iterations", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="file to append the rows to")
    arguments = parser.parse_args()
    os.environ.setdefault("JAX_ENABLE_X64", "1")
    os.environ.setdefault("MPLBACKEND", "agg")
    # One thread for both: so their small products are faster too.
    one_thread = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.environ.setdefault("XLA_FLAGS", one_thread)
    sys.path.insert(0, str(arguments.authors.resolve()))
    import torch
    from threadpoolctl import threadpool_limits

    from experiments.run import append_json

    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    for dim in arguments.dimensions:
        for count in arguments.components:
            with threadpool_limits(1, user_api="blas"):
                rows = compare(dim, count, arguments.seeds, arguments.iterations, arguments.rounds)
            if arguments.json:
                append_json(arguments.json, rows)
            for name in ("authors", "isogmm"):
                kls = [row.get("kl", np.nan) for row in rows if row["method"] == name]
                print(f"d {dim} K {count} {name}: KL {np.mean(kls):.4f} +- {np.std(kls):.4f}", kls)
            last = rows[-1]
            print(
                f"d {dim} K {count}: {last['seconds_authors'] * 1e3:.2f} ms against "
                f"{last['seconds_isogmm'] * 1e3:.3f} ms, ratio {last['ratio']:.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()

"""The code of the GMMVI paper beside ``fit_gmmvi``, in one process: same target, start, K and N.

    python tests/experiments/authors_gmmvi.py --authors PATH

PATH is the folder ``src`` of a checkout of the code that accompanies arXiv 2209.11533; it needs
tensorflow, tensorflow-probability, PyYAML and mergedeep, and nothing of it is part of this project.
Both run SAMTRON with a fixed number of components and new samples in every iteration.
Divergences are estimated here for both, by 10,000 draws of each fit; milliseconds are the median
over the iterations after the first 20, in which TensorFlow compiles.
"""

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

#: Samples of each component and iteration, and iterations that do not count.
NUM_SAMPLES, NUM_FIRST = 100, 20


def theirs(problem: Any, start: Any, iterations: int) -> tuple[Any, list[float]]:
    """Their mixture as one of ours, and the seconds of every iteration."""
    import tensorflow as tf
    from gmmvi.configs import get_default_algorithm_config, update_config
    from gmmvi.experiments.target_distributions.gmm import GMM_LNPDF
    from gmmvi.models.full_cov_gmm import FullCovGMM
    from gmmvi.models.gmm_wrapper import GmmWrapper
    from gmmvi.optimization.gmmvi import GMMVI

    from isogmm.mixtures.gaussian import GaussianMixture

    means, variances, weights = problem.arrays
    covariances = np.stack([np.diag(row) for row in variances])
    target = GMM_LNPDF(*(tf.constant(part, tf.float32) for part in (weights, means, covariances)))
    config = get_default_algorithm_config("SEMTRON")  # E: a fixed number of components
    selection = {
        "desired_samples_per_component": NUM_SAMPLES,
        "ratio_reused_samples_to_desired": 0.0,
    }
    updates = {"sample_selector_config": selection, "max_database_size": 10_000_000}
    updates |= {"use_sample_database": True, "temperature": 1.0}
    prior = {"prior_mean": 0.0, "initial_cov": 1.0}  # for components that are added: none
    updates["model_initialization"] = {"use_diagonal_covs": False, **prior}
    config = update_config(config, updates)
    count, dim = start.means.shape
    model = FullCovGMM(
        tf.ones(count, tf.float32) / count,
        tf.constant(start.means, tf.float32),
        tf.constant(start.variances[:, None, None] * np.eye(dim), tf.float32),
    )
    wrapped = GmmWrapper.build_from_config(model=model, config=config)
    solver = GMMVI.build_from_config(config=config, target_distribution=target, model=wrapped)
    seconds = []
    for _ in range(iterations):
        begin = time.perf_counter()
        solver.train_iter()
        seconds.append(time.perf_counter() - begin)
    log_weights = np.asarray(solver.model.log_weights, float)
    log_weights = log_weights - np.logaddexp.reduce(log_weights)
    means, covs = (np.asarray(part, float) for part in (solver.model.means, solver.model.covs))
    return GaussianMixture(means, covs, log_weights), seconds


def ours(target: Any, start: Any, iterations: int, seed: int) -> tuple[Any, list[float]]:
    """Our mixture, and the seconds of every iteration."""
    from isogmm.mixtures.gaussian import GaussianMixture
    from isogmm.optimize.gmmvi import FixedNumber, FromComponents, GmmviRunner, samtron
    from isogmm.optimize.runner import WindowPlan

    method = samtron(number=FixedNumber(), selection=FromComponents(NUM_SAMPLES, reuse=1))
    mixture = GaussianMixture(
        start.means[None],
        (start.variances[:, None, None] * np.eye(start.dim))[None],
        start.log_weights[None],
    )
    runner = GmmviRunner(target, mixture, method, np.random.default_rng(seed))
    plan = WindowPlan([1.0], [1.0], np.inf)
    seconds = []
    for _ in range(iterations):
        begin = time.perf_counter()
        runner.iterate(plan, 0)
        seconds.append(time.perf_counter() - begin)
    return runner.mixture()[0], seconds


def compare(name: str, count: int, iterations: int, seed: int) -> str:
    """One line of the table."""
    from experiments import measure, methods
    from experiments.settings import SETTINGS

    setting = SETTINGS[name]
    problem = setting.problem()
    target = methods.target_of(problem, count * NUM_SAMPLES)
    start = methods.start(problem.dim, setting, count, [seed])[0]
    cells = []
    for mixture, seconds in (
        theirs(problem, start, iterations),
        ours(target, start, iterations, seed),
    ):
        draws, _ = mixture.sample(np.random.default_rng([seed, 1]), measure.NUM_DRAWS)
        value, error, _ = measure.elbo(target, mixture.log_prob, draws)
        cells.append((-value, error, 1e3 * float(np.median(seconds[NUM_FIRST:]))))
    (kl, error, slow), (own_kl, own_error, fast) = cells
    return (
        f"| {name} | {problem.dim} | {count} | {kl:.4f} ± {error:.4f} | "
        f"{own_kl:.4f} ± {own_error:.4f} | {slow:.1f} | {fast:.1f} | {slow / fast:.1f} |"
    )


def main() -> None:
    """The command line."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--authors", type=Path, required=True, help="the folder src of their code")
    parser.add_argument("--names", nargs="*", default=["mixture_2", "mixture_10", "mixture_20"])
    parser.add_argument("--components", type=int, default=20)
    parser.add_argument("--iterations", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    os.environ.setdefault("JAX_ENABLE_X64", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.path.insert(0, str(arguments.authors.resolve()))
    import tensorflow as tf
    from threadpoolctl import threadpool_limits

    # One thread for both.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    print("| target | d | K | KL, authors | KL, isogmm | ms, authors | ms, isogmm | ratio |")
    print("|" + " --- |" * 8)
    for name in arguments.names:
        with threadpool_limits(1, user_api="blas"):
            print(compare(name, arguments.components, arguments.iterations, arguments.seed))


if __name__ == "__main__":
    main()

"""Experiments that are no table of methods: dimension, weights, component counts, a network."""

import time
import warnings
from typing import Any

import numpy as np

import isogmm
from experiments import measure, methods, regressions, targets
from experiments.problems import Problem
from experiments.settings import NUM_SAMPLES, Setting
from isogmm.optimize.fused import optimize_fused
from isogmm.optimize.gradients import MonteCarlo
from isogmm.optimize.schedules import Constant
from isogmm.optimize.stopping import MaxIterations

Row = dict[str, Any]

#: Dimensions of the figure of time and divergence against d.
DIMENSIONS = (2, 10, 20, 50, 100, 200)
#: Components of the unbalanced target.
UNBALANCED = (2, 4, 8, 16, 32, 64)
SCALED_COMPONENTS = (1, 128, 512)


def dimension_setting(dim: int) -> tuple[Problem, Setting]:
    """The target and the settings at a dimension, K = 15."""
    problem = targets.random_mixture(f"mixture_{dim}", dim, 5, 100.0 / dim, 5.0, seed=0)
    setting = Setting(lambda: problem, (15,), 100.0 / dim, 10.0, 1e-2 / dim, 1_000)
    return problem, setting


def dimension(seeds: list[int], quick: bool) -> list[Row]:
    """Time of an iteration and divergence against d, IBW and BW with K = 15."""
    rows = []
    for dim in DIMENSIONS[:3] if quick else DIMENSIONS:
        problem, setting = dimension_setting(dim)
        iterations = setting.quick_iterations if quick else setting.iterations
        for method in ("ibw", "md"):
            rows += methods.run_rule(problem, setting, method, 15, seeds, iterations)
        rows += methods.run_full(problem, setting, "bw", 15, seeds, iterations)
        for row in rows:
            row.setdefault("dim", dim)
        seconds = iteration_seconds(problem, setting, 15, 20 if quick else 200)
        rows.append({"method": "ibw, one chain", "dim": dim, "seconds_per_iteration": seconds})
    return rows


def iteration_seconds(
    problem: Problem, setting: Setting, count: int, iterations: int, rounds: int = 3
) -> float:
    """Seconds of one iteration of IBW with one chain: the best of some rounds, compiled before."""
    target = problem.model(batch_size=min(count * NUM_SAMPLES, 1_024)).to_target()
    best = np.inf
    for length in [2] + [iterations] * rounds:
        begin = time.perf_counter()
        optimize_fused(
            target,
            methods.start(problem.dim, setting, count, [0]),
            estimator=MonteCarlo(NUM_SAMPLES, antithetic=False),
            rule=methods.RULES["ibw"](setting.step_size),
            schedule=Constant(setting.step_size),
            stopping=MaxIterations(length, window=length),
            generator=np.random.default_rng(0),
        )
        if length > 2:
            best = min(best, (time.perf_counter() - begin) / length)
    return best


def unbalanced(seeds: list[int], quick: bool) -> list[Row]:
    """Two modes of mass 0.1 and 0.9: what equal weights cost, against K, near and far apart.

    Ten wide starts for each K, means uniform in [-10, 10]² and variance 10, so that the first
    steps see both modes.  The places and masses of the modes are those of 2-means on 10,000
    draws.
    """
    masses = np.array([0.1, 0.9])
    repeats = 3 if quick else 10
    rows = []
    for distance in (3.0, 4.0):
        means = np.array([[-distance, 0.0], [distance, 0.0]])
        name = "near" if distance < 4 else "far"
        problem = targets.gaussian_mixture(name, means, np.ones((2, 2)), masses, distance)
        setting = Setting(lambda p=problem: p, UNBALANCED, 10.0, 10.0, 1e-1, 3_000)
        for count in UNBALANCED[:3] if quick else UNBALANCED:
            starts = [seeds[0] + repeat for repeat in range(repeats)]
            target = methods.target_of(problem, count * NUM_SAMPLES * repeats)
            result = optimize_fused(
                target,
                methods.start(2, setting, count, starts),
                estimator=MonteCarlo(NUM_SAMPLES, antithetic=False),
                rule=methods.RULES["ibw"](setting.step_size),
                schedule=Constant(setting.step_size),
                stopping=MaxIterations(400 if quick else setting.iterations),
                generator=np.random.default_rng([count, *starts]),
            )
            for repeat, seed in enumerate(starts):
                mixture = result.mixture[repeat]
                generator = np.random.default_rng([seed, 1])
                row = measure.of_mixture(problem, target, mixture, generator)
                places, shares = two_means(mixture.sample(generator, 10_000)[0], means)
                rows.append(
                    {
                        "method": f"ibw, {name}",
                        "components": count,
                        "seed": seed,
                        **row,
                        "place_error": float(np.linalg.norm(places - means, axis=1).mean()),
                        "two_means_mass_error": float(abs(shares[0] - masses[0])),
                    }
                )
        for row in methods.run_default(problem, seeds[0]):
            rows.append({**row, "method": f"{row['method']}, {name}"})
    return rows


def two_means(draws: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lloyd's algorithm from the true places: two places and their shares of the draws."""
    places = start.copy()
    for _ in range(50):
        owner = ((draws[:, None] - places) ** 2).sum(-1).argmin(1)
        for index in range(2):
            if np.any(owner == index):
                places[index] = draws[owner == index].mean(0)
    return places, np.bincount(owner, minlength=2) / len(draws)


def breast_cancer_scaled(seeds: list[int], quick: bool) -> list[Row]:
    """ELBO against K in whitened coordinates, on the logistic regression of GMMVI.

    With the default settings, and with more samples and no tolerance.
    """
    problem = regressions.breast_cancer_scaled()
    model = problem.model()
    target = model.to_target()
    rows = []
    settings = {"default": {}, "more samples": {"num_samples": 8, "tolerance": 0.0}}
    for count in (1, 16) if quick else SCALED_COMPONENTS:
        for label, options in settings.items():
            for seed in seeds:
                begin = time.perf_counter()
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", isogmm.FitWarning)
                    result = isogmm.fit_isogmm(
                        model,
                        num_components=count,
                        chains=1,
                        refine=0,
                        importance=False,
                        random_seed=seed,
                        progressbar=False,
                        max_iterations=60 if quick else None,
                        **options,
                    )
                mixture = isogmm.Mixture.from_idata(result)[0]
                generator = np.random.default_rng([seed, 1])
                row = measure.of_mixture(problem, target, mixture, generator)
                rows.append(
                    {
                        "method": f"whitened, {label}",
                        "components": count,
                        "seed": seed,
                        "seconds": time.perf_counter() - begin,
                        "num_gradient_evaluations": result.attrs["num_gradient_evaluations"],
                        **row,
                    }
                )
    setting = Setting(lambda: problem, (128,), 1.0, 1.0, 1e-3, 10_000)
    rows += methods.run_full(problem, setting, "gmmvi", 20, seeds, 0)
    rows += methods.run_default(problem, seeds[0])
    return rows


def digits_network(seeds: list[int], quick: bool) -> list[Row]:
    """Classifiers of 7,510 and 203,530 weights, by factorized mixtures; K against one."""
    sizes = ((50, 8),) if quick else ((100, 8), (256, 28))
    rows = []
    for hidden, side in sizes:
        problem = regressions.digits_network(hidden=hidden, side=side)
        # 200,000 weights, 1,437 rows: one seed, not every rule, is what two processors allow.
        fits = [("ibw", 1), ("ibw", 5), ("md", 5)]
        for method, count in fits[: 2 if problem.dim > 100_000 else 3]:
            rows.append(factorized(problem, method, count, seeds[0], 200 if quick else None))
    return rows


def factorized(problem: Problem, method: str, count: int, seed: int, iterations: int | None) -> Row:
    """One fit of ``fit_factorized`` from its default start."""
    begin = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", isogmm.FitWarning)  # the row has the reason
        result = isogmm.fit_factorized(
            problem.model(batch_size=1),
            method=method,
            num_components=count,
            random_seed=seed,
            max_iterations=iterations,
            draws=measure.NUM_PREDICTIONS // 4,
        )
    row: Row = {
        "method": f"factorized {method}",
        "dim": problem.dim,
        "components": count,
        "seed": seed,
        "seconds": time.perf_counter() - begin,
    }
    for name in ("elbo", "elbo_se", "iterations", "num_gradient_evaluations", "stop_reason"):
        row[name] = result.attrs[name]
    assert problem.predict is not None
    return row | problem.predict(measure.positions_of(result))


STUDIES = {
    "dimension": dimension,
    "unbalanced": unbalanced,
    "breast_cancer_scaled": breast_cancer_scaled,
    "digits_network": digits_network,
}

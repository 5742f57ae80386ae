"""Who takes part: the paper's rules with its settings, the default recipe, and other methods."""

import functools
import time
import warnings
from typing import Any

import numpy as np

import isogmm
from experiments import measure
from experiments.problems import Problem
from experiments.settings import NUM_SAMPLES, Setting
from isogmm import updates
from isogmm.mixtures.affine_map import identity_map
from isogmm.mixtures.initialization import UniformMeans
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.optimize.fused import optimize_fused
from isogmm.optimize.gradients import MonteCarlo
from isogmm.optimize.schedules import Constant
from isogmm.optimize.stopping import MaxIterations

Row = dict[str, Any]

RULES = {
    "ibw": updates.BuresWasserstein,
    "md": updates.EntropicMirror,
    "ibw_s": lambda step_size: updates.SharedVariance(updates.BuresWasserstein(step_size)),
    "md_s": lambda step_size: updates.SharedVariance(updates.EntropicMirror(step_size)),
    "gd": updates.MeansOnly,
    "ngd": updates.NaturalGradient,
}


@functools.lru_cache(maxsize=4)
def target_of(problem: Problem, points: int) -> Any:
    """The problem as the optimization loop takes it, compiled once for this many points a call."""
    return problem.model(batch_size=min(points, 1_024)).to_target()


def start(dim: int, setting: Setting, count: int, seeds: list[int]) -> IsotropicMixture:
    """The paper's start, one chain for each seed; the same for every method."""
    rule = UniformMeans(half_width=setting.half_width, variance=setting.variance)
    parts = [
        rule.initialize(np.random.default_rng([seed, count]), 1, count, identity_map(dim))
        for seed in seeds
    ]
    return IsotropicMixture(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("means", "variances", "log_weights")
        )
    )


def run_rule(
    problem: Problem,
    setting: Setting,
    method: str,
    count: int,
    seeds: list[int],
    iterations: int,
) -> list[Row]:
    """One of the paper's rules, its step fixed; the seeds side by side as chains."""
    target = target_of(problem, count * NUM_SAMPLES * len(seeds))
    begin_with = start(problem.dim, setting, count, seeds)
    begin = time.perf_counter()
    result = optimize_fused(
        target,
        begin_with,
        estimator=MonteCarlo(NUM_SAMPLES, antithetic=False),
        rule=RULES[method](setting.step_size),
        schedule=Constant(setting.step_size),
        stopping=MaxIterations(iterations, window=max(iterations // 40, 1)),
        generator=np.random.default_rng([count, *seeds]),
    )
    seconds = (time.perf_counter() - begin) / len(seeds)
    rows = []
    for chain, seed in enumerate(seeds):
        row: Row = measure.of_mixture(
            problem, target, result.mixture[chain], np.random.default_rng([seed, 1])
        )
        trace = -result.history["elbo"][:, chain] + (problem.log_evidence or 0.0)
        if problem.dim == 2 and chain == 0:  # for the picture
            row["means"] = result.mixture.means[chain].tolist()
            row["variances"] = result.mixture.variances[chain].tolist()
        rows.append(
            {
                "method": method,
                "components": count,
                "seed": seed,
                "iterations": result.iterations,
                "seconds": seconds,
                "stop_reason": result.stop_reason.value,
                **row,
                "trace_iteration": result.history["iteration"].tolist(),
                "trace": trace.tolist(),
            }
        )
    return rows


def run_full(
    problem: Problem, setting: Setting, method: str, count: int, seeds: list[int], iterations: int
) -> list[Row]:
    """Full covariances by ``isogmm.fit_gmmvi``, where this version of the library has it.

    BW takes the paper's start and step; GMMVI chooses its own.
    """
    if not hasattr(isogmm, "fit_gmmvi"):
        reason = "this version of the library has no fit_gmmvi"
        return [{"method": method, "components": count, "skipped": reason}]
    options: dict[str, Any] = {"method": "auto"}
    if method == "bw":
        from isogmm.optimize.gaussian.bures_wasserstein import FullBuresWasserstein

        options = {
            "method": FullBuresWasserstein(step_size=setting.step_size),
            "init": UniformMeans(half_width=setting.half_width, variance=setting.variance),
            "whitening": "none",
            "weights": "uniform",
            "num_samples": NUM_SAMPLES,
            "max_iterations": iterations,
        }
    rows = []
    for seed in seeds:
        begin = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", isogmm.FitWarning)
            result = isogmm.fit_gmmvi(
                problem.model(),
                num_components=count,
                random_seed=seed,
                chains=1,
                refine=0,
                importance=False,
                progressbar=False,
                **options,
            )
        row: Row = {"method": method, "components": count, "seed": seed}
        row["seconds"] = time.perf_counter() - begin
        row |= _attributes(result)
        row |= measure.of_draws(problem, measure.positions_of(result))
        if problem.log_evidence is not None and "elbo" in row:
            row |= {"kl": problem.log_evidence - row["elbo"], "kl_se": row.get("elbo_se")}
        rows.append(row)
    return rows


def run_default(problem: Problem, seed: int, **options: Any) -> list[Row]:
    """``fit_isogmm`` with isotropic components: the mixture of every chain, and the draws."""
    model = problem.model()
    begin = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", isogmm.FitWarning)
        result = isogmm.fit_isogmm(
            model, family="isotropic", random_seed=seed, progressbar=False, **options
        )
    seconds = time.perf_counter() - begin
    target = model.to_target()
    mixture = isogmm.Mixture.from_idata(result)
    chains = [
        measure.of_mixture(problem, target, mixture[c], np.random.default_rng([seed, c, 1]))
        for c in range(len(mixture.means))
    ]
    label = ", ".join(["default", *(f"{key}={value}" for key, value in options.items())])
    row: Row = {"method": label, "components": mixture.num_components, "seed": seed}
    row |= {
        name: float(np.mean([chain[name] for chain in chains]))
        for name in chains[0]
        if all(chain.get(name) is not None for chain in chains)
    }
    row["elbo_se"] = row["elbo_se"] / np.sqrt(len(chains))
    if "kl_se" in row:
        row["kl_se"] = row["elbo_se"]
    row |= {"elbo_worst": min(chain["elbo"] for chain in chains), "seconds": seconds}
    delivered = {"method": f"{label}, delivered", "seed": seed, "seconds": seconds}
    delivered |= measure.of_draws(problem, measure.positions_of(result))
    attributes = _attributes(result)
    for name in ("elbo", "elbo_se"):  # those of the mixtures, pooled over the chains
        attributes[f"pooled_{name}"] = attributes.pop(name, None)
    return [row | attributes, delivered | attributes]


def run_baseline(problem: Problem, method: str, seed: int, **options: Any) -> list[Row]:
    """A method of ``isogmm.baselines``; Gaussian ones get the divergence of their Gaussian."""
    model = problem.model()
    begin = time.perf_counter()
    result = getattr(isogmm.baselines, method)(model, random_seed=seed, **options)
    row: Row = {"method": method, "seed": seed, "seconds": time.perf_counter() - begin}
    draws = measure.positions_of(result)
    if not np.all(np.isfinite(draws)):
        return [row | {"skipped": "its draws are not finite"}]
    if method in ("advi", "laplace"):
        generator = np.random.default_rng([seed, 1])
        target = model.to_target()
        return [row | measure.of_gaussian(problem, target, draws, generator, method == "laplace")]
    return [row | measure.of_draws(problem, draws)]


def _attributes(result: Any) -> Row:
    kept = (
        "verdict",
        "converged",
        "stop_reason",
        "elbo",
        "elbo_se",
        "pareto_k",
        "log_evidence",
        "log_evidence_se",
        "num_gradient_evaluations",
        "num_modes",
        "sampling_time",
    )
    return {name: result.attrs[name] for name in kept if name in result.attrs}

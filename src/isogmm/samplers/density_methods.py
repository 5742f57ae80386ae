"""Methods for targets whose language has none of its own: BlackJAX, SciPy, NumPyro's guides."""

import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from scipy.optimize import minimize

from isogmm.draws.importance import chosen
from isogmm.errors import MissingPackageError, OptionError, require
from isogmm.locate.curvature import dense_at
from isogmm.model.adapter import installed_adapters
from isogmm.model.fit_target import FitTarget
from isogmm.model.target import Target
from isogmm.results.arviz_versions import psis
from isogmm.results.from_draws import result_of_draws
from isogmm.results.groups import get_group
from isogmm.samplers.blackjax_nuts import run_nuts
from isogmm.samplers.jax_density import jax_density, starting_points


def nuts(
    target: Target, seed: int, draws: int, chains: int, *, tune: int = 1000, **options: Any
) -> Any:
    """BlackJAX's No-U-Turn sampler with Stan's warm-up."""
    starts = starting_points(target, seed, chains)
    begin = time.perf_counter()
    run = run_nuts(target, starts, draws=draws, tune=tune, seed=seed, **options)
    gradients = run.warmup_gradients + int(run.statistics["n_steps"].sum())
    return result_of_draws(
        target,
        run.positions,
        library="blackjax",
        seed=seed,
        attributes={
            "algorithm": "nuts",
            "sampling_time": time.perf_counter() - begin,
            "tuning_steps": tune,
            "num_gradient_evaluations": gradients,
            "num_warmup_gradient_evaluations": run.warmup_gradients,
        },
        sample_stats=run.statistics,
    )


def laplace(target: Target, seed: int, draws: int, chains: int, *, num_starts: int = 8) -> Any:
    """The Gaussian of the curvature at the best of several optima, found by SciPy's L-BFGS."""
    begin, target = time.perf_counter(), FitTarget.of(target)
    generator = np.random.default_rng(seed)

    def objective(position: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = target.evaluate(position)
        # The line search of L-BFGS wants a number where the density is zero.
        return (-float(value), -gradient) if np.isfinite(value) else (1e300, gradient)

    ends = [
        minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 2000})
        for start in starting_points(target, seed, num_starts)
    ]
    affine_map = dense_at(target, min(ends, key=lambda end: end.fun).x)
    noise = generator.standard_normal((chains, draws, target.dim))
    attributes = {
        "algorithm": "laplace",
        "sampling_time": time.perf_counter() - begin,
        "num_gradient_evaluations": target.num_gradient_evaluations,
    }
    return result_of_draws(
        target, affine_map.forward(noise), library="scipy", seed=seed, attributes=attributes
    )


def pathfinder(
    target: Target,
    seed: int,
    draws: int,
    chains: int,
    *,
    num_paths: int = 4,
    num_elbo_draws: int = 200,
    maxiter: int = 100,
) -> Any:
    """Multi-path Pathfinder (Zhang et al. 2022): BlackJAX's paths, Pareto smoothed resampling.

    Every chain has paths of its own, from starts of its own.
    """
    blackjax = require("blackjax.vi.pathfinder", extra="blackjax")
    density = jax_density(target)
    starts = starting_points(target, seed, chains * num_paths)
    pool = max(draws, 1000)

    def path(key: Any, start: Any) -> Any:
        fit_key, draw_key = jax.random.split(key)
        state, _ = blackjax.approximate(fit_key, density, start, num_elbo_draws, maxiter=maxiter)
        return blackjax.sample(draw_key, state, pool)

    begin = time.perf_counter()
    with target.precision():
        keys = jax.random.split(jax.random.key(seed), len(starts))
        # One path after the other: all of them in one program can wait for ever inside XLA.
        program = jax.jit(path)
        found = [program(*one) for one in zip(keys, np.asarray(starts, float), strict=True)]
        positions, log_q = (np.asarray(parts, np.float64) for parts in zip(*found, strict=True))
    positions = positions.reshape(chains, num_paths * pool, target.dim)
    log_q = log_q.reshape(chains, num_paths * pool)
    log_ratios = target.evaluate(np.nan_to_num(positions))[0] - log_q
    generator = np.random.default_rng(seed)
    index, shapes = [], []
    for ratios in np.where(np.isnan(log_ratios), -np.inf, log_ratios):
        log_weights, k = psis(ratios)
        index.append(chosen(log_weights, draws, generator))
        shapes.append(k)
    rows = np.arange(chains)[:, None], np.stack(index)
    attributes = {
        "algorithm": "pathfinder",
        "sampling_time": time.perf_counter() - begin,
        "pareto_k": float(np.max(shapes)),
    }
    return result_of_draws(
        target,
        positions[rows],
        library="blackjax",
        seed=seed,
        attributes=attributes,
        sample_stats={"log_q": log_q[rows]},
    )


def _gaussian(name: str, module: str, mean: str) -> Callable[..., Any]:
    """A Gaussian fitted by BlackJAX's stochastic gradients of the ELBO."""

    def fit(
        target: Target,
        seed: int,
        draws: int,
        chains: int,
        *,
        num_steps: int = 20_000,
        step_size: float = 0.01,
        num_samples: int = 1,
    ) -> Any:
        family = require(f"blackjax.vi.{module}", extra="blackjax")
        optimizer = require("optax", extra="blackjax").adam(step_size)
        density = jax_density(target)

        def run(key: Any, start: Any) -> Any:
            def step(state: Any, key: Any) -> Any:
                state, _ = family.step(key, state, density, optimizer, num_samples=num_samples)
                return state, None

            fit_key, draw_key = jax.random.split(key)
            first = family.init(start, optimizer)._replace(**{mean: start})
            state, _ = jax.lax.scan(step, first, jax.random.split(fit_key, num_steps))
            return family.sample(draw_key, state, chains * draws)

        start = starting_points(target, seed, 1)[0]
        begin = time.perf_counter()
        with target.precision():
            found = jax.jit(run)(jax.random.key(seed), jax.numpy.asarray(start, dtype=float))
            positions = np.asarray(found).reshape(chains, draws, target.dim)
        attributes = {
            "algorithm": name,
            "sampling_time": time.perf_counter() - begin,
            "num_gradient_evaluations": num_steps * num_samples,
        }
        return _checked(target, positions, name, seed, attributes)

    return fit


def svgd(
    target: Target,
    seed: int,
    draws: int,
    chains: int,
    *,
    num_steps: int = 2000,
    step_size: float = 0.5,
    num_particles: int = 100,
) -> Any:
    """Stein variational gradient descent (Liu and Wang 2016); draws are particles, repeated."""
    blackjax = require("blackjax", extra="blackjax")
    optimizer = require("optax", extra="blackjax").adagrad(step_size)
    algorithm = blackjax.svgd(jax.grad(jax_density(target)), optimizer)
    starts = starting_points(target, seed, num_particles)
    begin = time.perf_counter()
    with target.precision():
        first = algorithm.init(jax.numpy.asarray(starts, dtype=float))
        move: Callable[[Any], Any] = algorithm.step
        run = jax.jit(lambda state: jax.lax.fori_loop(0, num_steps, lambda _, s: move(s), state))
        particles = np.asarray(run(first).particles)
    choice = np.random.default_rng(seed).integers(num_particles, size=(chains, draws))
    attributes = {
        "algorithm": "svgd",
        "sampling_time": time.perf_counter() - begin,
        # BlackJAX asks for the gradient once for every pair of particles.
        "num_gradient_evaluations": num_steps * num_particles,
    }
    return _checked(target, particles[choice], "svgd", seed, attributes)


def _guide(name: str) -> Callable[..., Any]:
    """One of NumPyro's guides, fitted to the log density as a model of one flat vector."""

    def fit(target: Target, seed: int, draws: int, chains: int, **options: Any) -> Any:
        numpyro = require("numpyro", extra="numpyro")
        adapter = installed_adapters().get("numpyro")
        if adapter is None:
            raise MissingPackageError(f'{name} needs NumPyro: pip install "isogmm[numpyro]"')
        density, dim = jax_density(target), target.dim
        distributions = require("numpyro.distributions", extra="numpyro")

        def flat() -> None:
            flat_prior = distributions.ImproperUniform(
                distributions.constraints.real_vector, (), (dim,)
            )
            position = numpyro.sample("position", flat_prior)
            numpyro.factor("log_density", density(position))

        own = adapter.baselines()[name]
        with target.precision():
            found = own(flat, random_seed=seed, draws=draws, chains=chains, **options)
        positions = np.asarray(get_group(found, "posterior")["position"].values, np.float64)
        kept = ("sampling_time", "num_gradient_evaluations", "algorithm")
        attributes = {key: found.attrs[key] for key in kept if key in found.attrs}
        return _checked(target, positions, name, seed, attributes, library="numpyro")

    return fit


def _checked(
    target: Target,
    positions: np.ndarray,
    name: str,
    seed: int,
    attributes: dict[str, Any],
    library: str = "blackjax",
) -> Any:
    if not np.isfinite(positions).all():
        raise OptionError(f"{name} diverged, its draws are not finite: give a smaller step_size=")
    return result_of_draws(target, positions, library=library, seed=seed, attributes=attributes)


METHODS: dict[str, Callable[..., Any]] = {
    "nuts": nuts,
    "advi": _gaussian("advi", "meanfield_vi", "mu"),
    "fullrank_advi": _gaussian("fullrank_advi", "fullrank_vi", "mu"),
    "laplace": laplace,
    "pathfinder": pathfinder,
    "svgd": svgd,
    "flow": _guide("flow"),
    "alpha_vi": _guide("alpha_vi"),
}

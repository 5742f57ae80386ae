"""What the benchmark runs on a case: isogmm, and the languages' own NUTS and ADVI beside it.

Each method is ``f(case, seed, **options) -> result`` with draws by variable under ``posterior`` and
numbers under ``attrs``.  Imports are inside, so that a fresh process pays for what it uses.
"""

import contextlib
import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.cases import Case


@dataclass
class Draws:
    """Draws (chain, draw, ...) by variable, and attributes of the run."""

    posterior: dict[str, np.ndarray]
    attrs: dict[str, Any] = field(default_factory=dict)


def isogmm(case: Case, seed: int, **options: Any) -> Any:
    """The library under test, with its defaults."""
    from isogmm import fit_isogmm

    model, model_kwargs = case.build()
    settings = {"progressbar": False, "model_kwargs": model_kwargs or None} | options
    return fit_isogmm(model, random_seed=seed, **settings)


def gmmvi(case: Case, seed: int, **options: Any) -> Any:
    """The family with full covariances, with its defaults."""
    from isogmm import fit_gmmvi

    model, model_kwargs = case.build()
    settings = {"progressbar": False, "model_kwargs": model_kwargs or None} | options
    return fit_gmmvi(model, random_seed=seed, **settings)


def exact(case: Case, seed: int, **options: Any) -> Draws:
    """4 x 1,000 exact draws, or draws with replacement from those kept: the noise floor."""
    generator = np.random.default_rng(seed)
    if case.draw is not None:
        return Draws({"x": case.draw(generator, 4_000).reshape(4, 1_000, case.dim)})
    draws = case.reference().draws
    rows = generator.integers(len(next(iter(draws.values()))), size=(4, 1_000))
    return Draws({name: np.asarray(value)[rows] for name, value in draws.items()})


def nuts(case: Case, seed: int, **options: Any) -> Draws:
    """The language's NUTS: 4 chains of 1,000 after 1,000, or PyMC's own defaults.

    Its gradients are those of the sampling phase alone: NumPyro keeps no count of the warm-up.
    Both end with what a fit returns, ArviZ's InferenceData; ``seconds_arviz`` says what that took
    of NumPyro's time.
    """
    if case.language == "pymc":
        import pymc as pm

        with case.build()[0]:
            result = pm.sample(random_seed=seed, progressbar=False, **options)
        return Draws({name: np.asarray(value) for name, value in _pymc_draws(result).items()})
    import jax
    from numpyro.infer import MCMC, NUTS

    model_kwargs: dict[str, Any] = {}
    if case.log_density is not None:
        kernel = NUTS(potential_fn=lambda variables: -case.log_density(variables["x"]))
    else:
        model, model_kwargs = case.build()
        kernel = NUTS(model)
    settings = {"num_warmup": 1_000, "num_samples": 1_000, "num_chains": 4} | options
    mcmc = MCMC(kernel, chain_method="vectorized", progress_bar=False, **settings)
    starts = None
    if case.log_density is not None:
        generator = np.random.default_rng(seed)
        starts = {"x": generator.uniform(-2.0, 2.0, (settings["num_chains"], case.dim))}
    mcmc.run(jax.random.key(seed), extra_fields=("num_steps",), init_params=starts, **model_kwargs)
    draws = {
        name: np.asarray(value) for name, value in mcmc.get_samples(group_by_chain=True).items()
    }
    steps = int(np.asarray(mcmc.get_extra_fields()["num_steps"]).sum())
    from numpyro.diagnostics import split_gelman_rubin

    rhats = [float(np.max(split_gelman_rubin(value))) for value in draws.values()]
    attrs = {"num_gradient_evaluations": steps, "rhat_max": max(rhats)}
    if case.log_density is None:
        begin = time.perf_counter()
        import arviz

        arviz.from_numpyro(mcmc)
        attrs["seconds_arviz"] = time.perf_counter() - begin
    return Draws(draws, attrs)


def _pymc_draws(result: Any) -> Any:
    return result.posterior.data_vars if hasattr(result, "posterior") else result


def advi(case: Case, seed: int, **options: Any) -> Draws:
    """Mean-field ADVI of the language: 10,000 steps of Adam, PyMC with its own defaults."""
    if case.language == "pymc":
        import pymc as pm

        with case.build()[0]:
            fit = pm.fit(random_seed=seed, progressbar=False, **options)
            result = fit.sample(4_000, random_seed=seed)
        draws = {name: np.asarray(value) for name, value in _pymc_draws(result).items()}
        return Draws({name: v.reshape(4, 1_000, *v.shape[2:]) for name, v in draws.items()})
    import jax
    import numpyro
    from numpyro.infer import SVI, Predictive, Trace_ELBO
    from numpyro.infer.autoguide import AutoNormal

    if case.log_density is not None:
        raise LookupError(f"{case.name} is a plain log density, for which there is no ADVI")
    model, model_kwargs = case.build()
    guide = AutoNormal(model)
    settings = {"num_steps": 10_000, "step_size": 0.01} | options
    svi = SVI(model, guide, numpyro.optim.Adam(settings["step_size"]), Trace_ELBO())
    key, key_draws = jax.random.split(jax.random.key(seed))
    fit = svi.run(key, settings["num_steps"], progress_bar=False, **model_kwargs)
    latent = guide.sample_posterior(key_draws, fit.params, sample_shape=(4_000,))
    derived = Predictive(model, latent)(key_draws, **model_kwargs)
    draws = {name: np.asarray(value) for name, value in (derived | latent).items()}
    return Draws(
        {name: value.reshape(4, 1_000, *value.shape[1:]) for name, value in draws.items()},
        {"num_gradient_evaluations": settings["num_steps"]},
    )


def import_libraries() -> None:
    """Import what both a fit and NUTS use, ArviZ with all it takes; nothing is compiled.

    For the clock without imports.  The parts of isogmm that a fit imports on its way stay inside.
    """
    for name in ("numpyro.infer", "scipy.optimize", "arviz", "isogmm.recipe.run", "isogmm_numpyro"):
        importlib.import_module(name)
    # xarray imports it, and numba with it, where ArviZ first converts a result.
    with contextlib.suppress(ImportError):
        importlib.import_module("sparse")


METHODS: dict[str, Callable[..., Any]] = {
    "isogmm": isogmm,
    "gmmvi": gmmvi,
    "exact": exact,
    "nuts": nuts,
    "advi": advi,
}

"""PyMC's own inference, for comparison: NUTS, variational approximations, Stein particles."""

import functools
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import xarray as xr

from isogmm.errors import OptionError
from isogmm.model.precision import in_precision
from isogmm.results.groups import add_group, get_group, group_names
from isogmm_pymc import _bambi
from isogmm_pymc._minibatches import on_all_data


def nuts(
    model: Any = None,
    *,
    model_kwargs: Mapping[str, Any] | None = None,
    random_seed: int = 0,
    draws: int = 1000,
    chains: int = 4,
    tune: int = 1000,
    **sample_options: Any,
) -> Any:
    """The No-U-Turn sampler: ``pm.sample``, or ``model.fit`` of a Bambi model, with its options.

    Returns an ArviZ object with the log likelihood; its attribute ``num_gradient_evaluations``
    counts the leapfrog steps of warm-up and sampling where the sampler reports them.

    Raises
    ------
    OptionError
        If ``model_kwargs`` are given: a PyMC model takes none.
    """
    pymc_model = on_all_data(_pymc_model(model, model_kwargs))
    options = {
        "draws": draws,
        "tune": tune,
        "chains": chains,
        "random_seed": random_seed,
        "progressbar": False,
        **sample_options,
    }
    in_jax = options.get("nuts_sampler") in ("numpyro", "blackjax")
    if not in_jax:
        # Kept for the number of steps, and dropped below.
        options.setdefault("discard_tuned_samples", False)
    begin = time.perf_counter()
    run = model.fit if _is_bambi(model) else functools.partial(pm.sample, model=pymc_model)
    # PyMC's JAX samplers take their precision from the global switch, which may say 32 bits.
    x64 = pytensor.config.floatX == "float64"
    with in_precision(x64 if in_jax else None):
        result = run(**options)
    seconds = time.perf_counter() - begin
    steps = [
        int(get_group(result, name)["n_steps"].sum())
        for name in ("warmup_sample_stats", "sample_stats")
        if name in group_names(result) and "n_steps" in get_group(result, name)
    ]
    if "discard_tuned_samples" not in sample_options:
        for name in [name for name in group_names(result) if name.startswith("warmup_")]:
            del result[name]
    attributes = {"algorithm": "nuts", "tuning_steps": tune, "random_seed": random_seed}
    if len(steps) == 2 or (steps and tune == 0):
        attributes["num_gradient_evaluations"] = sum(steps)
        attributes["num_warmup_gradient_evaluations"] = sum(steps[:-1])
    _add_log_likelihood(result, model, pymc_model)
    return _with_attributes(result, seconds, attributes)


def _variational(method: str, gradients_per_iteration: int, description: str) -> Callable[..., Any]:
    def fit(
        model: Any = None,
        *,
        model_kwargs: Mapping[str, Any] | None = None,
        random_seed: int = 0,
        draws: int = 1000,
        chains: int = 4,
        iterations: int = 10_000,
        **fit_options: Any,
    ) -> Any:
        pymc_model = _pymc_model(model, model_kwargs)
        begin = time.perf_counter()
        approximation = pm.fit(
            iterations,
            method=method,
            model=pymc_model,
            random_seed=random_seed,
            progressbar=False,
            **fit_options,
        )
        with pymc_model:
            result = approximation.sample(draws * chains, random_seed=random_seed)
        seconds = time.perf_counter() - begin
        posterior = _in_chains(get_group(result, "posterior"), chains)
        if _is_bambi(model):
            posterior = posterior.drop_vars(list(_bambi.parent_parameters(model)))
        add_group(result, "posterior", posterior)
        _add_log_likelihood(result, None, pymc_model)
        if _is_bambi(model):
            result = _bambi.finish(model, result)
        # Each iteration takes this many, times the samples of the objective.
        gradients = gradients_per_iteration * fit_options.get("obj_n_mc", 1)
        if method == "svgd":
            particles = fit_options.get("inf_kwargs", {}).get("n_particles", 100)
            gradients = gradients_per_iteration * particles
        attributes = {
            "algorithm": method,
            "iterations": iterations,
            "random_seed": random_seed,
            "num_gradient_evaluations": iterations * gradients,
        }
        return _with_attributes(result, seconds, attributes)

    fit.__name__ = fit.__qualname__ = method
    fit.__doc__ = f"""{description}, by ``pm.fit(method="{method}")`` with its options.

    One approximation is fitted; its draws are dealt to the chains.  Returns an ArviZ object with
    the log likelihood.

    Raises
    ------
    OptionError
        If ``model_kwargs`` are given: a PyMC model takes none.
    """
    return fit


#: PyMC's inference by name.
BASELINES: dict[str, Callable[..., Any]] = {
    "nuts": nuts,
    "advi": _variational("advi", 1, "A Gaussian with diagonal covariance"),
    "fullrank_advi": _variational("fullrank_advi", 1, "A Gaussian with full covariance"),
    "svgd": _variational("svgd", 1, "Particles moved by Stein variational gradient descent"),
}


def _is_bambi(model: Any) -> bool:
    return type(model).__module__.split(".")[0] == "bambi"


def _pymc_model(model: Any, model_kwargs: Mapping[str, Any] | None) -> pm.Model:
    if model_kwargs:
        raise OptionError(
            f"a PyMC model takes no arguments, but model_kwargs has {sorted(model_kwargs)}"
        )
    return _bambi.built(model) if _is_bambi(model) else pm.modelcontext(model)


def _add_log_likelihood(result: Any, model: Any, pymc_model: pm.Model) -> None:
    """Add the group, if the model has data and the sampler has not made it."""
    if not pymc_model.observed_RVs or "log_likelihood" in group_names(result):
        return
    if _is_bambi(model):
        # On a copy, because Bambi adds the parameters of the likelihood to the posterior.
        copy = model.compute_log_likelihood(result, inplace=False)
        add_group(result, "log_likelihood", get_group(copy, "log_likelihood"))
    else:
        pm.compute_log_likelihood(result, model=pymc_model, progressbar=False)


def _in_chains(dataset: xr.Dataset, chains: int) -> xr.Dataset:
    """Deal the draws of one chain to several."""
    draws = dataset.sizes["draw"] // chains
    parts = [
        dataset.isel(draw=slice(chain * draws, (chain + 1) * draws)).assign_coords(
            draw=np.arange(draws), chain=[chain]
        )
        for chain in range(chains)
    ]
    return xr.concat(
        parts, dim="chain", data_vars="all", coords="minimal", compat="override", join="override"
    )


def _with_attributes(result: Any, seconds: float, attributes: dict[str, Any]) -> Any:
    attributes = {
        "inference_library": "pymc",
        "inference_library_version": pm.__version__,
        "sampling_time": seconds,
        **attributes,
    }
    result.attrs.update(attributes)
    posterior = get_group(result, "posterior").assign_attrs(attributes)
    return add_group(result, "posterior", posterior)

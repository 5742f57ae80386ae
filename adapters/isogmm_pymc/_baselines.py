"""PyMC's inference methods, for comparison: NUTS, Gaussian approximations, Stein particles."""

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
from isogmm.results.groups import Result, add_group, get_group, group_names
from isogmm_pymc import _bambi
from isogmm_pymc._bambi import BambiModel
from isogmm_pymc._languages import is_bambi
from isogmm_pymc._minibatches import on_full_data

#: Values of ``nuts_sampler`` for the samplers that run in JAX.
JAX_SAMPLERS = ("numpyro", "blackjax")

#: Number of particles of ``pm.fit(method="svgd")`` if the user gives none.
DEFAULT_SVGD_PARTICLES = 100


def nuts(
    model: pm.Model | BambiModel | None = None,
    *,
    model_kwargs: Mapping[str, object] | None = None,
    random_seed: int = 0,
    draws: int = 1000,
    chains: int = 4,
    tune: int = 1000,
    **sample_options: object,
) -> Result:
    """The No-U-Turn sampler of PyMC.

    Calls ``pm.sample`` with its options, or ``model.fit`` of a Bambi model.

    Returns
    -------
    InferenceData or DataTree
        The result with the log likelihood.  Its attribute ``num_gradient_evaluations`` is the
        number of leapfrog steps of warm-up and sampling, if the sampler reports both.

    Raises
    ------
    OptionError
        If ``model_kwargs`` are given: a PyMC model takes none.
    """
    pymc_model = on_full_data(pymc_model_of(model, model_kwargs))
    options: dict[str, object] = {
        "draws": draws,
        "tune": tune,
        "chains": chains,
        "random_seed": random_seed,
        "progressbar": False,
        **sample_options,
    }
    is_jax_sampler = options.get("nuts_sampler") in JAX_SAMPLERS
    if not is_jax_sampler:
        # The warm-up is kept to count its steps, and removed below.
        options.setdefault("discard_tuned_samples", False)
    # PyMC's JAX samplers use the precision of JAX's global switch, which may be 32 bits.
    x64 = pytensor.config.floatX == "float64" if is_jax_sampler else None
    begin = time.perf_counter()
    run = model.fit if is_bambi(model) else functools.partial(pm.sample, model=pymc_model)
    with in_precision(x64):
        result = run(**options)
    seconds = time.perf_counter() - begin
    attributes = {
        "algorithm": "nuts",
        "tuning_steps": tune,
        "random_seed": random_seed,
        **_gradient_counts(result, tune),
    }
    if "discard_tuned_samples" not in sample_options:
        for name in [name for name in group_names(result) if name.startswith("warmup_")]:
            del result[name]
    _add_log_likelihood(result, model, pymc_model)
    return _with_attributes(result, seconds, attributes)


def _gradient_counts(result: Result, tune: int) -> dict[str, int]:
    """Attributes with the numbers of leapfrog steps, if warm-up and sampling report them."""
    steps = [
        int(get_group(result, name)["n_steps"].sum())
        for name in ("warmup_sample_stats", "sample_stats")
        if name in group_names(result) and "n_steps" in get_group(result, name)
    ]
    expected = 1 if tune == 0 else 2
    if len(steps) < expected:
        return {}
    return {
        "num_gradient_evaluations": sum(steps),
        "num_warmup_gradient_evaluations": sum(steps[:-1]),
    }


def _variational(method: str, description: str) -> Callable[..., Result]:
    """The baseline of a method of ``pm.fit``."""

    def fit(
        model: pm.Model | BambiModel | None = None,
        *,
        model_kwargs: Mapping[str, object] | None = None,
        random_seed: int = 0,
        draws: int = 1000,
        chains: int = 4,
        iterations: int = 10_000,
        **fit_options: Any,
    ) -> Result:
        pymc_model = pymc_model_of(model, model_kwargs)
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
        result = _completed(result, model, pymc_model, chains)
        attributes = {
            "algorithm": method,
            "iterations": iterations,
            "random_seed": random_seed,
            "num_gradient_evaluations": iterations * _gradients_per_iteration(method, fit_options),
        }
        return _with_attributes(result, seconds, attributes)

    fit.__name__ = fit.__qualname__ = method
    fit.__doc__ = f"""{description}, by ``pm.fit(method="{method}")`` with its options.

    One approximation is fitted, and its draws are divided among the chains.

    Returns
    -------
    InferenceData or DataTree
        The result with the log likelihood.

    Raises
    ------
    OptionError
        If ``model_kwargs`` are given: a PyMC model takes none.
    """
    return fit


#: PyMC's inference methods by name.
BASELINES: dict[str, Callable[..., Result]] = {
    "nuts": nuts,
    "advi": _variational("advi", "A Gaussian with diagonal covariance"),
    "fullrank_advi": _variational("fullrank_advi", "A Gaussian with full covariance"),
    "svgd": _variational("svgd", "Particles moved by Stein variational gradient descent"),
}


def pymc_model_of(
    model: pm.Model | BambiModel | None, model_kwargs: Mapping[str, object] | None
) -> pm.Model:
    """The PyMC model of a PyMC or Bambi model; None stands for the model of the open context.

    Raises
    ------
    OptionError
        If ``model_kwargs`` are given: a PyMC model takes none.
    """
    if model_kwargs:
        raise OptionError(
            f"a PyMC model takes no arguments, but model_kwargs has {sorted(model_kwargs)}"
        )
    return _bambi.pymc_model_of(model) if is_bambi(model) else pm.modelcontext(model)


def _completed(
    result: Result, model: pm.Model | BambiModel | None, pymc_model: pm.Model, chains: int
) -> Result:
    """The draws of an approximation, divided among chains, with the log likelihood."""
    posterior = _in_chains(get_group(result, "posterior"), chains)
    if is_bambi(model):
        posterior = posterior.drop_vars(list(_bambi.likelihood_parameters(model)))
    add_group(result, "posterior", posterior)
    _add_log_likelihood(result, None, pymc_model)
    return _bambi.finish(model, result) if is_bambi(model) else result


def _gradients_per_iteration(method: str, fit_options: Mapping[str, Any]) -> int:
    """Number of gradients in an iteration: one for each particle or sample of the objective."""
    if method == "svgd":
        return fit_options.get("inf_kwargs", {}).get("n_particles", DEFAULT_SVGD_PARTICLES)
    return fit_options.get("obj_n_mc", 1)


def _add_log_likelihood(
    result: Result, model: pm.Model | BambiModel | None, pymc_model: pm.Model
) -> None:
    """Add the log likelihood if the model has data and the sampler has not added it."""
    if not pymc_model.observed_RVs or "log_likelihood" in group_names(result):
        return
    if is_bambi(model):
        # A copy is used, because Bambi adds the parameters of the likelihood to the posterior.
        copy = model.compute_log_likelihood(result, inplace=False)
        add_group(result, "log_likelihood", get_group(copy, "log_likelihood"))
    else:
        pm.compute_log_likelihood(result, model=pymc_model, progressbar=False)


def _in_chains(dataset: xr.Dataset, chains: int) -> xr.Dataset:
    """Divide the draws of a single chain among several."""
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


def _with_attributes(result: Result, seconds: float, attributes: Mapping[str, object]) -> Result:
    """The result with these attributes at its root and in its posterior group."""
    attributes = {
        "inference_library": "pymc",
        "inference_library_version": pm.__version__,
        "sampling_time": seconds,
        **attributes,
    }
    result.attrs.update(attributes)
    posterior = get_group(result, "posterior").assign_attrs(attributes)
    return add_group(result, "posterior", posterior)

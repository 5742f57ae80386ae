"""PyMC's variational inference: Gaussian approximations and Stein particles."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr
from pymc.variational.inference import Inference
from pymc.variational.opvi import ObjectiveFunction

from isogmm.model.checks.keywords import names_of, passes_on
from isogmm.results.groups import Result, add_group, get_group
from isogmm_pymc import _bambi
from isogmm_pymc._data.minibatches import without_minibatches
from isogmm_pymc._inference.results import add_log_likelihood, pymc_model_of, with_attributes
from isogmm_pymc._languages import BambiModel, is_bambi

#: Number of particles of ``pm.fit(method="svgd")`` if the user gives none.
DEFAULT_SVGD_PARTICLES = 100

#: Keyword arguments that ``pm.fit`` takes or passes on, without those that are set here.
_FIT_OPTIONS = tuple(
    name
    for name in names_of(pm.fit, Inference.fit, ObjectiveFunction.step_function)
    if name not in ("n", "method", "model")
)


def variational(method: str, description: str) -> Callable[..., Result]:
    """The baseline of a method of ``pm.fit``."""

    @passes_on(_FIT_OPTIONS)
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
        return with_attributes(result, seconds, attributes)

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


def _completed(
    result: Result, model: pm.Model | BambiModel | None, pymc_model: pm.Model, chains: int
) -> Result:
    """The draws of an approximation, divided among chains, with the log likelihood."""
    posterior = _in_chains(get_group(result, "posterior"), chains)
    if is_bambi(model):
        posterior = posterior.drop_vars(list(_bambi.likelihood_parameters(model)))
    add_group(result, "posterior", posterior)
    # The log likelihood is that of all data, not of random minibatches.
    full = without_minibatches(pymc_model)
    add_log_likelihood(result, None, pymc_model if full is None else full)
    return _bambi.finish(model, result) if is_bambi(model) else result


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


def _gradients_per_iteration(method: str, fit_options: Mapping[str, Any]) -> int:
    """Number of gradients in an iteration: one for each particle or sample of the objective."""
    if method == "svgd":
        return (fit_options.get("inf_kwargs") or {}).get("n_particles", DEFAULT_SVGD_PARTICLES)
    return fit_options.get("obj_n_mc") or 1

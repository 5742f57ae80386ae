"""``nuts_from``: the No-U-Turn sampler started from a fit, with next to no warm-up."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from isogmm.model.adapter import find_adapter
from isogmm.model.log_density import LogDensity
from isogmm.model.target import Target
from isogmm.model.to_target import to_target
from isogmm.results.from_draws import result_of_draws
from isogmm.results.groups import add_group, attributes, get_group, group_names
from isogmm.samplers.blackjax_nuts import run_nuts
from isogmm.samplers.modes import Mode, modes_of, shares
from isogmm.validation import seed_of, whole_number

#: Transitions that adapt the step size; there is nothing else to adapt.
WARMUP = 100


def nuts_from(
    idata: Any,
    model: Any = None,
    *model_args: Any,
    model_kwargs: Mapping[str, Any] | None = None,
    draws: int = 1000,
    chains: int = 4,
    tune: int = WARMUP,
    random_seed: Any = None,
) -> Any:
    """NUTS started from a fit: starts from its draws, mass matrix from its mixture.

    Only the step size is adapted.  Where the fit found several modes, ``chains`` chains run in
    each of them, as many transitions as its mass asks for, and their draws are interleaved:
    every chain of the result visits the modes in the proportions of the fit.  That is right
    whether or not NUTS can cross between them, because starts drawn by the masses of the modes
    leave every later state with the law of the posterior.

    The language's own NUTS runs (NumPyro, PyMC), BlackJAX where there is no language.

    Parameters
    ----------
    idata
        The result of :func:`isogmm.fit_isogmm`.
    model, *model_args, model_kwargs
        The model that was fitted, with its arguments.
    draws, chains
        Shape of the result.
    tune
        Transitions that adapt the step size, in every mode.
    random_seed
        An int, a NumPy Generator or a JAX key.

    Returns
    -------
    InferenceData or DataTree
        As the language's NUTS gives it, with the start's ``mode`` in ``sample_stats`` and the
        attributes ``num_gradient_evaluations`` and ``num_warmup_gradient_evaluations`` (those of
        the sampler) and ``fit_num_gradient_evaluations``.

    Raises
    ------
    OptionError
        If ``idata`` is not a fit of this model, or a number makes no sense.
    MissingPackageError
        If the sampler's package is not installed.
    """
    begin = time.perf_counter()
    draws, chains = whole_number("draws", draws), whole_number("chains", chains)
    tune = whole_number("tune", tune)
    seed = seed_of(random_seed)
    target = to_target(model, model_args, model_kwargs or {}, seed)
    modes = modes_of(idata, target)
    run = _sampler(target, model, model_args, model_kwargs)
    generator = np.random.default_rng(seed)
    lengths = shares(np.array([mode.mass for mode in modes]), draws)
    results, visited = [], []
    for mode, length in zip(modes, lengths, strict=True):
        if length > 0:
            results.append(
                run(
                    starts=mode.starts(chains, generator),
                    covariance=mode.inverse_mass(),
                    draws=int(length),
                    tune=tune,
                    random_seed=int(generator.integers(2**31)),
                )
            )
            visited.append(mode)
    result = _joined(results, visited)
    numbers = [attributes(one) for one in results]
    totals = {
        name: int(sum(int(n[name]) for n in numbers))
        for name in ("num_gradient_evaluations", "num_warmup_gradient_evaluations")
        if all(name in n for n in numbers)
    }
    fit = attributes(idata)
    found = {
        **totals,
        "algorithm": "nuts_from",
        "sampling_time": time.perf_counter() - begin,
        "tuning_steps": tune,
        "random_seed": seed,
        "num_modes": len(visited),
        "fit_num_gradient_evaluations": int(fit.get("num_gradient_evaluations", 0)),
        "fit_sampling_time": float(fit.get("sampling_time", float("nan"))),
    }
    result.attrs.update(found)
    posterior = get_group(result, "posterior").assign_attrs(found)
    return add_group(result, "posterior", posterior)


def _sampler(
    target: Target,
    model: Any,
    model_args: tuple[Any, ...],
    model_kwargs: Mapping[str, Any] | None,
) -> Callable[..., Any]:
    """The language's own ``nuts_from`` where its adapter has one, else BlackJAX."""
    if not isinstance(model, Target | LogDensity):
        own = find_adapter(model).baselines().get("nuts_from")
        if own is not None:
            return lambda **options: own(
                model, *model_args, model_kwargs=dict(model_kwargs or {}), **options
            )

    def run(
        *, starts: np.ndarray, covariance: np.ndarray, draws: int, tune: int, random_seed: int
    ) -> Any:
        found = run_nuts(
            target, starts, draws=draws, tune=tune, seed=random_seed, covariance=covariance
        )
        gradients = found.warmup_gradients + int(found.statistics["n_steps"].sum())
        return result_of_draws(
            target,
            found.positions,
            library="blackjax",
            seed=random_seed,
            attributes={
                "num_gradient_evaluations": gradients,
                "num_warmup_gradient_evaluations": found.warmup_gradients,
            },
            sample_stats=found.statistics,
        )

    return run


def _joined(results: list[Any], modes: list[Mode]) -> Any:
    """One result in which the draws of the modes take turns, in proportion to their numbers."""
    first = results[0]
    lengths = [get_group(one, "posterior").sizes["draw"] for one in results]
    turns = np.concatenate([(np.arange(length) + 0.5) / length for length in lengths])
    order = np.argsort(turns, kind="stable")
    for name in group_names(first):
        parts = [get_group(one, name) for one in results]
        if "draw" not in parts[0].dims:
            continue
        if name == "sample_stats":
            parts = [
                part.assign(mode=(("chain", "draw"), np.full(_shape(part), mode.index)))
                for part, mode in zip(parts, modes, strict=True)
            ]
        whole = xr.concat(parts, dim="draw", join="override", combine_attrs="override")
        whole = whole.isel(draw=order).assign_coords(draw=np.arange(len(order)))
        add_group(first, name, whole)
    return first


def _shape(part: xr.Dataset) -> tuple[int, int]:
    return part.sizes["chain"], part.sizes["draw"]

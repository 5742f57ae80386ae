"""``nuts_from``: the No-U-Turn sampler started from a fit, with a short warm-up."""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Protocol, runtime_checkable

import numpy as np
import xarray as xr
from jaxtyping import Float

from isogmm.model.adapter import find_adapter
from isogmm.model.checks.keywords import explains_keywords
from isogmm.model.functions.log_density import LogDensity
from isogmm.model.target import Target
from isogmm.model.to_target import to_target
from isogmm.progress.progress import Progress
from isogmm.results.building.check_result import check_result
from isogmm.results.building.from_draws import result_of_draws
from isogmm.results.groups import Result, add_group, attributes, get_group, group_names
from isogmm.samplers.blackjax_nuts import run_nuts
from isogmm.samplers.modes import Mode, modes_of, shares
from isogmm.validation import seed_of, whole_number

#: Transitions of the warm-up, which adapts only the step size.
WARMUP = 100
#: Attributes that are summed over the runs in the modes.
_TOTALS = ("num_gradient_evaluations", "num_warmup_gradient_evaluations")


@runtime_checkable
class Sampler(Protocol):
    """NUTS on the model, with given starting points and mass matrix."""

    def __call__(
        self,
        *,
        starts: Float[np.ndarray, "c d"],
        covariance: Float[np.ndarray, "..."],
        draws: int,
        tune: int,
        random_seed: int,
    ) -> Result:
        """One chain from each starting point."""
        ...


@explains_keywords
def nuts_from(
    idata: Result,
    model: object = None,
    *model_args: object,
    model_kwargs: Mapping[str, object] | None = None,
    draws: int = 1000,
    chains: int = 4,
    tune: int = WARMUP,
    random_seed: object = None,
    progressbar: bool = True,
) -> Result:
    """NUTS with starting points from the draws of a fit and a mass matrix from its mixture.

    Only the step size is adapted.  If the fit found several modes, ``chains`` chains run in each
    of them, with numbers of draws proportional to the masses of the modes.  Their draws are
    interleaved, so that every chain of the result visits the modes in these proportions.  This is
    valid whether or not NUTS can move between the modes: if starting points are distributed as
    the posterior, so are all later states.

    NUTS is that of the modeling language (NumPyro, PyMC), or that of BlackJAX for a
    :class:`isogmm.LogDensity`.

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
        An int, a list of ints, a NumPy Generator or a JAX key.
    progressbar
        Show a line with the mode and the elapsed time, on terminals and in notebooks only.

    Returns
    -------
    InferenceData or DataTree
        The result of the language's NUTS.  ``sample_stats`` has the ``mode`` in which each draw
        was started.  The attributes ``num_gradient_evaluations`` and
        ``num_warmup_gradient_evaluations`` count those of the sampler, and
        ``fit_num_gradient_evaluations`` those of the fit.

    Raises
    ------
    OptionError
        If ``idata`` is not a fit of this model, or a number is invalid.
    MissingPackageError
        If the package of the sampler is not installed.
    """
    begin = time.perf_counter()
    draws, chains = whole_number("draws", draws), whole_number("chains", chains)
    tune = whole_number("tune", tune)
    seed = seed_of(random_seed)
    with Progress(progressbar, "tracing and compiling the model") as progress:
        target = to_target(model, model_args, model_kwargs or {}, seed)
        check_result(target)
        modes = modes_of(idata, target)
        sampler = _sampler(target, model, model_args, model_kwargs or {})
        generator = np.random.default_rng(seed)
        lengths = shares(np.array([mode.mass for mode in modes]), draws)
        visited = [mode for mode, length in zip(modes, lengths, strict=True) if length > 0]
        results: list[Result] = []
        for mode, length in zip(visited, lengths[lengths > 0], strict=True):
            place = f", mode {len(results) + 1} of {len(visited)}" if len(visited) > 1 else ""
            progress.show(f"running NUTS from the fit{place}")
            results.append(
                sampler(
                    starts=mode.starting_points(chains, generator),
                    covariance=mode.inverse_mass(),
                    draws=int(length),
                    tune=tune,
                    random_seed=int(generator.integers(2**31)),
                )
            )
    result = _joined(results, visited)
    fit = attributes(idata)
    found = {
        **_counts(results),
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
    model: object,
    model_args: tuple[object, ...],
    model_kwargs: Mapping[str, object],
) -> Sampler:
    """The language's own ``nuts_from`` if its adapter has one, otherwise that of BlackJAX."""
    if not isinstance(model, Target | LogDensity):
        own = find_adapter(model).baselines().get("nuts_from")
        if own is not None:
            return partial(own, model, *model_args, model_kwargs=dict(model_kwargs))
    return partial(_blackjax_sampler, target)


def _blackjax_sampler(
    target: Target,
    *,
    starts: Float[np.ndarray, "c d"],
    covariance: Float[np.ndarray, "..."],
    draws: int,
    tune: int,
    random_seed: int,
) -> Result:
    run = run_nuts(target, starts, draws=draws, tune=tune, seed=random_seed, covariance=covariance)
    return result_of_draws(
        target,
        run.positions,
        library="blackjax",
        seed=random_seed,
        attributes={
            "num_gradient_evaluations": run.num_gradients,
            "num_warmup_gradient_evaluations": run.warmup_gradients,
        },
        sample_stats=run.statistics,
    )


def _counts(results: Sequence[Result]) -> dict[str, int]:
    """Gradient evaluations of all runs, as far as every run reports them."""
    attrs = [attributes(one) for one in results]
    return {
        name: int(sum(int(one[name]) for one in attrs))
        for name in _TOTALS
        if all(name in one for one in attrs)
    }


def _joined(results: Sequence[Result], modes: Sequence[Mode]) -> Result:
    """One result in which the draws of the modes alternate, in proportion to their numbers.

    It is made from the first of the results, which changes.
    """
    first = results[0]
    lengths = [get_group(one, "posterior").sizes["draw"] for one in results]
    positions = np.concatenate([(np.arange(length) + 0.5) / length for length in lengths])
    order = np.argsort(positions, kind="stable")
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
    """Number of chains and of draws."""
    return part.sizes["chain"], part.sizes["draw"]

"""NumPyro's No-U-Turn sampler with a count of its leapfrog steps."""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import numpy as np
from numpyro.infer import MCMC, NUTS
from numpyro.infer.hmc import HMCState
from numpyro.infer.mcmc import MCMCKernel

from isogmm.arrays import split
from isogmm.model.checks.keywords import names_of, passes_on
from isogmm.results.groups import Result
from isogmm_numpyro._inference.model_call import inference_arguments, inference_model
from isogmm_numpyro._inference.results import make_result
from isogmm_numpyro._reading.read import read_model
from isogmm_numpyro._types import Model

#: Names of the statistics of NUTS in NumPyro and in ArviZ.
_STATISTICS = {
    "inner.diverging": "diverging",
    "inner.num_steps": "n_steps",
    "inner.accept_prob": "acceptance_rate",
    "inner.energy": "energy",
    "inner.potential_energy": "lp",
    "inner.adapt_state.step_size": "step_size",
}
#: Initial step size of :func:`nuts_from`, before its adaptation. The inverse mass matrix is the
#: covariance of the posterior, so the scale of every coordinate is about 1.
_INITIAL_STEP_SIZE = 0.5


class _CountedState(NamedTuple):
    """The state of NUTS and the number of all leapfrog steps so far."""

    inner: HMCState
    total_steps: jax.Array


class _CountedNUTS(MCMCKernel):
    """NUTS that counts its leapfrog steps, those of the warm-up included."""

    sample_field = "inner.z"

    def __init__(self, nuts: NUTS) -> None:
        self._nuts = nuts

    def init(
        self,
        rng_key: jax.Array,
        num_warmup: int,
        init_params: object,
        model_args: tuple[object, ...],
        model_kwargs: dict[str, object],
    ) -> _CountedState:
        state = self._nuts.init(rng_key, num_warmup, init_params, model_args, model_kwargs)
        return _CountedState(state, state.num_steps)

    def sample(
        self, state: _CountedState, model_args: tuple[object, ...], model_kwargs: dict[str, object]
    ) -> _CountedState:
        inner = self._nuts.sample(state.inner, model_args, model_kwargs)
        return _CountedState(inner, state.total_steps + inner.num_steps)

    def postprocess_fn(
        self, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> Callable[..., object]:
        return self._nuts.postprocess_fn(args, kwargs)


@passes_on(("init_params", *names_of(NUTS)))
def nuts(
    model: Model,
    *model_args: object,
    model_kwargs: Mapping[str, object] | None = None,
    random_seed: int = 0,
    draws: int = 1000,
    chains: int = 4,
    tune: int = 1000,
    **options: object,
) -> Result:
    """The No-U-Turn sampler with vectorized chains.

    Parameters
    ----------
    model, *model_args, model_kwargs
        The model and its arguments.
    random_seed
        Seed of the chains.
    draws, chains
        Shape of the result.
    tune
        Warm-up transitions of each chain.
    **options
        ``init_params`` gives the unconstrained starting points by site, with a leading axis for
        several chains. All other options are those of ``numpyro.infer.NUTS``.

    Returns
    -------
    InferenceData or DataTree
        The attribute ``num_gradient_evaluations`` counts the leapfrog steps of warm-up and
        sampling, ``num_warmup_gradient_evaluations`` those of the warm-up.
    """
    read = read_model(model, model_args, dict(model_kwargs or {}))
    args, kwargs = inference_arguments(read)
    init_params = options.pop("init_params", None)
    mcmc = MCMC(
        _CountedNUTS(NUTS(inference_model(model, read), **options)),
        num_warmup=tune,
        num_samples=draws,
        num_chains=chains,
        chain_method="vectorized",
        progress_bar=False,
    )
    begin = time.perf_counter()
    mcmc.run(
        jax.random.key(random_seed),
        *args,
        extra_fields=tuple(_STATISTICS),
        init_params=init_params,
        **kwargs,
    )
    samples = jax.tree.map(np.asarray, mcmc.get_samples(group_by_chain=True))
    seconds = time.perf_counter() - begin
    statistics = _statistics(mcmc)
    num_gradients = int(np.sum(mcmc.last_state.total_steps))
    attributes = {
        "sampling_time": seconds,
        "algorithm": "nuts",
        "tuning_steps": tune,
        "random_seed": random_seed,
        "num_gradient_evaluations": num_gradients,
        "num_warmup_gradient_evaluations": num_gradients - int(np.sum(statistics["n_steps"])),
    }
    return make_result(model, read, samples, attributes, statistics)


def _statistics(mcmc: MCMC) -> dict[str, np.ndarray]:
    """Statistics of each draw by their names in ArviZ."""
    fields = jax.tree.map(np.asarray, mcmc.get_extra_fields(group_by_chain=True))
    statistics = {_STATISTICS[name]: value for name, value in fields.items()}
    statistics["lp"] = -statistics["lp"]
    return statistics


def nuts_from(
    model: Model,
    *model_args: object,
    starts: np.ndarray,
    covariance: np.ndarray,
    model_kwargs: Mapping[str, object] | None = None,
    draws: int = 1000,
    tune: int = 100,
    random_seed: int = 0,
) -> Result:
    """One NUTS chain from each starting point, with a given mass matrix.

    The step size is adapted, the mass matrix is not.

    Parameters
    ----------
    model, *model_args, model_kwargs
        The model and its arguments.
    starts
        Starting points ``(chains, d)`` in the flat unconstrained coordinates of the target.
    covariance
        The inverse mass matrix in the same coordinates, ``(d, d)`` or its diagonal ``(d,)``.
    draws, tune, random_seed
        As for :func:`nuts`.

    Returns
    -------
    InferenceData or DataTree
        As for :func:`nuts`.
    """
    shapes = read_model(model, model_args, dict(model_kwargs or {})).sites.shapes
    chains = len(starts)
    # A single chain has no leading axis in NumPyro.
    parts = split(starts if chains > 1 else starts[0], shapes.values())
    columns = dict(zip(shapes, split(np.arange(starts.shape[-1]), shapes.values()), strict=True))
    # NumPyro orders the coordinates of its mass matrix by the names of the sites.
    order = np.concatenate([columns[name].reshape(-1) for name in sorted(columns)])
    is_dense = covariance.ndim == 2
    return nuts(
        model,
        *model_args,
        model_kwargs=model_kwargs,
        random_seed=random_seed,
        draws=draws,
        chains=chains,
        tune=tune,
        init_params=dict(zip(shapes, parts, strict=True)),
        inverse_mass_matrix=covariance[np.ix_(order, order)] if is_dense else covariance[order],
        dense_mass=is_dense,
        adapt_mass_matrix=False,
        step_size=_INITIAL_STEP_SIZE,
    )

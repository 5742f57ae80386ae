"""Data simulated from a NumPyro model, and the model with simulated data."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import jax
import numpy as np
import numpyro
from numpyro import handlers
from numpyro.distributions import Unit
from numpyro.infer import Predictive
from numpyro.primitives import Messenger

from isogmm.errors import ModelError
from isogmm.model.simulation import Simulations
from isogmm.results.groups import arviz_name
from isogmm_numpyro._reading.read import read_model
from isogmm_numpyro._types import Message, Model

if TYPE_CHECKING:
    import xarray as xr


def simulate(
    model: Model,
    args: tuple[object, ...],
    kwargs: Mapping[str, object],
    random_seed: int,
    *,
    n: int,
    posterior: "xr.Dataset | None",
) -> Simulations:
    """Data simulated from a model; see ``AbstractAdapter.simulate``."""
    read = read_model(model, args, kwargs)
    observed = list(read.sites.observed)
    if not observed:
        raise ModelError(
            "the model has no observed site, so there are no data to simulate: call with data, as "
            "for a fit; only their shapes are used"
        )
    key = jax.random.key(random_seed)
    _check_simulator(model, args, kwargs, key)
    unobserved = handlers.uncondition(model)
    latent = None
    if posterior is not None:
        names = {arviz_name(name): name for name in (*read.sites.free, *read.sites.discrete)}
        flat = posterior.stack(sample=("chain", "draw")).transpose("sample", ...)
        latent = {site: np.asarray(flat[name].values) for name, site in names.items()}
    draws = Predictive(unobserved, latent, num_samples=n if latent is None else None)(
        key, *args, **kwargs
    )
    drawn = {name: np.asarray(value) for name, value in draws.items()} | (latent or {})
    quantities = (*read.sites.free, *read.sites.discrete, *read.sites.deterministic)
    truth = {arviz_name(name): drawn[name] for name in quantities if name in drawn}
    count = len(drawn[observed[0]])
    datasets = [{"replicate": {name: drawn[name][i] for name in observed}} for i in range(count)]
    replicated = ReplicatedModel(model, adds=posterior is not None)
    return Simulations(replicated, list(datasets), {"args": args, "kwargs": dict(kwargs)}, truth)


def _check_simulator(
    model: Model, args: tuple[object, ...], kwargs: Mapping[str, object], key: jax.Array
) -> None:
    """Raise an error for terms that are no distribution."""
    trace = handlers.trace(handlers.seed(handlers.uncondition(model), key))
    try:
        sites = jax.eval_shape(lambda: _samples(trace, args, kwargs)) and trace.trace
    except NotImplementedError as error:
        raise ModelError(
            "a distribution of the model, for example an ImproperUniform, cannot be sampled: give "
            "every variable a proper prior"
        ) from error
    factors = [n for n, s in sites.items() if isinstance(s.get("fn"), Unit)]
    if factors:
        raise ModelError(
            f"{', '.join(factors)} is a numpyro.factor, from which no data can be simulated: write "
            "the term as numpyro.sample(..., obs=...)"
        )


def _samples(
    trace: handlers.trace, args: tuple[object, ...], kwargs: Mapping[str, object]
) -> dict[str, object]:
    found = trace.get_trace(*args, **kwargs)
    return {name: site["value"] for name, site in found.items() if site["type"] == "sample"}


class ReplicatedModel:
    """A model with simulated data.

    Parameters
    ----------
    model
        The model of the user.
    adds
        Whether the simulated data are added to the data of the user, instead of replacing them.
    """

    def __init__(self, model: Model, *, adds: bool) -> None:
        self._model, self._adds = model, adds

    def __call__(
        self,
        replicate: Mapping[str, object],
        args: tuple[object, ...],
        kwargs: Mapping[str, object],
    ) -> None:
        """Run the model."""
        if not self._adds:
            handlers.substitute(self._model, data=dict(replicate))(*args, **kwargs)
            return
        with _Observed() as observed:
            self._model(*args, **kwargs)
        for name, value in replicate.items():
            site = observed.sites[name]
            log_prob = site["fn"].log_prob(value)
            scale = 1.0 if site["scale"] is None else site["scale"]
            numpyro.factor(f"{name}_replicate", (scale * log_prob).sum())


class _Observed(Messenger):
    """Keeps the observed sites of a run."""

    def __enter__(self) -> "_Observed":
        self.sites: dict[str, Message] = {}
        super().__enter__()
        return self

    def postprocess_message(self, site: Message) -> None:
        """Keep an observed site."""
        if site["type"] == "sample" and site["is_observed"]:
            self.sites[site["name"]] = site

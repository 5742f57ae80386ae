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

from isogmm.arrays import Array
from isogmm.errors import ModelError
from isogmm.model.simulation import Simulations
from isogmm.results.groups import arviz_name
from isogmm_numpyro._inference.model_call import inference_arguments
from isogmm_numpyro._reading.read import read_model
from isogmm_numpyro._statements.distributions import is_factor
from isogmm_numpyro._statements.prepare import prepare
from isogmm_numpyro._statements.sites import Sites
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
    # The data are those of the model that is fitted: with all rows of subsampled plates, with the
    # values of its param sites, and with the normal vectors of directions on the sphere.
    prepared = prepare(model, read.values.params, full_plates=read.full_plates)
    unobserved: Messenger = _Unobserved(prepared, draws_scans=posterior is None)
    if posterior is None:
        # Each step of a scan can depend on the simulated data of the step before.  Data that are
        # added have the density given the steps of the user's data.
        unobserved = handlers.substitute(unobserved, substitute_fn=_drawn_in_scan)
    given, named = inference_arguments(read)
    _check_simulator(unobserved, given, named, key)
    latent = None
    if posterior is not None:
        _check_scans(read.sites)
        names = {arviz_name(name): name for name in (*read.sites.free, *read.sites.discrete)}
        flat = posterior.stack(sample=("chain", "draw")).transpose("sample", ...)
        latent = {site: np.asarray(flat[name].values) for name, site in names.items()}
    draws = Predictive(unobserved, latent, num_samples=n if latent is None else None)(
        key, *given, **named
    )
    drawn = {name: np.asarray(value) for name, value in draws.items()} | (latent or {})
    quantities = (*read.sites.free, *read.sites.discrete, *read.sites.deterministic)
    truth = {arviz_name(name): drawn[name] for name in quantities}
    count = len(drawn[observed[0]])
    datasets = [{"replicate": {name: drawn[name][i] for name in observed}} for i in range(count)]
    replicated = ReplicatedModel(model, adds=posterior is not None)
    return Simulations(replicated, list(datasets), {"args": args, "kwargs": dict(kwargs)}, truth)


def _check_simulator(
    unobserved: Model, args: tuple[object, ...], kwargs: Mapping[str, object], key: jax.Array
) -> None:
    """Raise an error for terms that are no distribution."""
    trace = handlers.trace(handlers.seed(unobserved, key))
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


def _check_scans(sites: Sites) -> None:
    """Raise an error for data in a scan beside discrete sites, to which none can be added."""
    scanned = [n for n, s in {**sites.discrete, **sites.observed}.items() if s.scanned]
    if sites.discrete and scanned:
        raise ModelError(
            f"simulated data cannot be added to those of the model, because it has the sites "
            f"{', '.join(scanned)} inside a scan, and the discrete sites "
            f"{', '.join(sites.discrete)}: use conditional=False"
        )


def _samples(
    trace: handlers.trace, args: tuple[object, ...], kwargs: Mapping[str, object]
) -> dict[str, object]:
    found = trace.get_trace(*args, **kwargs)
    return {name: site["value"] for name, site in found.items() if site["type"] == "sample"}


class _Unobserved(Messenger):
    """A model whose observed sites are drawn.

    ``handlers.uncondition`` gets its keys from ``prng_key`` statements, and a prepared model has
    the same key in all of them.

    Parameters
    ----------
    fn
        The prepared model.
    draws_scans
        Whether another handler draws the observed sites inside a scan.
    """

    def __init__(self, fn: Model, *, draws_scans: bool) -> None:
        super().__init__(fn)
        self.draws_scans = draws_scans

    def process_message(self, site: Message) -> None:
        """Remove the data of a site."""
        if site["type"] == "sample" and site["is_observed"]:
            site["is_observed"] = False
            if not (self.draws_scans and site.get("_control_flow_done", False)):
                site["value"] = None


def _drawn_in_scan(site: Message) -> Array | None:
    """A draw of an observed site inside a scan; outside no site is observed any more."""
    if site["type"] != "sample" or not site["is_observed"] or is_factor(site):
        return None
    return site["fn"](rng_key=numpyro.prng_key())


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
        added = _Added(replicate)
        with added:
            self._model(*args, **kwargs)
        for name, log_prob in added.of_scans.items():
            numpyro.factor(f"{name}_replicate", log_prob)


class _Added(Messenger):
    """Adds the log densities of simulated data to a run, each beside its observed site.

    There the plates and the scale of the site apply to it too, and a discrete site is summed out of
    both together.  In a scan this is not possible.

    Parameters
    ----------
    replicate
        Simulated data by observed site.
    """

    def __init__(self, replicate: Mapping[str, object]) -> None:
        super().__init__()
        self.replicate = replicate
        #: Log densities of the sites inside a scan.
        self.of_scans: dict[str, jax.Array] = {}

    def postprocess_message(self, site: Message) -> None:
        """Add the data of an observed site."""
        name = site["name"]
        if site["type"] != "sample" or name not in self.replicate:
            return
        log_prob = site["fn"].log_prob(self.replicate[name])
        if site.get("_control_flow_done", False):
            scale = 1.0 if site["scale"] is None else site["scale"]
            self.of_scans[name] = (scale * log_prob).sum()
        else:
            numpyro.factor(f"{name}_replicate", log_prob)

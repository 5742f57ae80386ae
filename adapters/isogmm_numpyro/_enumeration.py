"""Discrete latent sites: summed out exactly in the log density, drawn back for the posterior."""

from typing import Any

import jax

from isogmm.errors import ModelError, require
from isogmm_numpyro._sites import Site, Sites


def check_enumerable(sites: Sites) -> None:
    """Refuse discrete sites that NumPyro cannot sum out.

    Raises
    ------
    ModelError
        Naming the sites and the remedy.
    MissingPackageError
        If funsor, which does the summing, is not installed.
    """
    refused = []
    for name, site in sites.discrete.items():
        if not site.enumerable:
            refused.append(f"'{name}' ({site.distribution}, whose values cannot be listed)")
        elif site.enumerate_mark not in (None, "parallel"):
            refused.append(f"'{name}' (marked infer={{'enumerate': '{site.enumerate_mark}'}})")
    if refused:
        raise ModelError(
            f"discrete latent sites that cannot be summed out: {', '.join(refused)}. Sum them out "
            "by hand (for example with numpyro.distributions.MixtureSameFamily, a zero-inflated "
            "distribution or GammaPoisson), observe them, or use a continuous relaxation."
        )
    require("funsor", extra="numpyro")
    for site in (*sites.free.values(), *sites.discrete.values(), *sites.observed.values()):
        _check_plates(site)


def _check_plates(site: Site) -> None:
    batch_ndim = len(site.shape) - site.event_dim
    declared = {dim for _, dim, _ in site.plates}
    # The leading axis of a scanned site is time, which needs no plate.
    last = batch_ndim - 1 if site.scanned else batch_ndim
    for depth in range(1, last + 1):
        if site.shape[batch_ndim - depth] > 1 and -depth not in declared:
            raise ModelError(
                f"site '{site.name}' has shape {site.shape} but no plate for its batch axis "
                f"{-depth}: summing out discrete sites needs every batch axis inside a "
                "numpyro.plate (or in the event: .to_event())."
            )


def enumerated(model: Any, sites: Sites) -> Any:
    """The model with its discrete sites laid out in parallel axes, left of all plates."""
    from numpyro.contrib.funsor import config_enumerate, enum

    return enum(config_enumerate(model), -sites.max_plate_nesting - 1)


def undrawable(sites: Sites) -> list[str]:
    """Discrete sites that can be summed out but not drawn: funsor cannot sample scanned ones."""
    return [name for name, site in sites.discrete.items() if site.scanned]


def draw_discrete(model: Any, sites: Sites, key: jax.Array) -> Any:
    """The model with its discrete sites drawn from their distribution given all else.

    ``model`` must have all its continuous sites substituted.
    """
    from numpyro.contrib.funsor import config_enumerate, infer_discrete

    return infer_discrete(
        config_enumerate(model),
        first_available_dim=-sites.max_plate_nesting - 1,
        rng_key=key,
    )

"""Discrete latent sites: summed out of the log density, and drawn given all other values."""

import jax

from isogmm.errors import ModelError, require
from isogmm_numpyro._statements.sites import Site, Sites
from isogmm_numpyro._types import Model


def validate_discrete(sites: Sites) -> None:
    """Raise if NumPyro cannot sum out the discrete sites.

    Raises
    ------
    ModelError
        If a site cannot be enumerated; the message names the sites and the remedy.
    MissingPackageError
        If funsor, which computes the sums, is not installed.
    """
    refused = []
    for name, site in sites.discrete.items():
        if not site.enumerable:
            refused.append(f"'{name}' ({site.distribution}, whose values cannot be listed)")
        elif site.enumerate_mark not in (None, "parallel"):
            refused.append(f"'{name}' (marked infer={{'enumerate': '{site.enumerate_mark}'}})")
    if refused:
        raise ModelError(
            "the model has discrete latent sites that cannot be summed out: "
            f"{', '.join(refused)}. Sum them out by hand, for example with "
            "numpyro.distributions.MixtureSameFamily, a zero-inflated distribution or GammaPoisson."
        )
    require("funsor", extra="numpyro")
    for site in (*sites.free.values(), *sites.discrete.values(), *sites.observed.values()):
        _validate_plates(site)


def _validate_plates(site: Site) -> None:
    """Raise if a batch axis of the site has no plate."""
    batch_ndim = len(site.shape) - site.event_dim
    declared = {dim for _, dim, _ in site.plates}
    # The leading axis of a scanned site is time and has no plate.
    last = batch_ndim - 1 if site.scanned else batch_ndim
    for depth in range(1, last + 1):
        if site.shape[batch_ndim - depth] > 1 and -depth not in declared:
            raise ModelError(
                f"site '{site.name}' has shape {site.shape} but no plate for its batch axis "
                f"{-depth}. Models with discrete sites need every batch axis inside a "
                "numpyro.plate, or declared as an event axis with .to_event()."
            )


def enumerated(model: Model, sites: Sites) -> Model:
    """The model with its discrete sites enumerated along axes to the left of all plates."""
    from numpyro.contrib.funsor import config_enumerate, enum

    return enum(config_enumerate(model), -sites.max_plate_nesting - 1)


def not_summed(sites: Sites, error: Exception) -> str:
    """The message for an error in the sum over the discrete sites; without it the model runs."""
    scanned = [name for name, site in sites.free.items() if site.scanned]
    if scanned:
        remedy = (
            f"Draw the continuous sites of the scan ({', '.join(scanned)}) before it, each as one "
            "site with .to_event(1), and pass their values to the scan as xs."
        )
    else:
        remedy = (
            "In the sum, the values of a discrete site have further axes on the left: index arrays "
            "with numpyro.ops.indexing.Vindex, and do not assume a number of axes."
        )
    first = (str(error).splitlines() or [""])[0].rstrip(".")
    return (
        f"NumPyro cannot sum out the discrete sites {', '.join(sites.discrete)} of this model. "
        f"{remedy} The error was {type(error).__name__}{first and ': '}{first}."
    )


def undrawable(sites: Sites) -> list[str]:
    """Discrete sites that cannot be drawn: funsor does not sample sites inside a scan."""
    return [name for name, site in sites.discrete.items() if site.scanned]


def draw_discrete(model: Model, sites: Sites, key: jax.Array) -> Model:
    """The model with its discrete sites drawn from their conditional distribution.

    Parameters
    ----------
    model
        A model with values for all its continuous sites.
    sites
        The statements of the model.
    key
        Key of the draws.
    """
    from numpyro.contrib.funsor import config_enumerate, infer_discrete

    return infer_discrete(
        config_enumerate(model),
        first_available_dim=-sites.max_plate_nesting - 1,
        rng_key=key,
    )

"""Draws of the latent sites of a model from their priors."""

from collections.abc import Callable, Iterable

import jax

from isogmm.arrays import Array
from isogmm_numpyro._statements.distributions import transform_of
from isogmm_numpyro._types import Message

#: Starting points are uniform on (-INITIAL_RADIUS, INITIAL_RADIUS) in each unconstrained
#: coordinate, as in Stan and NumPyro.
INITIAL_RADIUS = 2.0


def drawing(names: Iterable[str], seed: jax.Array) -> Callable[[Message], Array | None]:
    """A function for ``handlers.substitute`` that draws the latent sites with these names."""
    latent = list(names)
    # One call for all keys: each is a part of the program that takes time to compile.
    keys = dict(zip(latent, jax.random.split(jax.random.key(seed), len(latent)), strict=True))

    def draw(site: Message) -> Array | None:
        if site["type"] != "sample" or site["is_observed"]:
            return None
        own = site["kwargs"].get("rng_key")
        # Each step of a scan has its own key.  A model that the user has seeded has keys that are
        # the same in every draw.
        return _draw(site, keys[site["name"]] if own is None else jax.random.fold_in(own, seed))

    return draw


def _draw(site: Message, key: jax.Array) -> Array:
    """A draw of a latent site from its distribution.

    A site whose distribution cannot be drawn from, like ``ImproperUniform``, gets the value of a
    starting point.
    """
    sample_shape = tuple(site["kwargs"].get("sample_shape", ()))
    try:
        return site["fn"](rng_key=key, sample_shape=sample_shape)
    except NotImplementedError:
        transform = transform_of(site)
        shape = transform.inverse_shape((*sample_shape, *site["fn"].shape()))
        bounds = {"minval": -INITIAL_RADIUS, "maxval": INITIAL_RADIUS}
        return transform(jax.random.uniform(key, shape, **bounds))

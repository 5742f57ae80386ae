"""The handlers around the user's model that make it a function of its latent variables alone."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from numpyro import handlers
from numpyro.infer.reparam import ProjectedNormalReparam, Reparam
from numpyro.primitives import Messenger


class PreparedModel(Messenger):
    """Fixes what is random or adjustable in a model besides its latent variables.

    - a plate that would draw a random subsample holds all its rows (``full_plates``), so that
      the posterior is that of the whole data set, or its first rows otherwise;
    - ``prng_key`` statements get a constant key;
    - ``param`` and ``mutable`` statements take the values given;
    - the missing part of ``sample(..., obs_mask=...)`` is a latent site as large as the data;
      its entries beside the observed data, which nothing uses, get their prior instead of the
      flat density NumPyro gives them: the posterior would have no finite mass otherwise.

    Parameters
    ----------
    fn
        The user's model.
    params
        Values of ``param`` and ``mutable`` sites by name; others keep their initial value.
    full_plates
        Whether a subsampled plate holds all rows.
    """

    def __init__(
        self, fn: Callable[..., Any], params: Mapping[str, Any], *, full_plates: bool = True
    ) -> None:
        super().__init__(fn)
        self.params = params
        self.full_plates = full_plates
        #: Plates that asked for a subsample: name to (size, subsample_size).
        self.subsampled: dict[str, tuple[int, int]] = {}
        #: Names of the latent sites met in the last run.
        self.latent: set[str] = set()
        self._observed: set[str] = set()

    def process_message(self, msg: dict[str, Any]) -> None:
        """Give the message its value where it has none."""
        if msg["type"] == "plate" and msg["value"] is None:
            size, subsample_size = msg["args"]
            self.subsampled[msg["name"]] = (size, subsample_size)
            rows = size if self.full_plates else subsample_size
            msg["args"] = (size, rows)
            msg["value"] = jnp.arange(rows)
        elif msg["type"] == "prng_key" and msg["value"] is None:
            msg["value"] = jax.random.key(0)
        elif msg["type"] in ("param", "mutable") and msg["name"] in self.params:
            msg["value"] = self.params[msg["name"]]
        elif msg["type"] == "sample" and msg["is_observed"]:
            self._observed.add(msg["name"])
        elif msg["type"] == "sample":
            stem, ending, rest = msg["name"].rpartition("_unobserved")
            if ending and not rest and f"{stem}_observed" in self._observed:
                msg["fn"] = _unmasked(msg["fn"])

    def postprocess_message(self, msg: dict[str, Any]) -> None:
        """Remember the latent sites."""
        if msg["type"] == "sample" and not msg["is_observed"]:
            self.latent.add(msg["name"])


def _unmasked(distribution: Any) -> Any:
    """The distribution without its masks, of the same shape."""
    if isinstance(distribution, dist.MaskedDistribution):
        return _unmasked(distribution.base_dist)
    if isinstance(distribution, dist.ExpandedDistribution):
        return _unmasked(distribution.base_dist).expand(distribution.batch_shape)
    if isinstance(distribution, dist.Independent):
        return _unmasked(distribution.base_dist).to_event(distribution.reinterpreted_batch_ndims)
    return distribution


def prepare(
    model: Callable[..., Any], params: Mapping[str, Any], *, full_plates: bool = True
) -> Any:
    """The model with everything but its latent variables fixed.

    Latent directions on the sphere (``ProjectedNormal``), to which no bijection exists, become
    the normalized value of a normal vector: NumPyro's own reparameterization.
    """
    return handlers.reparam(
        PreparedModel(model, params, full_plates=full_plates), config=_reparam_sphere
    )


def _reparam_sphere(site: dict[str, Any]) -> Reparam | None:
    fn = site["fn"]
    while isinstance(fn, (dist.ExpandedDistribution, dist.Independent, dist.MaskedDistribution)):
        fn = fn.base_dist
    latent_direction = isinstance(fn, dist.ProjectedNormal) and not site["is_observed"]
    return ProjectedNormalReparam() if latent_direction else None

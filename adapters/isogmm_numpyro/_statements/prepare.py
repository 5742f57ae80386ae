"""Handlers that turn the user's model into a function of its latent variables alone."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from numpyro import handlers
from numpyro.infer.reparam import ProjectedNormalReparam, Reparam
from numpyro.primitives import Messenger

from isogmm.errors import ModelError
from isogmm_numpyro._statements.distributions import unwrap, value_at_origin, without_masks
from isogmm_numpyro._types import Message, Model


class PreparedModel(Messenger):
    """Fixes all random or adjustable parts of a model except its latent variables.

    - A plate that would draw a random subsample gets all its rows (``full_plates``), so that the
      posterior is that of the whole data set. Without ``full_plates`` it gets its first rows.
    - ``prng_key`` statements get a constant key, unless the model has a seed of its own.
    - ``param`` and ``mutable`` statements get the given values.
    - The missing part of ``sample(..., obs_mask=...)`` is a latent site with the shape of the
      data. NumPyro gives the entries at observed positions a flat density, with which the
      posterior has no finite mass. Here these entries, which the model does not use, get their
      prior.

    Parameters
    ----------
    fn
        The user's model.
    params
        Values of ``param`` and ``mutable`` sites by name; the others keep their initial value.
    full_plates
        Whether a subsampled plate gets all rows.
    shapes
        Shapes of the latent sites in the first run; None if they need not stay.
    is_scaled
        Whether the log densities in a subsampled plate are multiplied by size / subsample_size.

    Raises
    ------
    ModelError
        If a latent site has another shape than in the first run.
    """

    def __init__(
        self,
        fn: Model,
        params: Mapping[str, object],
        *,
        full_plates: bool,
        shapes: Mapping[str, tuple[int, ...]] | None = None,
        is_scaled: bool = True,
    ) -> None:
        super().__init__(fn)
        self.is_scaled = is_scaled
        self.params = params
        self.full_plates, self.shapes = full_plates, shapes or {}
        #: Plates with a random subsample: name to (size, subsample_size).
        self.subsampled: dict[str, tuple[int, int]] = {}
        #: Names of the latent sites in the last run.
        self.latent: set[str] = set()
        self._observed: set[str] = set()

    def process_message(self, msg: Message) -> None:
        """Set the value or the distribution of a message."""
        if msg["type"] == "plate" and msg["value"] is None:
            size, subsample_size = msg["args"]
            self.subsampled[msg["name"]] = (size, subsample_size)
            rows = size if self.full_plates else subsample_size
            msg["args"] = (size, rows)
            msg["value"] = jnp.arange(rows)
        elif msg["type"] == "prng_key" and msg["kwargs"]["rng_key"] is None:
            msg["kwargs"]["rng_key"] = jax.random.key(0)
        elif msg["type"] in ("param", "mutable") and msg["name"] in self.params:
            msg["value"] = self.params[msg["name"]]
        if msg["type"] == "sample" and not self.is_scaled:
            self._remove_scale(msg)
        if msg["type"] == "sample" and msg["is_observed"]:
            self._observed.add(msg["name"])
        elif msg["type"] == "sample":
            stem, ending, rest = msg["name"].rpartition("_unobserved")
            if ending and not rest and f"{stem}_observed" in self._observed:
                msg["fn"] = without_masks(msg["fn"])
            self._check_shape(msg)

    def _remove_scale(self, msg: Message) -> None:
        """Divide the scale of a site by those of its subsampled plates."""
        for frame in msg["cond_indep_stack"]:
            size, _ = self.subsampled.get(frame.name, (frame.size, frame.size))
            if size != frame.size:
                msg["scale"] = msg["scale"] * frame.size / size

    def _check_shape(self, msg: Message) -> None:
        """Raise if the site has another shape than in the first run."""
        now = (*msg["kwargs"].get("sample_shape", ()), *msg["fn"].shape())
        first = self.shapes.get(msg["name"], now)
        if now != first:
            raise ModelError(
                f"the model changes from call to call: the latent site '{msg['name']}' had shape "
                f"{first} and now has shape {now}. Shapes must depend on the arguments only."
            )

    def postprocess_message(self, msg: Message) -> None:
        """Record the names of the latent sites."""
        if msg["type"] == "sample" and not msg["is_observed"]:
            self.latent.add(msg["name"])


def prepare(
    model: Model,
    params: Mapping[str, object],
    *,
    full_plates: bool,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    is_scaled: bool = True,
) -> Messenger:
    """The model with everything except its latent variables fixed.

    No bijection from the reals to the sphere exists. A latent direction on the sphere
    (``ProjectedNormal``) therefore becomes a normalized normal vector by NumPyro's own
    reparameterization.
    """
    return handlers.reparam(
        PreparedModel(model, params, full_plates=full_plates, shapes=shapes, is_scaled=is_scaled),
        config=_reparam_sphere,
    )


def _reparam_sphere(site: Message) -> Reparam | None:
    is_direction = isinstance(unwrap(site["fn"]), dist.ProjectedNormal)
    return ProjectedNormalReparam() if is_direction and not site["is_observed"] else None


def prepare_at_origin(model: Model, *, full_plates: bool) -> Messenger:
    """The prepared model with its free sites at the origin of the unconstrained space.

    The model can then be run without a posterior position, to find its sites or the values that
    it fixes.
    """
    substituted = handlers.substitute(
        prepare(model, {}, full_plates=full_plates), substitute_fn=value_at_origin
    )
    return handlers.seed(substituted, jax.random.key(0))


def prepared_of(model: Messenger) -> PreparedModel:
    """The :class:`PreparedModel` inside a model that other handlers enclose."""
    while not isinstance(model, PreparedModel):
        model = model.fn
    return model

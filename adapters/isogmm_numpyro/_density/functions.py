"""Log density and generated values of a model as pure functions of an unconstrained position."""

from collections.abc import Callable, Iterable
from typing import TypeAlias

import jax
import jax.numpy as jnp
from numpyro import handlers
from numpyro.infer.util import potential_energy
from numpyro.primitives import Messenger

from isogmm.arrays import Array, split
from isogmm.errors import ModelError
from isogmm.results.groups import arviz_name
from isogmm_numpyro._density.enumeration import draw_discrete, enumerated, not_summed, undrawable
from isogmm_numpyro._density.prior import drawing
from isogmm_numpyro._density.simplex_tails import clipped_log_determinant
from isogmm_numpyro._statements.arguments import Arguments
from isogmm_numpyro._statements.distributions import transform_of
from isogmm_numpyro._statements.prepare import prepare, prepared_of
from isogmm_numpyro._statements.sites import Sites
from isogmm_numpyro._types import Data, Message, Model, Trace

#: Arrays by group and variable.
Generated: TypeAlias = dict[str, dict[str, jax.Array]]


class ModelFunctions:
    """Log density and generated values of a model, for the compiled programs.

    Parameters
    ----------
    get_model
        Returns the user's model, or None if it no longer exists. It is called when a program is
        traced.
    arguments
        Arguments of the model; the input arrays come with the ``data`` of each call.
    sites
        The statements of the model.
    full_plates
        See :class:`~isogmm_numpyro._statements.prepare.PreparedModel`.
    """

    def __init__(
        self,
        get_model: Callable[[], Model | None],
        arguments: Arguments,
        sites: Sites,
        *,
        full_plates: bool,
    ) -> None:
        self._get_model = get_model
        self._arguments = arguments
        self._sites = sites
        self._full_plates = full_plates

    def _prepared(self, data: Data, *, is_scaled: bool = True) -> Messenger:
        model = self._get_model()
        assert model is not None, "the target keeps its model alive"
        # A scan has the shapes of one step, and enumeration adds axes.
        shapes = {
            name: site.shape
            for name, site in self._sites.free.items()
            if not (site.scanned or self._sites.discrete)
        }
        return prepare(
            model,
            data["params"],
            full_plates=self._full_plates,
            shapes=shapes,
            is_scaled=is_scaled,
        )

    def unravel(self, position: jax.Array) -> dict[str, jax.Array]:
        """The unconstrained value of each free site."""
        shapes = self._sites.shapes
        return dict(zip(shapes, split(position, shapes.values()), strict=True))

    def log_density(self, position: jax.Array, data: Data) -> jax.Array:
        """Log joint density of a position ``(d,)``, with the discrete sites summed out.

        This is the negative of NumPyro's ``potential_energy``, which includes the
        log-determinants of the transforms, with the exact log-determinant of simplex sites.
        """
        return self._log_density(position, data, is_scaled=True)

    def log_density_of_rows(self, position: jax.Array, data: Data) -> jax.Array:
        """The same without the factors size / subsample_size of subsampled plates."""
        return self._log_density(position, data, is_scaled=False)

    def _log_density(self, position: jax.Array, data: Data, *, is_scaled: bool) -> jax.Array:
        args, kwargs = self._arguments.restore(data["arrays"])
        prepared = self._prepared(data, is_scaled=is_scaled)
        has_discrete = bool(self._sites.discrete)
        model = enumerated(prepared, self._sites) if has_discrete else prepared
        values = self.unravel(position)
        try:
            energy = potential_energy(model, args, kwargs, values, enum=has_discrete)
        except Exception as error:
            if has_discrete and not isinstance(error, ModelError):
                raise ModelError(not_summed(self._sites, error)) from error
            raise
        energy -= clipped_log_determinant(values, self._sites.free)
        if not has_discrete:
            self._validate_latent(prepared_of(prepared).latent)
        return -jnp.asarray(energy, dtype=position.dtype).reshape(())

    def generate(self, position: jax.Array, key: jax.Array, data: Data) -> Generated:
        """Values at one position ``(d,)`` by group and site.

        ``posterior``
            Free sites on their support, deterministic sites, and discrete sites drawn from their
            conditional distribution. Discrete sites inside a scan cannot be drawn; they and the
            sites that depend on them are left out.
        ``log_likelihood``
            Elementwise log density of each observed site given these values, ``factor``
            statements left out, as ``numpyro.infer.log_likelihood`` computes it.
        ``log_prior``
            Elementwise log density of each free site on its support, without the
            log-determinant of the transform.
        """
        values = self.unravel(position)

        def constrained(site: Message) -> Array | None:
            if site["type"] == "sample" and site["name"] in values:
                return transform_of(site)(values[site["name"]])
            return None

        return self._generate(constrained, key, data)

    def complete(self, latent: dict[str, jax.Array], key: jax.Array, data: Data) -> Generated:
        """The values of :meth:`generate` from the values of the free sites on their support."""

        def given(site: Message) -> Array | None:
            return latent.get(site["name"]) if site["type"] == "sample" else None

        return self._generate(given, key, data)

    def draw_prior(self, seed: jax.Array, data: Data) -> jax.Array:
        """A draw of the prior as a position ``(d,)``.

        The observed sites have their data.  What only they depend on does not become part of the
        compiled program.
        """
        args, kwargs = self._arguments.restore(data["arrays"])
        latent = (*self._sites.free, *self._sites.discrete)
        model = handlers.substitute(self._prepared(data), substitute_fn=drawing(latent, seed))
        # The seed is for the steps of a scan.
        seeded = handlers.seed(model, jax.random.key(seed))
        trace = handlers.trace(seeded).get_trace(*args, **kwargs)
        values = [transform_of(trace[n]).inv(trace[n]["value"]) for n in self._sites.free]
        return jnp.concatenate([jnp.ravel(value) for value in values])

    def _generate(
        self, substitute_fn: Callable[[Message], Array | None], key: jax.Array, data: Data
    ) -> Generated:
        args, kwargs = self._arguments.restore(data["arrays"])
        sites = self._sites
        model = handlers.substitute(self._prepared(data), substitute_fn=substitute_fn)
        omitted: set[str] = set()
        if undrawable(sites):
            # The model needs values to run: these come from the prior, and the result omits them.
            model = handlers.seed(model, key)
            omitted = {*sites.discrete, *sites.discrete_dependents}
        elif sites.discrete:
            model = draw_discrete(model, sites, key)
        trace = handlers.trace(model).get_trace(*args, **kwargs)
        self._validate_latent(
            {n for n, s in trace.items() if s["type"] == "sample" and not s["is_observed"]}
        )
        return {
            "posterior": {
                arviz_name(name): jnp.asarray(trace[name]["value"])
                for name in (*sites.free, *sites.discrete, *sites.deterministic)
                if name not in omitted
            },
            "log_likelihood": _log_densities(
                trace, [name for name in sites.observed if name not in omitted]
            ),
            "log_prior": _log_densities(trace, sites.free),
        }

    def _validate_latent(self, latent: set[str]) -> None:
        """Raise if a run of the model has other latent sites than its first trace."""
        expected = {*self._sites.free, *self._sites.discrete}
        if latent != expected:
            changed = ", ".join(f"'{name}'" for name in sorted(latent ^ expected))
            raise ModelError(
                f"the model changes from call to call: the latent sites {changed} are missing in "
                "some calls. The set of sites must depend on the arguments only."
            )


def _log_densities(trace: Trace, names: Iterable[str]) -> dict[str, jax.Array]:
    """Elementwise log densities of the sites with these names."""
    return {arviz_name(name): trace[name]["fn"].log_prob(trace[name]["value"]) for name in names}

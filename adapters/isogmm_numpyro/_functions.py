"""The model as pure functions of an unconstrained position: log density and generated values."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpyro import handlers
from numpyro.infer.util import potential_energy

from isogmm.errors import ModelError
from isogmm_numpyro._arguments import Arguments
from isogmm_numpyro._enumeration import draw_discrete, enumerated, undrawable
from isogmm_numpyro._prepare import prepare
from isogmm_numpyro._sites import Sites, prepared_of, transform_of

Data = dict[str, Any]


class ModelFunctions:
    """Log density and generated values of a model, as the compiled programs need them.

    Parameters
    ----------
    get_model
        Returns the user's model; called when a program is traced.
    arguments
        Of the model; the arrays come with the ``data`` of each call.
    sites
        What the model is made of.
    full_plates
        See :class:`~isogmm_numpyro._prepare.PreparedModel`.
    """

    def __init__(
        self,
        get_model: Callable[[], Callable[..., Any]],
        arguments: Arguments,
        sites: Sites,
        *,
        full_plates: bool,
    ) -> None:
        self._get_model = get_model
        self._arguments = arguments
        self._sites = sites
        self._full_plates = full_plates

    def _prepared(self, data: Data) -> Any:
        return prepare(self._get_model(), data["params"], full_plates=self._full_plates)

    def unravel(self, position: jax.Array) -> dict[str, jax.Array]:
        """The unconstrained value of each free site."""
        values, begin = {}, 0
        for name, shape in self._sites.shapes.items():
            end = begin + int(np.prod(shape))
            values[name] = position[begin:end].reshape(shape)
            begin = end
        return values

    def log_density(self, position: jax.Array, data: Data) -> jax.Array:
        """Log joint density of a position ``(d,)``, discrete sites summed out.

        Minus NumPyro's ``potential_energy``, log-determinants of the transforms included.
        """
        args, kwargs = self._arguments.restore(data["arrays"])
        prepared = prepared_model = self._prepared(data)
        if self._sites.discrete:
            prepared = enumerated(prepared, self._sites)
        energy = potential_energy(
            prepared, args, kwargs, self.unravel(position), enum=bool(self._sites.discrete)
        )
        if not self._sites.discrete:
            self._check_structure(prepared_of(prepared_model).latent)
        return -jnp.asarray(energy, dtype=position.dtype).reshape(())

    def generate(
        self, position: jax.Array, key: jax.Array, data: Data
    ) -> dict[str, dict[str, jax.Array]]:
        """Values at one position ``(d,)`` by group and site.

        ``posterior``: free sites on their support, deterministics, and discrete sites drawn
        from their conditional distribution (scanned ones cannot be drawn: they and what depends
        on them are left out).  ``log_likelihood``: elementwise log density of each
        observed site given all of these, ``factor`` statements left out, as
        ``numpyro.infer.log_likelihood`` computes it.  ``log_prior``: elementwise log density of
        each free site on its support, without the log-determinant of the transform.
        """
        values = self.unravel(position)

        def constrained(site: dict[str, Any]) -> Any:
            if site["type"] == "sample" and site["name"] in values:
                return transform_of(site)(values[site["name"]])
            return None

        return self._generate(constrained, key, data)

    def complete(
        self, latent: dict[str, jax.Array], key: jax.Array, data: Data
    ) -> dict[str, dict[str, jax.Array]]:
        """As :meth:`generate`, from values of the free sites on their support."""

        def given(site: dict[str, Any]) -> Any:
            return latent.get(site["name"]) if site["type"] == "sample" else None

        return self._generate(given, key, data)

    def _generate(
        self, substitute_fn: Callable[[dict[str, Any]], Any], key: jax.Array, data: Data
    ) -> dict[str, dict[str, jax.Array]]:
        args, kwargs = self._arguments.restore(data["arrays"])
        sites = self._sites
        model = handlers.substitute(self._prepared(data), substitute_fn=substitute_fn)
        omitted: set[str] = set()
        if undrawable(sites):
            # Drawn from the prior only to run the model; nothing that depends on them is kept.
            model = handlers.seed(model, key)
            omitted = {*sites.discrete, *sites.discrete_dependents}
        elif sites.discrete:
            model = draw_discrete(model, sites, key)
        trace = handlers.trace(model).get_trace(*args, **kwargs)
        self._check_structure(
            {n for n, s in trace.items() if s["type"] == "sample" and not s["is_observed"]}
        )
        posterior = {
            public_name(name): jnp.asarray(trace[name]["value"])
            for name in (*sites.free, *sites.discrete, *sites.deterministic)
            if name not in omitted
        }
        log_likelihood = {
            public_name(name): trace[name]["fn"].log_prob(trace[name]["value"])
            for name in sites.observed
            if name not in omitted
        }
        log_prior = {
            public_name(name): trace[name]["fn"].log_prob(trace[name]["value"])
            for name in sites.free
        }
        return {"posterior": posterior, "log_likelihood": log_likelihood, "log_prior": log_prior}

    def _check_structure(self, latent: set[str]) -> None:
        expected = {*self._sites.free, *self._sites.discrete}
        if latent != expected:
            changed = ", ".join(f"'{name}'" for name in sorted(latent ^ expected))
            raise ModelError(
                f"the model changes from call to call: the latent sites {changed} are not always "
                "there. Which sites exist must depend on the arguments alone."
            )


def public_name(name: str) -> str:
    """The name in the result: a slash (``numpyro.handlers.scope``) would mean a subgroup there."""
    return name.replace("/", ".")

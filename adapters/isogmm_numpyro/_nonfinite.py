"""The terms of a log density that are not finite, in sentences."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from numpyro import handlers

from isogmm.arrays import Array
from isogmm_numpyro._distributions import is_factor, mask_of, transform_of, unwrap
from isogmm_numpyro._functions import ModelFunctions
from isogmm_numpyro._prepare import prepare
from isogmm_numpyro._read import ReadModel
from isogmm_numpyro._types import Message, Model, Trace

#: Positions at which the terms are evaluated, and entries that a sentence shows.
MAX_POSITIONS, MAX_ENTRIES = 8, 3


def explain_non_finite(model: Model, read: ReadModel, positions: np.ndarray) -> str:
    """Sentences that name the sites whose term is not finite.

    Parameters
    ----------
    model, read
        The model, and its sites and values.
    positions
        Unconstrained positions ``(n, d)`` at which the log density is not finite.

    Notes
    -----
    A site that is not finite at every position is the likely cause. The sites that are not finite
    at some position are named if there is none. Discrete sites have values from their prior.
    """
    functions = read.functions(lambda: model)
    found: dict[str, list[str]] = {}
    tried = positions[:MAX_POSITIONS]
    # With validation, NumPyro raises an error for the first invalid parameter.
    with numpyro.validation_enabled(False):
        for position in tried:
            for name, site in _trace_at(model, read, functions, jnp.asarray(position)).items():
                sentence = _describe(name, site) if site["type"] == "sample" else None
                if sentence is not None:
                    found.setdefault(name, []).append(sentence)
    if not found:
        return (
            "All terms of the log density are finite, so its gradient is not: in JAX the branch of "
            "jnp.where that is not selected still enters the gradient. Make its argument valid "
            "before the call."
        )
    always = {name for name, sentences in found.items() if len(sentences) == len(tried)}
    sentences = [found[name][0] for name in found if name in always or not always]
    return " ".join(sentences)


def _trace_at(
    model: Model, read: ReadModel, functions: ModelFunctions, position: jax.Array
) -> Trace:
    """The statements of the model at an unconstrained position."""
    values = functions.unravel(position)

    def constrained(site: Message) -> Array | None:
        if site["type"] == "sample" and site["name"] in values:
            return transform_of(site)(values[site["name"]])
        return None

    args, kwargs = read.arguments.restore(read.arguments.arrays)
    prepared = prepare(model, read.values.params, full_plates=read.full_plates)
    substituted = handlers.substitute(prepared, substitute_fn=constrained)
    seeded = handlers.seed(substituted, jax.random.key(0))
    return handlers.trace(seeded).get_trace(*args, **kwargs)


def _describe(name: str, site: Message) -> str | None:
    """A sentence about the term of a site; None if it is finite."""
    term = np.asarray(site["fn"].log_prob(site["value"]))
    outside = _is_outside(site, term)
    is_bad = np.array(~np.isfinite(term) | outside)
    if not is_bad.any():
        return None
    share = "" if term.ndim == 0 else f" in {is_bad.sum()} of {term.size} entries"
    if is_factor(site):
        return f"The factor '{name}' is {term[is_bad].flat[0]}{share}."
    kind = "observed" if site["is_observed"] else "latent"
    distribution = type(unwrap(site["fn"])).__name__
    what = f"The log density of the {kind} site '{name}' ({distribution})"
    if not outside.any():
        why = _parameters(site) or f": for example at the value {_listed(site, is_bad, 1)}"
        return f"{what} is {term[is_bad].flat[0]}{share}{why}."
    return (
        f"{what} is -inf{share}: values are outside its support, for example "
        f"{_listed(site, outside, MAX_ENTRIES)}."
    )


def _listed(site: Message, chosen: np.ndarray, count: int) -> str:
    """The first values of a site at the chosen entries of its term."""
    value = np.asarray(site["value"])
    shown = value[chosen] if value.shape == chosen.shape else value
    return ", ".join(f"{entry:.6g}" for entry in np.ravel(shown)[:count])


def _is_outside(site: Message, term: np.ndarray) -> np.ndarray:
    """Which entries of a term are of values outside the support; masked values are inside."""
    try:
        inside = np.asarray(site["fn"].support(site["value"])) | ~np.asarray(mask_of(site["fn"]))
        return np.array(~np.broadcast_to(inside, term.shape))
    except Exception:  # not every support can be evaluated
        return np.zeros(term.shape, bool)


def _parameters(site: Message) -> str:
    """The parameters of a distribution that are not finite, or an empty text."""
    distribution = unwrap(site["fn"])
    names = [
        name
        for name in distribution.arg_constraints
        if (value := distribution.__dict__.get(name)) is not None
        and not np.isfinite(np.asarray(value)).all()
    ]
    return f": its {' and '.join(names)} is not finite" if names else ""

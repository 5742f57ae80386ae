"""The terms of a log density that are not finite, in sentences."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from numpyro import handlers

from isogmm.arrays import Array
from isogmm.model.programs.sharding import gathered
from isogmm_numpyro._density.functions import ModelFunctions
from isogmm_numpyro._reading.read import ReadModel
from isogmm_numpyro._statements.arguments import named_arrays
from isogmm_numpyro._statements.distributions import is_factor, mask_of, transform_of, unwrap
from isogmm_numpyro._statements.prepare import prepare
from isogmm_numpyro._types import Message, Model, Trace

#: Positions at which the terms are evaluated, and entries that a sentence shows.
MAX_POSITIONS, MAX_ENTRIES = 8, 3
#: Entries of an event above which a sentence shows only the first and the last ones.
MAX_EVENT_ENTRIES = 8


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
    at_bounds: set[str] = set()
    tried = positions[:MAX_POSITIONS]
    # With validation, NumPyro raises an error for the first invalid parameter.
    with numpyro.validation_enabled(False):
        for position in tried:
            for name, site in _trace_at(model, read, functions, jnp.asarray(position)).items():
                at_bounds.update(_probabilities_at_bounds(name, site))
                sentence = _describe(name, site) if site["type"] == "sample" else None
                if sentence is not None:
                    found.setdefault(name, []).append(sentence)
    if not found:
        why = (
            "All terms of the log density are finite, but its gradient is not. JAX differentiates "
            "both branches of jnp.where: replace invalid arguments first, "
            "jnp.where(valid, f(jnp.where(valid, x, 1.0)), 0.0)."
        )
        return " ".join([why, *sorted(at_bounds), *_arguments_not_finite(read)])
    always = {name for name, sentences in found.items() if len(sentences) == len(tried)}
    sentences = [found[name][0] for name in found if name in always or not always]
    return " ".join([*sentences, *_arguments_not_finite(read)])


def _probabilities_at_bounds(name: str, site: Message) -> Iterator[str]:
    """A sentence if probabilities are 0 or 1, where a log probability has no derivative."""
    if site["type"] != "sample" or is_factor(site):
        return
    probs = unwrap(site["fn"]).__dict__.get("probs")
    if probs is not None and np.isin(np.asarray(probs), (0.0, 1.0)).any():
        yield (
            f"The probs of the site '{name}' contain 0 or 1, where the log probability has no "
            "finite derivative: pass jnp.clip(probs, 1e-6, 1 - 1e-6)."
        )


def _arguments_not_finite(read: ReadModel) -> list[str]:
    """Sentences about the arguments that contain NaN or infinite numbers."""
    return [
        f"{bad.sum()} of {bad.size} values of the argument '{name}' are NaN or infinite."
        for name, array in named_arrays(read.named).items()
        if array.dtype.kind == "f" and (bad := ~np.isfinite(gathered(array))).any()
    ]


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
    why = _parameters(site)
    if why is None and outside.any():
        why = f"values are outside its support, for example {_listed(site, outside)}"
    elif why is None:
        why = f"for example at the value {_listed(site, is_bad)}"
    number = -np.inf if outside.any() else term[is_bad].flat[0]
    return f"{what} is {number}{share}: {why}."


def _listed(site: Message, chosen: np.ndarray) -> str:
    """The first values of a site at the chosen entries of its term; whole events."""
    shape = site["fn"].shape()
    value = np.asarray(site["value"])
    event = value.shape[value.ndim - site["fn"].event_dim :]
    try:
        entries = np.broadcast_to(value, (*chosen.shape, *event))[chosen]
    except ValueError:
        return f"a value of shape {value.shape} under a distribution of shape {shape}"
    if not event:
        return ", ".join(f"{entry:.6g}" for entry in entries[:MAX_ENTRIES])
    return np.array2string(
        entries[0], separator=", ", precision=6, threshold=MAX_EVENT_ENTRIES, edgeitems=3
    ) + _total_count(site)


def _total_count(site: Message) -> str:
    """The number of trials of a distribution of counts, if it is one number."""
    count = getattr(unwrap(site["fn"]), "total_count", None)
    return "" if count is None or np.ndim(count) else f" with total_count {int(count)}"


def _is_outside(site: Message, term: np.ndarray) -> np.ndarray:
    """Which entries of a term are of values outside the support; masked values are inside."""
    support, value, mask = site["fn"].support, site["value"], mask_of(site["fn"])
    try:
        if mask is not True:
            value = jnp.where(mask, value, support.feasible_like(value))
        return np.array(~np.broadcast_to(support(value), term.shape))
    except Exception:  # not every support can be evaluated
        return np.zeros(term.shape, bool)


def _parameters(site: Message) -> str | None:
    """The parameters of a distribution that are invalid, with an example; None without one."""
    distribution = unwrap(site["fn"])
    found = []
    for name, constraint in distribution.arg_constraints.items():
        value = distribution.__dict__.get(name)
        if value is None:
            continue
        value = np.asarray(value)
        if not np.isfinite(value).all():
            found.append(f"its {name} is not finite")
            if name == "scale_tril":
                found[-1] += ", because the covariance matrix is not positive definite"
            continue
        try:
            valid = np.asarray(constraint(value))
        except Exception:  # a constraint that depends on another parameter
            continue
        if not valid.all():
            found.append(f"its {name} is not valid, {_first_invalid(value, valid)}")
    return " and ".join(found) or None


def _first_invalid(value: np.ndarray, valid: np.ndarray) -> str:
    """The first invalid entry or event of a parameter in words."""
    first = value[tuple(np.argwhere(~valid)[0])] if valid.ndim else value
    if np.ndim(first) == 0:
        return f"for example {first:.6g}"
    return f"for example {np.array2string(first, precision=6, separator=', ')}"

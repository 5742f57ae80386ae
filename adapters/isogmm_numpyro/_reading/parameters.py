"""Parameters outside their range for which NumPyro computes a finite log density.

NumPyro does not check parameters in compiled programs.  It moves a probability into the unit
interval, and the gamma function of a negative number is finite.  The log density is then that of
another model.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, JaxprEqn, Literal
from numpyro import handlers

from isogmm.errors import warn_user
from isogmm.results.groups import Result, add_attributes, arviz_name, get_group
from isogmm_numpyro._statements.arguments import Arguments
from isogmm_numpyro._statements.distributions import unwrap
from isogmm_numpyro._statements.prepare import prepare
from isogmm_numpyro._statements.sites import Sites
from isogmm_numpyro._types import Data, Message, Model

#: The program that checks parameters; see :func:`validity_program`.
Validity: TypeAlias = Callable[[dict[str, jax.Array], Data], dict[str, jax.Array]]
#: Draws whose parameters are checked, spread over all draws.
MAX_DRAWS = 64
#: Difference of the sum of probabilities from 1 that is more than a rounding error.
SUM_TOLERANCE = 1e-3

#: The checked parameters by distribution: probabilities, shares that sum to 1, positive numbers.
PARAMETERS: dict[str, dict[str, str]] = {
    "BernoulliProbs": {"probs": "unit"},
    "BinomialProbs": {"probs": "unit"},
    "GeometricProbs": {"probs": "unit"},
    "NegativeBinomialProbs": {"probs": "unit"},
    "CategoricalProbs": {"probs": "positive"},
    "MultinomialProbs": {"probs": "shares"},
    "Beta": {"concentration1": "positive", "concentration0": "positive"},
    "BetaBinomial": {"concentration1": "positive", "concentration0": "positive"},
    "Gamma": {"concentration": "positive"},
    "InverseGamma": {"concentration": "positive"},
    "Dirichlet": {"concentration": "positive"},
    "DirichletMultinomial": {"concentration": "positive"},
    "GammaPoisson": {"concentration": "positive"},
    "NegativeBinomial2": {"concentration": "positive"},
    "StudentT": {"df": "positive"},
    "Chi2": {"df": "positive"},
}
#: What to write instead, by kind.
REMEDIES = {
    "unit": "must be from 0 to 1. If it is a linear predictor (log odds), pass it as logits=",
    "shares": "must be at least 0 and sum to 1. Divide it by its sum, or pass logits=",
    "positive": "must be positive. Transform it, for example by jnp.exp or jax.nn.softplus",
}
#: Operations that change the shape or the type of an array, and those with valid results by kind.
_SHAPES = ("broadcast_in_dim", "reshape", "squeeze", "convert_element_type", "expand_dims")
_POSITIVE = ("exp", "logistic", "square", "abs", "sigmoid", "softplus", "softmax", "expit")
_UNIT = ("logistic", "sigmoid", "expit")
_VALID = {"unit": _UNIT, "shares": ("softmax",), "positive": _POSITIVE}


def parameters_of(site: Message) -> dict[str, object]:
    """The parameters of a site that have to be checked, by name."""
    distribution = unwrap(site["fn"])
    names = PARAMETERS.get(type(distribution).__name__, {})
    return {name: distribution.__dict__[name] for name in names if name in distribution.__dict__}


def unchecked_sites(
    program: ClosedJaxpr, results: Mapping[tuple[str, str], int], sites: Sites
) -> tuple[str, ...]:
    """The sites with a parameter that may be outside its range, from the trace of the model.

    Parameters
    ----------
    program
        The computation of all values and parameters.
    results
        Positions of the results by site and by ``"value"`` or the name of a parameter.
    sites
        The statements of the model.
    """
    outputs = program.jaxpr.outvars
    producers = {id(v): equation for equation in program.jaxpr.eqns for v in equation.outvars}
    latent = {id(outputs[results[name, "value"]]): site for name, site in sites.free.items()}
    everything = {**sites.free, **sites.observed}
    found = []
    for (name, parameter), index in results.items():
        kinds = PARAMETERS.get(everything[name].distribution, {}) if name in everything else {}
        if parameter not in kinds:
            continue
        variable, producer = _source(outputs[index], producers)
        if producer is None:
            # A site on the reals is the constant 0 in the trace, so 0 does not count as valid.
            if isinstance(variable, Literal) and not np.all(np.asarray(variable.val) > 0):
                found.append(name)
            continue
        if _name_of(producer) in _VALID[kinds[parameter]]:
            continue
        site = latent.get(id(variable))
        upper = np.inf if kinds[parameter] == "positive" else 1.0
        if site is None or not _is_within(site.bounds, upper):
            found.append(name)
    return tuple(dict.fromkeys(found))


def _source(variable: Any, producers: Mapping[int, JaxprEqn]) -> tuple[Any, JaxprEqn | None]:
    """The variable before changes of its shape, and its operation; None for data and constants."""
    while not isinstance(variable, Literal):
        producer = producers.get(id(variable))
        if producer is None or producer.primitive.name not in _SHAPES:
            return variable, producer
        variable = producer.invars[0]
    return variable, None


def _name_of(equation: JaxprEqn) -> str:
    """The name of an operation, or of the function that it calls."""
    return str(equation.params.get("name", equation.primitive.name))


def _is_within(bounds: tuple[float, float] | None, upper: float) -> bool:
    return bounds is not None and bounds[0] >= 0 and bounds[1] <= upper


def validity_program(
    get_model: Callable[[], Model | None], arguments: Arguments, sites: Sites, *, full_plates: bool
) -> Validity:
    """The program that checks the parameters in draws of the latent sites.

    Parameters
    ----------
    get_model
        Returns the model, or None if it no longer exists.
    arguments, sites, full_plates
        The arguments of the model without their arrays, and its statements.

    Returns
    -------
    callable
        ``({site: draws (n, ...)}, data) -> {"parameter site": is valid (n,)}``.
    """

    def valid(latent: dict[str, jax.Array], data: Data) -> dict[str, jax.Array]:
        model = get_model()
        assert model is not None, "the target keeps its model alive"
        args, kwargs = arguments.restore(data["arrays"])
        prepared = prepare(model, data["params"], full_plates=full_plates)
        given = handlers.substitute(prepared, data=latent)
        trace = handlers.trace(handlers.seed(given, jax.random.key(0))).get_trace(*args, **kwargs)
        return {
            f"{parameter} {name}": _is_valid(jnp.asarray(value), kind)
            for name in sites.unchecked
            for parameter, kind in PARAMETERS[type(unwrap(trace[name]["fn"])).__name__].items()
            if (value := parameters_of(trace[name]).get(parameter)) is not None
        }

    return jax.jit(lambda draws, data: jax.lax.map(lambda latent: valid(latent, data), draws))


def check_parameters(program: Validity, sites: Sites, data: Data, idata: Result) -> Result:
    """Warn of parameters outside their range in the draws of a result; returns the result.

    Parameters
    ----------
    program
        From :func:`validity_program`.
    sites, data
        The statements of the model and the inputs of its programs.
    idata
        The result; its advice gets the warning.
    """
    if not sites.unchecked or sites.discrete:
        return idata
    posterior = get_group(idata, "posterior")
    draws = {name: np.asarray(posterior[arviz_name(name)].values) for name in sites.free}
    flat = {name: array.reshape(-1, *array.shape[2:]) for name, array in draws.items()}
    total = len(next(iter(flat.values())))
    chosen = np.linspace(0, total - 1, MAX_DRAWS).astype(int)
    results = program({name: jnp.asarray(array[chosen]) for name, array in flat.items()}, data)
    for key, is_valid in results.items():
        count = int((~np.asarray(is_valid)).sum())
        if count:
            parameter, name = key.split(" ", 1)
            idata = _with_warning(idata, parameter, name, sites, count)
    return idata


def _is_valid(value: jax.Array, kind: str) -> jax.Array:
    """Whether all entries of a parameter are in its range, up to rounding errors."""
    if kind == "positive":
        return (value >= 0).all()
    within = ((value >= -SUM_TOLERANCE) & (value <= 1 + SUM_TOLERANCE)).all()
    if kind == "unit":
        return within
    return within & (jnp.abs(value.sum(-1) - 1) < SUM_TOLERANCE).all()


def _with_warning(idata: Result, parameter: str, name: str, sites: Sites, count: int) -> Result:
    """The result with a warning in its advice."""
    distribution = {**sites.free, **sites.observed}[name].distribution
    remedy = REMEDIES[PARAMETERS[distribution][parameter]]
    note = (
        f"The parameter {parameter} of the site '{name}' ({distribution}) is outside its range in "
        f"{count} of {MAX_DRAWS} draws. NumPyro raises no error there, and computes a wrong log "
        f"density. The parameter {remedy}."
    )
    warn_user(f"isogmm: {note}")
    advice = str(idata.attrs.get("advice", ""))
    return add_attributes(idata, {"advice": f"{note} {advice}".strip()})

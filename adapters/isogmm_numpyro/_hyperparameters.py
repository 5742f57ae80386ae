"""``numpyro.param`` sites as hyperparameters that can be maximized."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from numpyro import handlers
from numpyro.distributions import biject_to, constraints

from isogmm.errors import OptionError
from isogmm.model.jax_target import JaxPrograms
from isogmm.model.target import Hyperparameters, ModelFields
from isogmm_numpyro._prepare import prepare
from isogmm_numpyro._sites import at_origin
from isogmm_numpyro._target import ReadModel, keep_alive


def hyperparameters(
    model: Callable[..., Any], read: ReadModel, programs: JaxPrograms, maximize: Any
) -> Hyperparameters:
    """The ``param`` sites of a model, with the transforms of their constraints.

    Parameters
    ----------
    model, read, programs
        The model, what its trace told, and its programs.
    maximize
        Names of ``param`` sites; None stands for all.

    Raises
    ------
    OptionError
        If a name is not that of a ``param`` site, or there is none at all.
    """
    constraint_of = _constraints(model, read)
    names = list(constraint_of) if maximize is None else list(maximize)
    unknown = [name for name in names if name not in constraint_of]
    if unknown or not names:
        raise OptionError(
            f"maximize= names {unknown or names}; the model has the param sites "
            f"{sorted(constraint_of)}: declare one with numpyro.param(name, value, "
            "constraint=...)"
        )
    if isinstance(maximize, Mapping):
        raise OptionError("a param site declares its constraint itself: give maximize= as a list")
    transforms = {name: biject_to(constraint_of[name]) for name in names}
    values = {name: np.asarray(read.values.params[name], np.float64) for name in names}

    def data_with(new: Mapping[str, Any]) -> dict[str, Any]:
        known = read.data["params"]
        given = {
            name: jax.numpy.asarray(value, jax.numpy.result_type(known[name]))
            for name, value in new.items()
        }
        return {**read.data, "params": {**known, **given}}

    def bind(new: Mapping[str, np.ndarray]) -> ModelFields:
        fields = keep_alive(programs.bind(data_with(new)), model)
        return {**fields, "hyperparameters": None}

    return Hyperparameters(
        values=values,
        unconstrained={
            name: np.asarray(transforms[name].inv(values[name]), np.float64) for name in names
        },
        to_support=lambda reals: {name: transforms[name](value) for name, value in reals.items()},
        log_density=lambda position, new: programs.log_density(position, data_with(new)),
        bind=bind,
    )


def _constraints(model: Callable[..., Any], read: ReadModel) -> dict[str, Any]:
    """Constraint of each ``param`` site, from one run of the model."""
    args, kwargs = read.arguments.restore(read.arguments.arrays)
    prepared = prepare(model, {}, full_plates=read.full_plates)
    started = handlers.seed(
        handlers.substitute(prepared, substitute_fn=at_origin), jax.random.key(0)
    )
    trace = handlers.trace(started).get_trace(*args, **kwargs)
    return {
        name: site["kwargs"].get("constraint", constraints.real)
        for name, site in trace.items()
        if site["type"] == "param" and name in read.values.params
    }

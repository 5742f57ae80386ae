"""PyMC models without data: the posterior is the prior, or data were probably forgotten."""

import numpy as np
import pymc as pm
from pymc.backends.arviz import find_observations
from pytensor.graph.basic import Variable

from isogmm.errors import warn_user
from isogmm_pymc._traversal import ancestors


def warn_without_data(model: pm.Model) -> tuple[str, ...]:
    """Warn if the posterior of the model is its prior, or if data were probably forgotten.

    Returns
    -------
    tuple of str
        The warning, for the report; empty for a model with data.
    """
    note = _without_data(model) or _forgotten(model)
    if not note:
        return ()
    warn_user(note + " Ignore this warning if it is meant.")
    return (note[0].upper() + note[1:],)


def _without_data(model: pm.Model) -> str:
    """Sentences about a model whose posterior is its prior, or an empty text."""
    terms = [*model.observed_RVs, *model.potentials]
    if not terms:
        why = "the PyMC model has no observed variable and no potential"
        return f"{why}, so its posterior is the prior.{_remedy(model)}"
    if not set(ancestors(terms)) & set(model.free_RVs):
        names = ", ".join(term.name for term in terms)
        why = f"no latent variable enters the terms of the data ({names})"
        return f"{why}, so the posterior is the prior.{_remedy(model)}"
    sizes = [np.size(values) for values in find_observations(model).values()]
    if not model.potentials and not sum(sizes):
        names = ", ".join(variable.name for variable in model.observed_RVs)
        return (
            f"the data of {names} are empty or all missing, so the posterior is the prior. Check "
            "where they come from."
        )
    return ""


def _remedy(model: pm.Model) -> str:
    """Sentences that name the variables that may stand for data."""
    names = ", ".join(variable.name for variable in _last(model))
    if not names:
        return " Pass the data to a distribution as observed=."
    return (
        f" No other variable depends on {names}: if one of these stands for data, pass them as "
        f"observed=.{_unused(model)}"
    )


def _forgotten(model: pm.Model) -> str:
    """Sentences about a variable without data and unused pm.Data of its shape."""
    shapes = {np.shape(data.get_value()) for data in _unused_data(model)}
    candidates = [
        variable.name
        for variable in _last(model)
        if variable.type.shape in shapes and variable.type.ndim
    ]
    if not candidates:
        return ""
    return (
        f"the variable {', '.join(candidates)} has no data, and no other variable depends on it."
        f"{_unused(model)} Pass data as observed=, not only as pm.Data."
    )


def _last(model: pm.Model) -> list[Variable]:
    """The free variables on which nothing else in the model depends."""
    used = ancestors([parent for rv in model.basic_RVs for parent in rv.owner.inputs])
    outputs = [variable.owner.inputs[0] for variable in model.deterministics if variable.owner]
    used = {*used, *ancestors(outputs), *ancestors(model.potentials)}
    return [variable for variable in model.free_RVs if variable not in used]


def _unused_data(model: pm.Model) -> list[Variable]:
    """The pm.Data that no variable of the model depends on."""
    used = set(ancestors([*model.basic_RVs, *model.potentials, *model.deterministics]))
    used |= set(ancestors(list(model.rvs_to_values.values())))
    return [data for data in model.data_vars if data not in used and hasattr(data, "get_value")]


def _unused(model: pm.Model) -> str:
    """A sentence about the pm.Data that the model does not use, or an empty text."""
    names = ", ".join(str(data.name) for data in _unused_data(model))
    return f" The model does not use the data {names}." if names else ""

"""Copies on the full data of models that use ``pm.Minibatch``."""

import pymc as pm
from pymc.data import MinibatchOp
from pymc.model.transform.basic import remove_minibatched_nodes

from isogmm.errors import warn_user
from isogmm_pymc._traversal import ancestors

FULL_DATA_WARNING = (
    "the model uses pm.Minibatch: it is fitted to the full data, without minibatches and "
    "without the scaling by total_size"
)


def on_full_data(model: pm.Model) -> pm.Model:
    """The model, or a copy without minibatches if it has any.

    MCMC needs the copy, because its density must not change between iterations.
    """
    full = without_minibatches(model)
    if full is None:
        return model
    warn_user(FULL_DATA_WARNING)
    return full


def without_minibatches(model: pm.Model) -> pm.Model | None:
    """A copy of the model on its full data, or None if the model has no minibatches."""
    roots = [*model.basic_RVs, *model.potentials, *model.rvs_to_values.values()]
    if not any(
        variable.owner is not None and isinstance(variable.owner.op, MinibatchOp)
        for variable in ancestors(roots)
    ):
        return None
    # PyMC cannot copy a model with initial values, so they are removed and set again by name.
    initial_values = dict(model.rvs_to_initial_values)
    try:
        model.rvs_to_initial_values.update(dict.fromkeys(initial_values))
        full = remove_minibatched_nodes(model)
    finally:
        model.rvs_to_initial_values.update(initial_values)
    for variable, value in initial_values.items():
        full.rvs_to_initial_values[full[variable.name]] = value
    return full

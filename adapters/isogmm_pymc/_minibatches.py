"""Models with ``pm.Minibatch``, on the full data that the minibatches are drawn from."""

from typing import Any

from isogmm.errors import warn_user
from isogmm_pymc._graphs import traversal

FULL_DATA = (
    "the model uses pm.Minibatch; it is fitted to the full data, which the minibatches "
    "are drawn from, without the scaling by total_size"
)


def on_all_data(model: Any) -> Any:
    """The model, or a copy of it without minibatches: MCMC on a changing density means nothing."""
    full = without_minibatches(model)
    if full is None:
        return model
    warn_user(FULL_DATA)
    return full


def without_minibatches(model: Any) -> Any:
    """A copy of the model on its full data, or None where it has no minibatches."""
    from pymc.data import MinibatchOp

    roots = [*model.basic_RVs, *model.potentials, *model.rvs_to_values.values()]
    if not any(
        variable.owner is not None and isinstance(variable.owner.op, MinibatchOp)
        for variable in traversal().ancestors(roots)
    ):
        return None
    from pymc.model.transform.basic import remove_minibatched_nodes

    # PyMC cannot copy a model that has initial values of its own, so they travel by name.
    initial_values = dict(model.rvs_to_initial_values)
    try:
        model.rvs_to_initial_values.update(dict.fromkeys(initial_values))
        full = remove_minibatched_nodes(model)
    finally:
        model.rvs_to_initial_values.update(initial_values)
    for variable, value in initial_values.items():
        full.rvs_to_initial_values[full[variable.name]] = value
    return full

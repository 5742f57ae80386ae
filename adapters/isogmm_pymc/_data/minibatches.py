"""Copies of models with ``pm.Minibatch``: on the full data, and with the rows as ``pm.Data``."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pymc as pm
import pytensor
from pymc.data import MinibatchOp
from pymc.model.fgraph import fgraph_from_model, model_from_fgraph
from pymc.model.transform.basic import remove_minibatched_nodes
from pymc.variational.minibatch_rv import MinibatchRandomVariable
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.replace import clone_replace
from pytensor.tensor import NoneConst

from isogmm.errors import ModelError, warn_user
from isogmm_pymc._traversal import ancestors

FULL_DATA_WARNING = (
    "the model uses pm.Minibatch: it is fitted to the full data, without minibatches and "
    "without the scaling by total_size. For data of many rows, isogmm.fit_rows(model) needs a few "
    "passes over them."
)
#: Number of rows in the copy with ``pm.Data`` before other rows are set.
FIRST_ROWS = 2


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
    if not _nodes(model, MinibatchOp):
        return None
    with _copied(model) as copies:
        copies.append(remove_minibatched_nodes(model))
    return copies[0]


def in_rows(model: pm.Model) -> tuple[pm.Model, dict[str, np.ndarray]] | None:
    """A copy whose rows are ``pm.Data``, and the rows; None if the model has no minibatches.

    The copy has no scaling by ``total_size``: its log density is the prior plus a sum over the rows
    that are set.

    Raises
    ------
    ModelError
        If ``total_size`` is not the number of rows.
    """
    minibatches = _nodes(model, MinibatchOp)
    if not minibatches:
        return None
    arrays = [
        (full, batch)
        for node in minibatches
        # The last input and output are the random number generator.
        for full, batch in zip(node.inputs[:-1], node.outputs[:-1], strict=True)
    ]
    names = [_name(full, index) for index, (full, _) in enumerate(arrays)]
    rows = {name: np.asarray(full.eval()) for name, (full, _) in zip(names, arrays, strict=True)}
    for node in _nodes(model, MinibatchRandomVariable):
        _check_total_size(node, len(next(iter(rows.values()))))
    data = {
        name: pytensor.shared(array[:FIRST_ROWS], name=name, shape=(None, *array.shape[1:]))
        for name, array in rows.items()
    }
    with _copied(model) as copies:
        graph, memo = fgraph_from_model(model)
        scaled = [node for node in graph.toposort() if isinstance(node.op, MinibatchRandomVariable)]
        graph.replace_all([(node.outputs[0], node.inputs[0]) for node in scaled])
        replacements = {
            memo[batch]: data[name] for name, (_, batch) in zip(names, arrays, strict=True)
        }
        # The shapes of the replacements differ, so a new graph is made, which has no labels.
        outputs = clone_replace(graph.outputs, replacements, rebuild_strict=False)
        for new, old in zip(outputs, graph.outputs, strict=True):
            new.name = old.name
        changed = FunctionGraph(outputs=outputs, clone=False)
        changed._coords, changed._dim_lengths = graph._coords, graph._dim_lengths
        copies.append(model_from_fgraph(changed, mutate_fgraph=True))
    for shared in data.values():
        copies[0].register_data_var(shared)
    return copies[0], rows


def _nodes(model: pm.Model, kind: type) -> list[Apply]:
    """The nodes of the model whose operation has this type, in a fixed order."""
    roots = [*model.basic_RVs, *model.potentials, *model.rvs_to_values.values()]
    nodes = (variable.owner for variable in ancestors(roots) if variable.owner is not None)
    return list(dict.fromkeys(node for node in nodes if isinstance(node.op, kind)))


@contextmanager
def _copied(model: pm.Model) -> Iterator[list[pm.Model]]:
    """A context in which PyMC can copy the model; the copy in the list gets what it cannot copy.

    These are initial values, and dimensions of which some have no name.  They are removed and set
    again by name.
    """
    initial_values, copies = dict(model.rvs_to_initial_values), list[pm.Model]()
    dims = {name: each for name, each in model.named_vars_to_dims.items() if None in each}
    try:
        model.rvs_to_initial_values.update(dict.fromkeys(initial_values))
        for name in dims:
            del model.named_vars_to_dims[name]
        yield copies
    finally:
        model.rvs_to_initial_values.update(initial_values)
        model.named_vars_to_dims.update(dims)
    for variable, value in initial_values.items():
        copies[0].rvs_to_initial_values[copies[0][variable.name]] = value
    copies[0].named_vars_to_dims.update(dims)


def _name(full: Variable, index: int) -> str:
    """The name of the data of a minibatch.  The names of the model must stay free."""
    return f"minibatch of {full.name}" if full.name else f"minibatch {index}"


def _check_total_size(node: Apply, num_rows: int) -> None:
    """Check that the first entry of ``total_size``, if there is one, is the number of rows."""
    first = node.inputs[1]
    if not NoneConst.equals(first) and (total := int(first.eval())) != num_rows:
        raise ModelError(
            f"{node.outputs[0].name} has total_size={total:,}, but its pm.Minibatch has "
            f"{num_rows:,} rows: pass total_size={num_rows}, or all rows to pm.Minibatch."
        )

"""Copies of models with ``pm.Minibatch``: on the full data, and with the rows as ``pm.Data``."""

from collections.abc import Mapping

import numpy as np
import pymc as pm
import pytensor
from pymc.data import MinibatchOp
from pymc.model.fgraph import fgraph_from_model, model_from_fgraph
from pymc.variational.minibatch_rv import MinibatchRandomVariable
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.replace import clone_replace
from pytensor.tensor import NoneConst

from isogmm.errors import ModelError, warn_user
from isogmm_pymc._data.copies import copied
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
    return _replaced(model, {}) if _nodes(model, MinibatchOp) else None


def copy_data(model: pm.Model, copy: pm.Model) -> None:
    """Set the data, the labels and the lengths of dimensions of a copy to those of the model.

    A copy of a model has data of its own, which ``pm.set_data`` for the model does not change.
    """
    copy._coords.update(model._coords)
    for name, length in model.dim_lengths.items():
        if isinstance(length, SharedVariable):
            copy.dim_lengths[name].set_value(length.get_value())
    for data in model.data_vars:
        if isinstance(data, SharedVariable):
            # Large arrays are not copied.
            copy[data.name].set_value(data.get_value(borrow=True), borrow=True)


def in_rows(model: pm.Model) -> tuple[pm.Model, dict[str, np.ndarray]] | None:
    """A copy whose rows are ``pm.Data``, and the rows; None if the model has no minibatches.

    The copy has no scaling by ``total_size``: its log density is the prior plus a sum over the rows
    that are set.

    Raises
    ------
    ModelError
        If ``total_size`` is not the number of rows.
    """
    arrays = _arrays(model)
    if not arrays:
        return None
    names = [_name(full, index) for index, (full, _) in enumerate(arrays)]
    rows = {name: np.asarray(full.eval()) for name, (full, _) in zip(names, arrays, strict=True)}
    for node in _nodes(model, MinibatchRandomVariable):
        _check_total_size(node, len(next(iter(rows.values()))))
    data = {
        name: pytensor.shared(array[:FIRST_ROWS], name=name, shape=(None, *array.shape[1:]))
        for name, array in rows.items()
    }
    batches = {batch: data[name] for name, (_, batch) in zip(names, arrays, strict=True)}
    copy = _replaced(model, batches)
    for shared in data.values():
        copy.register_data_var(shared)
    return copy, rows


def _arrays(model: pm.Model) -> list[tuple[Variable, Variable]]:
    """The arrays from which the model takes minibatches, each with its minibatch."""
    return [
        (full, batch)
        for node in _nodes(model, MinibatchOp)
        # The last input and output are the random number generator.
        for full, batch in zip(node.inputs[:-1], node.outputs[:-1], strict=True)
    ]


def _replaced(model: pm.Model, data: Mapping[Variable, Variable]) -> pm.Model:
    """A copy without minibatches and without the scaling by ``total_size``.

    A minibatch that ``data`` does not contain is replaced by the array from which it is taken.
    """

    def make(model: pm.Model) -> pm.Model:
        graph, memo = fgraph_from_model(model)
        scaled = [node for node in graph.toposort() if isinstance(node.op, MinibatchRandomVariable)]
        graph.replace_all([(node.outputs[0], node.inputs[0]) for node in scaled])
        of_copy = {}
        for _, batch in _arrays(model):
            own = memo[batch]
            full = own.owner.inputs[own.owner.outputs.index(own)]
            of_copy[own] = data.get(batch, full)
        # The shapes of the replacements differ, so a new graph is made, which has no labels.
        outputs = clone_replace(graph.outputs, of_copy, rebuild_strict=False)
        for new, old in zip(outputs, graph.outputs, strict=True):
            new.name = old.name
        changed = FunctionGraph(outputs=outputs, clone=False)
        changed._coords, changed._dim_lengths = graph._coords, graph._dim_lengths
        return model_from_fgraph(changed, mutate_fgraph=True)

    return copied(model, make)


def _nodes(model: pm.Model, kind: type) -> list[Apply]:
    """The nodes of the model whose operation has this type, in a fixed order."""
    roots = [
        *model.basic_RVs,
        *model.deterministics,
        *model.potentials,
        *model.rvs_to_values.values(),
    ]
    nodes = (variable.owner for variable in ancestors(roots) if variable.owner is not None)
    return list(dict.fromkeys(node for node in nodes if isinstance(node.op, kind)))


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

"""The PyTensor graphs of a PyMC model, with its values and data as explicit inputs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Variable
from pytensor.graph.replace import clone_replace
from pytensor.tensor.random.type import RandomType
from pytensor.tensor.type import TensorType
from scipy.sparse import issparse

from isogmm_pymc._graphs.angles import log_density_of
from isogmm_pymc._graphs.generated import generated_graphs
from isogmm_pymc._traversal import graph_inputs


@dataclass(frozen=True)
class ModelGraphs:
    """The free variables and data of a model, and their replacements in its graphs.

    Parameters
    ----------
    names, shapes
        Names of the free variables and shapes of their unconstrained values, in flat order.
    values
        The inputs for the unconstrained values, of known shape.
    data
        The shared variables (``pm.Data``) that become inputs.
    data_inputs
        The inputs for the data, of known shape.
    constants
        The shared variables that become constants, because shapes may depend on them.
    replacements
        From variables of the model to inputs and constants.
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    values: tuple[Variable, ...]
    data: tuple[SharedVariable, ...]
    data_inputs: tuple[Variable, ...]
    constants: tuple[SharedVariable, ...]
    replacements: dict[Variable, Variable]

    @property
    def inputs(self) -> list[Variable]:
        """All inputs of the graphs: values, then data."""
        return [*self.values, *self.data_inputs]

    @property
    def dim(self) -> int:
        """Dimension d of the unconstrained space."""
        return sum(math.prod(shape) for shape in self.shapes)

    def signature(self) -> list[object]:
        """Shapes and types of the current data, and the current values of the constants.

        Programs made from the graphs can be used as long as the signature stays the same.
        """
        return [
            *((array.shape, str(array.dtype)) for array in self.data_values()),
            *(_signature_of(shared.get_value(borrow=True)) for shared in self.constants),
        ]

    def log_density(self, model: pm.Model) -> list[Variable]:
        """The graph of the log density of the unconstrained values, a scalar."""
        return self._with_inputs([log_density_of(model)])

    def generated(
        self, model: pm.Model, excluded: Sequence[str] = ()
    ) -> tuple[list[tuple[str, str]], list[Variable]]:
        """The generated quantities as functions of the inputs; see :func:`generated_graphs`."""
        names, outputs = generated_graphs(model, excluded)
        return names, self._with_inputs(outputs)

    def data_values(self) -> list[np.ndarray]:
        """The current data, in the order of the inputs."""
        return [np.asarray(shared.get_value(borrow=True)) for shared in self.data]

    def _with_inputs(self, outputs: list[Variable]) -> list[Variable]:
        return clone_replace(outputs, self.replacements, rebuild_strict=False)


def value_shapes(model: pm.Model) -> tuple[tuple[int, ...], ...] | None:
    """Shapes of the unconstrained values, or None if a type does not contain its whole shape."""
    shapes = [value.type.shape for value in model.value_vars]
    if any(size is None for shape in shapes for size in shape):
        return None
    return tuple(shapes)


def read_graphs(model: pm.Model, shapes: Sequence[tuple[int, ...]]) -> ModelGraphs:
    """The inputs of the graphs of a model, for values of these shapes and its current data."""
    values = tuple(
        _input_like(value, shape) for value, shape in zip(model.value_vars, shapes, strict=True)
    )
    replacements = dict(zip(model.value_vars, values, strict=True))
    data, data_inputs, constants = [], [], []
    for shared in _shared_variables(model):
        current = shared.get_value(borrow=True)
        if _is_input(current):
            data.append(shared)
            data_inputs.append(_input_like(shared, current.shape))
            replacements[shared] = data_inputs[-1]
        else:
            constants.append(shared)
            replacements[shared] = shared.type.make_constant(current)
    return ModelGraphs(
        names=tuple(model.values_to_rvs[value].name for value in model.value_vars),
        shapes=tuple(tuple(shape) for shape in shapes),
        values=values,
        data=tuple(data),
        data_inputs=tuple(data_inputs),
        constants=tuple(constants),
        replacements=replacements,
    )


def _shared_variables(model: pm.Model) -> list[SharedVariable]:
    """Shared variables that the graphs of the model depend on, in a fixed order.

    States of random number generators are excluded.
    """
    roots = [
        *model.basic_RVs,
        *model.deterministics,
        *model.potentials,
        *model.rvs_to_values.values(),
    ]
    # A variable occurs several times if several paths of the graph reach it.
    found = dict.fromkeys(
        variable for variable in graph_inputs(roots) if isinstance(variable, SharedVariable)
    )
    return [variable for variable in found if not isinstance(variable.type, RandomType)]


def _input_like(variable: Variable, shape: tuple[int, ...]) -> Variable:
    """A new variable of the same type and name, with a known shape."""
    if type(variable.type) is TensorType:
        return variable.type.clone(shape=tuple(shape))(name=variable.name)
    return variable.type(name=variable.name)


def _is_input(value: object) -> bool:
    """Whether a shared variable with this value becomes an input instead of a constant.

    Integer and Boolean scalars become constants because shapes may depend on them.  Sparse
    matrices also become constants.
    """
    return isinstance(value, np.ndarray | np.generic) and not (
        value.ndim == 0 and value.dtype.kind in "iub"
    )


def _signature_of(value: Any) -> object:
    """What tells two values of a constant apart; the text of a sparse matrix is abbreviated."""
    if not issparse(value):
        return str(value)
    arrays = (value.data, value.indices, value.indptr)
    return (value.shape, *(array.tobytes() for array in arrays))

"""What a fit needs of a PyMC model, as PyTensor graphs with explicit inputs."""

import importlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class ModelGraphs:
    """The free variables and data of a model, and what replaces them in its graphs.

    Parameters
    ----------
    names, shapes
        Names of the free variables and shapes of their unconstrained values, in flat order.
    values
        The inputs that stand for the unconstrained values, of known shape.
    data
        Shared variables (``pm.Data``) that become inputs.
    data_inputs
        The inputs that stand for them, of known shape.
    constants
        Shared variables that became constants, because shapes may depend on them.
    replacements
        From variables of the model to inputs and to constants.
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    values: tuple[Any, ...]
    data: tuple[Any, ...]
    data_inputs: tuple[Any, ...]
    constants: tuple[Any, ...]
    replacements: dict[Any, Any]

    @property
    def inputs(self) -> list[Any]:
        """All inputs of the graphs: values, then data."""
        return [*self.values, *self.data_inputs]

    @property
    def dim(self) -> int:
        """Dimension d of the unconstrained space."""
        return sum(math.prod(shape) for shape in self.shapes)

    def signature(self, named: Mapping[str, Any]) -> list[Any]:
        """What must stay equal for programs made from the graphs to serve the data of now."""
        return [
            *((array.shape, str(array.dtype)) for array in self.data_values(named)),
            *(str(_current(shared, named)) for shared in self.constants),
        ]

    def log_density(self, model: Any) -> list[Any]:
        """The log density of the unconstrained values, one scalar."""
        return self._with_inputs([model.logp()])

    def generated(
        self, model: Any, leave_out: Sequence[str] = ()
    ) -> tuple[list[tuple[str, str]], list[Any]]:
        """Everything the result holds for one draw: (group, name) pairs and their graphs.

        Latents and deterministics on the user's scale, log likelihood of each observed
        variable and log prior of each free one (without the Jacobians of the transforms), by
        element, as ``pm.compute_log_likelihood`` and ``pm.compute_log_prior`` give them.
        """
        names, outputs = generated_graphs(model, leave_out)
        return names, self._with_inputs(outputs)

    def data_values(self, named: Mapping[str, Any]) -> list[np.ndarray]:
        """The data of now, in the order of the inputs.

        ``named`` are the variables of the model that the user holds, where the graphs were
        made of a copy of it.
        """
        return [np.asarray(_current(shared, named)) for shared in self.data]

    def _with_inputs(self, outputs: list[Any]) -> list[Any]:
        from pytensor.graph.replace import clone_replace

        return clone_replace(outputs, self.replacements, rebuild_strict=False)


def generated_graphs(
    model: Any, leave_out: Sequence[str] = ()
) -> tuple[list[tuple[str, str]], list[Any]]:
    """The graphs of :meth:`ModelGraphs.generated`, in terms of the model's own value variables.

    Pointwise terms are first built for the variables on the user's scale, because a transform
    that joins elements (ordered, simplex) would sum over them.
    """
    from pymc.logprob.basic import transformed_conditional_logp
    from pytensor.graph.replace import clone_replace

    latent, observed = list(model.free_RVs), list(model.observed_RVs)
    kept = [v for v in model.deterministics if v.name not in leave_out]
    names = [("posterior", variable.name) for variable in (*latent, *kept)]
    outputs = list(model.replace_rvs_by_values([*latent, *kept]))
    placeholders = {variable: variable.type() for variable in latent}
    terms = transformed_conditional_logp(
        rvs=[*observed, *latent],
        rvs_to_values={**model.rvs_to_values, **placeholders},
        rvs_to_transforms={},
        jacobian=False,
    )
    names += [("log_likelihood", variable.name) for variable in observed]
    names += [("log_prior", variable.name) for variable in latent]
    untransformed = dict(zip(placeholders.values(), outputs, strict=False))
    outputs += clone_replace(terms, untransformed, rebuild_strict=False)
    return names, outputs


def value_shapes(model: Any) -> tuple[tuple[int, ...], ...] | None:
    """Shapes of the unconstrained values where the types tell them all, else None."""
    shapes = [value.type.shape for value in model.value_vars]
    if any(size is None for shape in shapes for size in shape):
        return None
    return tuple(shapes)


def traversal() -> Any:
    """PyTensor's module of walks through graphs, which had no name of its own at first."""
    try:
        return importlib.import_module("pytensor.graph.traversal")
    except ImportError:
        return importlib.import_module("pytensor.graph.basic")


def shared_variables(model: Any) -> list[Any]:
    """Shared variables that the model's graphs depend on, in a fixed order."""
    from pytensor.compile.sharedvalue import SharedVariable

    roots = [
        *model.basic_RVs,
        *model.deterministics,
        *model.potentials,
        *model.rvs_to_values.values(),
    ]
    # A graph can reach the same variable on several ways.
    found = dict.fromkeys(
        v for v in traversal().graph_inputs(roots) if isinstance(v, SharedVariable)
    )
    return [variable for variable in found if not _is_generator(variable)]


def read_graphs(model: Any, shapes: Sequence[tuple[int, ...]]) -> ModelGraphs:
    """The inputs of a model's graphs, for values of these shapes and the data it holds now."""
    from pytensor.tensor import constant
    from pytensor.tensor.type import TensorType

    def of_shape(variable: Any, shape: tuple[int, ...]) -> Any:
        if type(variable.type) is TensorType:
            return variable.type.clone(shape=shape)(name=variable.name)
        return variable.type(name=variable.name)

    values = tuple(
        of_shape(value, tuple(shape)) for value, shape in zip(model.value_vars, shapes, strict=True)
    )
    replacements = dict(zip(model.value_vars, values, strict=True))
    data, data_inputs, constants = [], [], []
    for shared in shared_variables(model):
        if is_input(shared):
            data.append(shared)
            data_inputs.append(of_shape(shared, shared.get_value(borrow=True).shape))
            replacements[shared] = data_inputs[-1]
        else:
            constants.append(shared)
            replacements[shared] = constant(shared.get_value(borrow=True), dtype=shared.type.dtype)
    return ModelGraphs(
        names=tuple(model.values_to_rvs[value].name for value in model.value_vars),
        shapes=tuple(tuple(shape) for shape in shapes),
        values=values,
        data=tuple(data),
        data_inputs=tuple(data_inputs),
        constants=tuple(constants),
        replacements=replacements,
    )


def is_input(shared: Any) -> bool:
    """Whether a shared variable becomes an input of the programs rather than a constant.

    Whole numbers become constants because shapes may depend on them, and so do sparse matrices.
    """
    value = shared.get_value(borrow=True)
    return isinstance(value, np.ndarray | np.generic) and not (
        value.ndim == 0 and value.dtype.kind in "iub"
    )


def _current(shared: Any, named: Mapping[str, Any]) -> Any:
    return named.get(shared.name, shared).get_value(borrow=True)


def _is_generator(variable: Any) -> bool:
    from pytensor.tensor.random.type import RandomType

    return isinstance(variable.type, RandomType)

"""Programs compiled by PyTensor, for models with operations that have no JAX form."""

import time
from collections.abc import Sequence

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from jaxtyping import Float
from pymc.pytensorf import compile as compile_graph
from pytensor.gradient import DisconnectedInputError, NullTypeGradError
from pytensor.graph.basic import Variable
from pytensor.graph.replace import clone_replace

from isogmm.arrays import Array, size_of, split
from isogmm.errors import ModelError
from isogmm.model.target import BatchEvaluation, Groups, ModelFields, PointEvaluation
from isogmm.model.time_limit import check_time
from isogmm_pymc._graphs.angles import log_density_of
from isogmm_pymc._graphs.generated import generated_graphs
from isogmm_pymc._graphs.graphs import ModelGraphs

#: Number of gradients in a typical fit, for the estimate of its time in a warning.
TYPICAL_NUM_GRADIENTS = 50_000

#: Characters of PyTensor's error that a message shows.
MAX_ERROR_CHARACTERS = 200


class PyTensorPrograms:
    """All programs of a model by PyTensor, compiled as its configuration says.

    The data remain shared variables inside the functions, so ``pm.set_data`` changes them.

    Parameters
    ----------
    model
        The ``pm.Model``; it is not kept.
    graphs
        Its graphs.
    excluded
        Names of deterministic variables that the result does not contain.
    reason
        Why the model cannot be evaluated in JAX.

    Raises
    ------
    ModelError
        If an operation has no gradient in PyTensor either.
    """

    def __init__(
        self, model: pm.Model, graphs: ModelGraphs, excluded: Sequence[str], reason: str
    ) -> None:
        self.reason = reason
        self._gradient = PyTensorGradient(model, graphs, reason)
        self._constrain = PyTensorConstrain(model, graphs, excluded)

    def bind(self, data: Sequence[Array]) -> ModelFields:
        """The fields of the target that contain the model; the functions already hold its data."""
        return {
            "evaluate_point": self._gradient.evaluate_point,
            "evaluate_batch": self._gradient.evaluate_batch,
            "constrain": self._constrain,
            # Rows are evaluated one at a time, so padding a batch would only cost time.
            "batch_size": 1,
            # One function for the gradient, one for the generated quantities.
            "num_programs": lambda: 2,
        }

    def describe(self, position: Float[np.ndarray, "d"]) -> str:
        """A message for the user: how the model is evaluated, and how long a gradient takes."""
        # The first call is not timed, because it is slower than the others.
        self._gradient.evaluate_point(position)
        begin = time.perf_counter()
        self._gradient.evaluate_point(position)
        seconds = time.perf_counter() - begin
        return (
            f"{self.reason}: the model is evaluated by PyTensor's compiled function, one point "
            f"at a time. A gradient takes {1e3 * seconds:.2g} ms here, and a fit with "
            f"{TYPICAL_NUM_GRADIENTS:,} gradients {TYPICAL_NUM_GRADIENTS * seconds:.2g} s."
        )


class PyTensorGradient:
    """Log density and gradient by PyTensor; the parameters are those of `PyTensorPrograms`."""

    def __init__(self, model: pm.Model, graphs: ModelGraphs, reason: str) -> None:
        position = pt.vector("position", dtype=graphs.values[0].type.dtype, shape=(graphs.dim,))
        parts = {
            value: part.astype(value.type.dtype)
            for value, part in zip(
                model.value_vars, _split_vector(position, graphs.shapes), strict=True
            )
        }
        (log_density,) = clone_replace([log_density_of(model)], parts, rebuild_strict=False)
        try:
            gradient = pt.grad(log_density, position)
        except (NotImplementedError, NullTypeGradError, DisconnectedInputError) as error:
            raise ModelError(
                f"the model cannot be differentiated: {reason}, and PyTensor has no gradient of "
                f"it either ({_first_line(error)}). Give the operation a gradient (a 'pullback' "
                "or 'grad' method), or write it with PyTensor's own operations."
            ) from error
        with model:
            self._function = compile_graph([position], [log_density, gradient])
        self._dtype = position.type.dtype

    def evaluate_point(self, position: Float[np.ndarray, "d"]) -> PointEvaluation:
        """Log density and gradient at one point."""
        with np.errstate(all="ignore"):
            value, gradient = self._function(np.asarray(position, dtype=self._dtype))
        return value, gradient

    def evaluate_batch(self, positions: Float[np.ndarray, "b d"]) -> BatchEvaluation:
        """Log densities and gradients at several points, computed one after the other."""
        values, gradients = zip(*map(self.evaluate_point, positions), strict=True)
        return np.stack(values), np.stack(gradients)


class PyTensorConstrain:
    """Generated quantities by PyTensor, one draw at a time; see ``ModelGraphs.generated``."""

    def __init__(self, model: pm.Model, graphs: ModelGraphs, excluded: Sequence[str] = ()) -> None:
        self._names, outputs = generated_graphs(model, excluded)
        self._shapes = graphs.shapes
        self._dtypes = [value.type.dtype for value in model.value_vars]
        with model:
            self._function = compile_graph(model.value_vars, outputs, on_unused_input="ignore")

    def __call__(self, positions: Float[np.ndarray, "n d"], seed: int) -> Groups:
        """Groups of arrays with a leading axis n.

        The seed has no effect, because no random numbers are drawn.
        """
        rows = []
        for position in np.asarray(positions):
            check_time()
            parts = split(position, self._shapes)
            values = [part.astype(d) for part, d in zip(parts, self._dtypes, strict=True)]
            with np.errstate(all="ignore"):
                rows.append(self._function(*values))
        groups: Groups = {}
        for (group, name), *arrays in zip(self._names, *rows, strict=True):
            groups.setdefault(group, {})[name] = np.stack(arrays)
        return groups


def _split_vector(vector: Variable, shapes: Sequence[tuple[int, ...]]) -> list[Variable]:
    """:func:`isogmm.arrays.split` for the graph of a vector."""
    sizes = [size_of(shape) for shape in shapes]
    ends = np.cumsum(sizes).tolist()
    return [
        vector[end - size : end].reshape(shape)
        for shape, size, end in zip(shapes, sizes, ends, strict=True)
    ]


def _first_line(error: Exception) -> str:
    """The first line of an error, or its type if it has no text."""
    lines = str(error).strip().splitlines()
    return lines[0][:MAX_ERROR_CHARACTERS] if lines else type(error).__name__

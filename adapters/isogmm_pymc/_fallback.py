"""PyTensor's own compiled functions, for models that hold operations without a JAX form."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from isogmm.errors import ModelError
from isogmm.model.target import Groups
from isogmm_pymc._graphs import ModelGraphs, generated_graphs


class CompiledPrograms:
    """All programs of a model by PyTensor, compiled as its configuration says.

    The data stay shared variables inside the functions, so that ``pm.set_data`` acts on them.

    Parameters
    ----------
    model
        The ``pm.Model``, not kept.
    graphs
        Its graphs.
    leave_out
        Deterministic variables that the result does not want.
    reason
        Why JAX cannot do it.

    Raises
    ------
    ModelError
        If an operation has no gradient either.
    """

    def __init__(
        self, model: Any, graphs: ModelGraphs, leave_out: Sequence[str], reason: str
    ) -> None:
        self.reason = reason
        self._gradient = CompiledGradient(model, graphs, reason)
        self._constrain = CompiledConstrain(model, graphs, leave_out)

    def bind(self, data: Sequence[Any]) -> dict[str, Any]:
        """The fields of the target that contain the model; its data are in the functions."""
        return {
            "evaluate_point": self._gradient.evaluate_point,
            "evaluate_batch": self._gradient.evaluate_batch,
            "constrain": self._constrain,
            # Rows are evaluated one by one: a larger batch would only be padded in vain.
            "batch_size": 1,
            "num_programs": lambda: 2,
        }

    def describe(self, position: Float[np.ndarray, "d"]) -> str:
        """What a user should know about how the model is evaluated, and what it costs."""
        self._gradient.evaluate_point(position)
        begin = time.perf_counter()
        self._gradient.evaluate_point(position)
        seconds = time.perf_counter() - begin
        return (
            f"{self.reason}: the model is evaluated by PyTensor's compiled function, one point "
            f"at a time, {1e3 * seconds:.2g} ms for each gradient here, that is "
            f"{5e4 * seconds:.2g} s in a fit of 50,000."
        )


class CompiledGradient:
    """Log density and gradient by PyTensor; parameters as in :class:`CompiledPrograms`."""

    def __init__(self, model: Any, graphs: ModelGraphs, reason: str) -> None:
        import pytensor.tensor as pt
        from pymc.pytensorf import compile as compile_graph
        from pytensor.gradient import DisconnectedInputError, NullTypeGradError
        from pytensor.graph.replace import clone_replace

        position = pt.vector("position", dtype=graphs.values[0].type.dtype, shape=(graphs.dim,))
        parts, offset = {}, 0
        for value, shape in zip(model.value_vars, graphs.shapes, strict=True):
            size = int(np.prod(shape))
            part = position[offset : offset + size].reshape(shape)
            parts[value] = part.astype(value.type.dtype)
            offset += size
        (log_density,) = clone_replace([model.logp()], parts, rebuild_strict=False)
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

    def evaluate_point(self, position: Float[np.ndarray, "d"]) -> tuple[Any, Any]:
        """Log density and gradient at one point."""
        with np.errstate(all="ignore"):
            return tuple(self._function(np.asarray(position, dtype=self._dtype)))

    def evaluate_batch(self, positions: Float[np.ndarray, "b d"]) -> tuple[Any, Any]:
        """The same for rows, one after the other."""
        values, gradients = zip(*map(self.evaluate_point, positions), strict=True)
        return np.stack(values), np.stack(gradients)


class CompiledConstrain:
    """Generated quantities by PyTensor, one draw at a time; see ``ModelGraphs.generated``."""

    def __init__(self, model: Any, graphs: ModelGraphs, leave_out: Sequence[str] = ()) -> None:
        from pymc.pytensorf import compile as compile_graph

        self._names, outputs = generated_graphs(model, leave_out)
        self._shapes = graphs.shapes
        self._dtypes = [value.type.dtype for value in model.value_vars]
        with model:
            self._function = compile_graph(model.value_vars, outputs, on_unused_input="ignore")

    def __call__(self, positions: Float[np.ndarray, "n d"], seed: int) -> Groups:
        """Groups with a leading axis n; the seed is not used, nothing is drawn."""
        sizes = [int(np.prod(shape)) for shape in self._shapes]
        rows = []
        for position in np.asarray(positions):
            parts = np.split(position, np.cumsum(sizes)[:-1])
            with np.errstate(all="ignore"):
                rows.append(
                    self._function(
                        *(
                            part.reshape(shape).astype(dtype)
                            for part, shape, dtype in zip(
                                parts, self._shapes, self._dtypes, strict=True
                            )
                        )
                    )
                )
        groups: Groups = {}
        for (group, name), *arrays in zip(self._names, *rows, strict=True):
            groups.setdefault(group, {})[name] = np.stack(arrays)
        return groups


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__

"""The compiled programs of a PyMC model, in JAX where every operation has a JAX form."""

import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import pytensor

from isogmm.model.jax_target import JaxPrograms
from isogmm_pymc._fallback import CompiledConstrain
from isogmm_pymc._graphs import ModelGraphs
from isogmm_pymc._jax import NoJaxFormError, jaxify, quiet


class PyMCPrograms:
    """The three programs of a model in JAX, compiled in the background as soon as it is made.

    The graph of the generated quantities is built while the other two programs compile.

    Parameters
    ----------
    model
        The ``pm.Model``, not kept.
    graphs
        Its graphs.
    leave_out
        Deterministic variables that the result does not want.

    Raises
    ------
    Exception
        Whatever PyTensor or JAX raises for an operation of the log density that has no JAX
        form, or none that can be differentiated.
    """

    def __init__(self, model: Any, graphs: ModelGraphs, leave_out: Sequence[str] = ()) -> None:
        self._graphs = graphs
        self._names: list[tuple[str, str]] = []
        self._generate_function: Any = None
        self._constrain: CompiledConstrain | None = None
        #: Why the generated quantities are not a JAX program, None where they are.
        self.reason: str | None = None
        self.jax = JaxPrograms(
            self._log_density,
            self._generate,
            graphs.dim,
            graphs.data_values({}),
            x64=pytensor.config.floatX == "float64",
        )
        # Constants become JAX arrays when a graph is converted, in the precision of that moment.
        with self.jax.precision():
            self._density_function = jaxify(
                graphs.inputs, graphs.log_density(model), check_bounds=model.check_bounds
            )
        self.jax.start("batch")
        try:
            self._names, outputs = graphs.generated(model, leave_out)
            with self.jax.precision():
                self._generate_function = jaxify(
                    graphs.inputs, outputs, check_bounds=model.check_bounds
                )
            self.jax.start("constrain")
        except Exception as error:  # operations may fail in any way when they are traced
            self.reason = explain(error)
            self._constrain = CompiledConstrain(model, graphs, leave_out)

    def bind(self, data: Sequence[Any]) -> dict[str, Any]:
        """The fields of the target that contain the model, for one data set."""
        fields = self.jax.bind(list(data))
        if self._constrain is not None:
            jax_fields = dict(fields)
            fields |= {
                "constrain": self._constrain,
                "prepare": lambda: None,
                "num_programs": lambda: jax_fields["num_programs"]() + 1,
            }
        return fields

    def describe(self, position: Any) -> str | None:
        """What a user should know about how the model is evaluated."""
        if self.reason is None:
            return None
        return (
            f"{self.reason}: deterministic variables, log likelihood and log prior of the draws "
            "come from PyTensor's compiled function, one draw at a time; the fit itself runs in "
            "JAX."
        )

    def _log_density(self, position: Any, data: Any) -> Any:
        with quiet():
            value = self._density_function(*self._unravel(position), *data)[0]
        return jnp.asarray(value, dtype=position.dtype).reshape(())

    def _generate(self, position: Any, key: Any, data: Any) -> dict[str, dict[str, Any]]:
        with quiet():
            arrays = self._generate_function(*self._unravel(position), *data)
        groups: dict[str, dict[str, Any]] = {}
        for (group, name), array in zip(self._names, arrays, strict=True):
            groups.setdefault(group, {})[name] = jnp.asarray(array)
        return groups

    def _unravel(self, position: Any) -> list[Any]:
        parts, offset = [], 0
        for value, shape in zip(self._graphs.values, self._graphs.shapes, strict=True):
            size = math.prod(shape)
            part = position[offset : offset + size].reshape(shape)
            parts.append(part.astype(value.type.dtype))
            offset += size
        return parts


def explain(error: Exception) -> str:
    """Why something cannot be a JAX program, in a few words."""
    if isinstance(error, NoJaxFormError):
        return f"{', '.join(error.operations)} has no JAX form"
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"JAX cannot compile the model ({type(error).__name__}: {' '.join(lines[:2])[:200]})"

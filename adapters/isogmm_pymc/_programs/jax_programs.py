"""The compiled programs of a PyMC model in JAX."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import pymc as pm
import pytensor

from isogmm.arrays import Array, split
from isogmm.model.jax_target import JaxPrograms
from isogmm.model.target import ModelFields
from isogmm_pymc._graphs.graphs import ModelGraphs
from isogmm_pymc._programs.pytensor_programs import PyTensorConstrain
from isogmm_pymc._programs.to_jax import NoJaxFormError, ignore_cast_warnings, jaxify

#: Lines and characters of an error of JAX or PyTensor that a message shows.
MAX_ERROR_LINES, MAX_ERROR_CHARACTERS = 2, 200


class JaxModelPrograms:
    """The programs of a model in JAX.

    Their compilation starts in the background when the object is created.  The graph of the
    generated quantities is built while the batch program of the log density compiles.  If the
    generated quantities have no JAX form, PyTensor evaluates them.

    Parameters
    ----------
    model
        The ``pm.Model``; it is not kept.
    graphs
        Its graphs.
    excluded
        Names of deterministic variables that the result does not contain.
    has_own_gradient
        Whether the gradient is that of PyTensor, as in ``pm.sample``, in place of that of JAX.
        PyTensor simplifies the gradient of ``value * log(rate)`` at a rate of zero, which is NaN
        in JAX.

    Raises
    ------
    Exception
        An exception of PyTensor or JAX, if an operation of the log density has no JAX form or
        JAX cannot differentiate it.
    """

    def __init__(
        self,
        model: pm.Model,
        graphs: ModelGraphs,
        excluded: Sequence[str] = (),
        *,
        has_own_gradient: bool = False,
    ) -> None:
        self._graphs = graphs
        self.has_own_gradient = has_own_gradient
        self._names: list[tuple[str, str]] = []
        self._generate_function: Callable[..., Sequence[Array]] | None = None
        self._constrain: PyTensorConstrain | None = None
        #: Why PyTensor evaluates the generated quantities, or None if JAX does.
        self.reason: str | None = None
        self.jax = JaxPrograms(
            self._with_own_gradient() if has_own_gradient else self._log_density,
            self._generate,
            graphs.dim,
            graphs.data_values(),
            x64=pytensor.config.floatX == "float64",
        )
        # The conversion turns constants into JAX arrays of the current precision.
        with self.jax.precision():
            outputs = graphs.log_density(model)
            if has_own_gradient:
                outputs += pytensor.grad(outputs[0], list(graphs.values))
            self._density_function = jaxify(graphs.inputs, outputs, check_bounds=model.check_bounds)
        self.jax.start("batch")
        try:
            self._names, outputs = graphs.generated(model, excluded)
            with self.jax.precision():
                self._generate_function = jaxify(
                    graphs.inputs, outputs, check_bounds=model.check_bounds
                )
            self.jax.start("constrain")
        except Exception as error:  # operations may raise any exception when they are traced
            self.reason = explain_failure(error)
            self._constrain = PyTensorConstrain(model, graphs, excluded)

    def bind(self, data: Sequence[Array]) -> ModelFields:
        """The fields of the target that contain the model, for one data set."""
        fields = self.jax.bind(list(data))
        if self._constrain is not None:
            num_jax_programs = fields["num_programs"]
            fields["constrain"], fields["placeholder"] = self._constrain, None
            # The only program in JAX is already compiling.
            fields["prepare"] = lambda: None
            fields["num_programs"] = lambda: num_jax_programs() + 1
        return fields

    def describe(self, position: np.ndarray) -> str | None:
        """A message for the user if PyTensor evaluates a part of the model, else None."""
        if self.reason is None:
            return None
        return (
            f"{self.reason}: deterministic variables, log likelihood and log prior of the draws "
            "come from PyTensor's compiled function, one draw at a time; the fit itself runs in "
            "JAX."
        )

    def _log_density(self, position: jax.Array, data: Sequence[Array]) -> jax.Array:
        with ignore_cast_warnings():
            value = self._density_function(*self._values(position), *data)[0]
        return jnp.asarray(value, dtype=position.dtype).reshape(())

    def _with_own_gradient(self) -> Callable[[jax.Array, Sequence[Array]], jax.Array]:
        """The log density with the derivative of PyTensor.  It has none by the data."""
        log_density = jax.custom_jvp(self._log_density)

        @log_density.defjvp
        def derivative(
            primals: tuple[jax.Array, Sequence[Array]], tangents: tuple[jax.Array, Sequence[Array]]
        ) -> tuple[jax.Array, jax.Array]:
            position, data = primals
            with ignore_cast_warnings():
                _, *parts = self._density_function(*self._values(position), *data)
            gradient = jnp.concatenate([jnp.ravel(part) for part in parts]).astype(position.dtype)
            return log_density(position, data), gradient @ tangents[0]

        return log_density

    def _generate(
        self, position: jax.Array, key: jax.Array, data: Sequence[Array]
    ) -> dict[str, dict[str, jax.Array]]:
        assert self._generate_function is not None
        with ignore_cast_warnings():
            arrays = self._generate_function(*self._values(position), *data)
        groups: dict[str, dict[str, jax.Array]] = {}
        for (group, name), array in zip(self._names, arrays, strict=True):
            groups.setdefault(group, {})[name] = jnp.asarray(array)
        return groups

    def _values(self, position: jax.Array) -> list[jax.Array]:
        """The unconstrained values at a flat position, with the types of the graphs."""
        parts = split(position, self._graphs.shapes)
        return [
            part.astype(value.type.dtype)
            for part, value in zip(parts, self._graphs.values, strict=True)
        ]


def explain_failure(error: Exception) -> str:
    """Why a model cannot be a JAX program, in a few words."""
    if isinstance(error, NoJaxFormError):
        return f"{', '.join(error.operations)} has no JAX form"
    lines = [line for line in str(error).splitlines() if line.strip()]
    text = " ".join(lines[:MAX_ERROR_LINES])[:MAX_ERROR_CHARACTERS]
    return f"JAX cannot compile the model ({type(error).__name__}: {text})"

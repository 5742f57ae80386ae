"""A log density written with JAX: its compiled programs and its checks."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace

import jax
import numpy as np
from jaxtyping import Float, PyTree

from isogmm.errors import ModelError
from isogmm.model.checks.index_bounds import check_indices
from isogmm.model.checks.integer_overflow import check_integers
from isogmm.model.functions.generated import GeneratedQuantities
from isogmm.model.functions.structure import Structure
from isogmm.model.jax_target import JaxPrograms
from isogmm.model.programs.precision import in_precision
from isogmm.model.programs.sharding import sharding_of
from isogmm.model.target import DensityOfData, ModelFields


@dataclass(eq=False)
class JaxFunction:
    """The functions of a :class:`isogmm.LogDensity` that are JAX functions.

    Parameters
    ----------
    structure
        Structure of the positions that the functions take.
    fn
        ``(position, *arguments) -> scalar``.
    generated
        Variables on the user's scale and log likelihood.
    batch_size
        Rows of the batch program; None chooses them by the cost of a row.
    x64
        Precision of the programs; None follows JAX's global switch.
    """

    structure: Structure
    fn: Callable[..., PyTree]
    generated: GeneratedQuantities
    batch_size: int | None
    x64: bool | None
    #: Programs by the structure, shapes and types of the arguments.
    _programs: dict[Hashable, JaxPrograms] = field(default_factory=dict, init=False)

    def __getstate__(self) -> dict[str, object]:
        """Everything but the compiled programs, which belong to this process."""
        return {**self.__dict__, "_programs": {}}

    def check(self, position: Float[np.ndarray, " d"], arguments: tuple[PyTree, ...]) -> PyTree:
        """Trace all functions; returns the shapes of the generated arrays by group and name.

        Raises
        ------
        ModelError
            If a function cannot be traced, or does not return what it should.
        """
        like = jax.ShapeDtypeStruct(position.shape, jax.dtypes.canonicalize_dtype(np.float64))
        try:
            value = jax.eval_shape(self._log_density, like, arguments)
            shapes = [np.shape(leaf) for leaf in jax.tree.leaves(value)]
            if shapes != [()] or jax.tree.structure(value) != jax.tree.structure(0):
                raise ModelError(
                    f"fn must return one number, the log density; it returned shapes {shapes}. "
                    "Sum over the observations and return the total."
                )
            jax.eval_shape(jax.grad(self._log_density), like, arguments)
            return jax.eval_shape(self._generate, like, jax.random.key(0), arguments)
        except jax.errors.JAXTypeError as error:
            raise ModelError(
                "fn, constrain or log_likelihood cannot be traced by JAX: "
                f"{str(error).splitlines()[0]} Write them with jax.numpy and without branches "
                "on values. Functions of plain NumPy need gradient= or value_and_grad=, or "
                "gradient=False, if there is no gradient."
            ) from error

    def bind(self, arguments: tuple[PyTree, ...]) -> ModelFields:
        """The fields of a :class:`Target` that contain the model, for these arguments."""
        fields = self._programs_for(arguments).bind(arguments)
        fields["density_of_data"] = DensityOfData(self._in_its_precision, _positional)
        return fields

    def _programs_for(self, arguments: tuple[PyTree, ...]) -> JaxPrograms:
        """The programs for arguments of these shapes and types."""
        with in_precision(self.x64):
            leaves, structure = jax.tree.flatten(arguments)
            kinds = tuple(
                (np.shape(leaf), jax.dtypes.result_type(leaf), sharding_of(leaf)) for leaf in leaves
            )
        programs = self._programs.get((structure, kinds))
        if programs is None:
            programs = JaxPrograms(
                self._log_density,
                self._generate,
                self.structure.dim,
                arguments,
                batch_size=self.batch_size,
                x64=self.x64,
            )
            self._programs[structure, kinds] = programs
        return programs

    def check_data(self, arguments: tuple[PyTree, ...]) -> tuple[str, ...]:
        """Raise an error or warn if indices or integers of the data are beyond their range."""
        programs, data = self._programs_for(arguments), arguments[0] if arguments else None
        paths = [path for path, _ in jax.tree_util.tree_flatten_with_path(data)[0]]
        names = [f"data{jax.tree_util.keystr(path)}" for path in paths]
        check_integers(programs, arguments, names)
        return check_indices(programs, arguments, names)

    def _log_density(self, position: jax.Array, arguments: tuple[PyTree, ...]) -> PyTree:
        return self.fn(self.structure.unravel(position), *arguments)

    def _in_its_precision(self, position: jax.Array, arguments: tuple[PyTree, ...]) -> PyTree:
        """The log density with leaves of the type of the position, not of the example."""
        dtypes = (position.dtype,) * len(self.structure.dtypes)
        return self.fn(replace(self.structure, dtypes=dtypes).unravel(position), *arguments)

    def _generate(
        self, position: jax.Array, key: jax.Array, arguments: tuple[PyTree, ...]
    ) -> dict[str, dict[str, PyTree]]:
        generated = self.generated(self.structure.unravel(position), arguments)
        posterior = self.structure.split(position) | generated["posterior"]
        return {
            "posterior": posterior,
            "log_likelihood": generated["log_likelihood"],
            "log_prior": {},
        }


def _positional(args: tuple[object, ...], kwargs: Mapping[str, object]) -> tuple[object, ...]:
    """The data of the functions: they have no keyword arguments."""
    return args

"""A model that is a mere function: JAX, or anything that returns value and gradient."""

import contextlib
import copy
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from isogmm.errors import ModelError, OptionError
from isogmm.model.jax_target import ROWS, JaxPrograms, jax_target
from isogmm.model.plain_function import Pair, PlainFunction, named
from isogmm.model.precision import in_precision
from isogmm.model.structure import Structure
from isogmm.model.target import Target


class LogDensity:
    """An unnormalized log density on R^d as a model for ``fit_isogmm``.

    Parameters
    ----------
    fn
        ``fn(position) -> scalar``, or ``fn(position, data)`` where ``data`` is given; the position
        has the structure of ``example``.  A function written with ``jax.numpy`` needs nothing
        else.  None where ``value_and_grad`` is given.
    example
        An array, a scalar or any nesting of dicts, lists and tuples of them, floating point
        throughout: it fixes structure, names and shapes; its values are only used to check the
        function.  All of R^d must be allowed: transform what is bounded and add the
        log-determinant, then give ``constrain``.
    gradient
        For functions that are not JAX: ``gradient(position[, data])``, of the structure of
        ``example``.
    value_and_grad
        The same in one function, ``-> (scalar, gradient)``; scipy's convention with the sign of
        a log density, and that of BridgeStan's ``log_density_gradient``.
    vectorized
        The functions that are not JAX take a leading batch axis in every leaf and return one.
    map
        What applies ``value_and_grad`` to the points of a batch: ``map`` of a
        ``concurrent.futures`` executor makes a pool of workers of it (a pool of processes asks
        for functions defined at the top of a module).
    names
        One name for an array or scalar; d names for the entries of a vector; for a nested
        example a mapping from path (``"group.scale"``) to name, or one name per leaf.
    dims, coords
        Names of the dimensions of each variable, and their labels.
    constrain
        ``constrain(position[, data]) -> {name: array}``, variables on the user's scale, JAX if
        ``fn`` is; they join the unconstrained variables and replace those of equal name.
    log_likelihood
        ``log_likelihood(position[, data]) -> {observed name: array}``.
    initial
        Where to start: a position (starts scatter around it, uniformly within one unit), or
        ``initial(generator, n)`` that returns n of them on a leading axis.  Otherwise starts
        are uniform on (-2, 2).
    data
        A pytree of arrays passed to all functions.  An entry of a dict named as an entry of the
        log likelihood is observed data, others are constant data.  :meth:`with_data` changes it
        without compiling again.
    batch_size
        Points evaluated together; None chooses: 128, or 32 for a JAX function
        with costly loops or factorizations.
    x64
        Precision of the JAX programs; None leaves it to JAX's own switch.

    Raises
    ------
    ModelError
        If the function cannot be traced and no gradient is given, does not return a scalar, if a
        gradient has the wrong shape, or if a leaf of ``example`` is not floating point.
    OptionError
        If names do not fit the example, or ``dims`` names something unknown.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> import numpy as np
    >>> model = LogDensity(lambda x: -0.5 * jnp.sum(x["mu"] ** 2), {"mu": np.zeros(3)})
    >>> model.to_target().coordinate_names
    ['mu[0]', 'mu[1]', 'mu[2]']

    A Stan model through BridgeStan (``model`` a ``bridgestan.StanModel``)::

        LogDensity(
            None,
            np.zeros(model.param_unc_num()),
            value_and_grad=model.log_density_gradient,
            names=model.param_unc_names(),
            constrain=lambda x: dict(zip(model.param_names(), model.param_constrain(x))),
        )
    """

    def __init__(
        self,
        fn: Any,
        example: Any,
        *,
        gradient: Callable[..., Any] | None = None,
        value_and_grad: Callable[..., Any] | None = None,
        vectorized: bool = False,
        map: Callable[..., Iterable[Any]] = map,
        names: str | Sequence[str] | Mapping[str, str] | None = None,
        dims: Mapping[str, Sequence[str]] | None = None,
        coords: Mapping[str, Sequence[Any] | np.ndarray] | None = None,
        constrain: Callable[..., Mapping[str, Any]] | None = None,
        log_likelihood: Callable[..., Mapping[str, Any]] | None = None,
        initial: Any = None,
        data: Any = None,
        batch_size: int | None = None,
        x64: bool | None = None,
    ) -> None:
        if fn is not None and not callable(fn):
            raise ModelError(f"fn must be a function of the position, not {type(fn).__name__}")
        if value_and_grad is None and (fn is None or (gradient is not None and not callable(fn))):
            raise ModelError("give fn (JAX), fn with gradient=, or value_and_grad=")
        if value_and_grad is not None and gradient is not None:
            raise OptionError("gradient= and value_and_grad= say the same thing: give one of them")
        self.is_jax = gradient is None and value_and_grad is None
        if self.is_jax and vectorized:
            raise OptionError(
                "vectorized=True is for functions with a gradient of their own; a JAX function "
                "takes one position and is vectorized by the library"
            )
        self.dims, self.coords = dict(dims or {}), dict(coords or {})
        self.data, self.vectorized, self.batch_size = data, vectorized, batch_size
        self.x64 = x64
        self._fn, self._constrain, self._log_likelihood = fn, constrain, log_likelihood
        self._initial = initial
        with self._precision():
            self._example = jax.tree.map(np.asarray, example)
            self.structure = Structure.of(self._example, names, is_jax=self.is_jax)
            if self.structure.dim < 1:
                raise ModelError("example is empty: there is no free continuous parameter to fit")
            if not self.is_jax:
                self._plain = PlainFunction(
                    self.structure,
                    value_and_grad or Pair(fn, gradient),
                    vectorized,
                    map,
                    constrain,
                    log_likelihood,
                )
            generated = self._check_jax() if self.is_jax else self._check_plain()
        self._observed = set(generated["log_likelihood"])
        known = {*self.structure.variables, *generated["posterior"], *self._observed}
        known |= set(data) if isinstance(data, Mapping) else set()
        unknown = sorted(set(self.dims) - known)
        if unknown:
            raise OptionError(f"dims has unknown names {unknown}; known are {sorted(known)}")
        # Shared by every copy with other data: programs by the shapes of the data.
        self._programs: dict[Any, JaxPrograms] = {}
        self._is_checked = False

    def with_data(self, data: Any) -> "LogDensity":
        """The same density given other data; equal shapes share the compiled programs."""
        other = copy.copy(self)
        other.data, other._is_checked = data, False
        return other

    def to_target(self, random_seed: int = 0) -> Target:
        """The target that the engine fits; every call shares the compiled programs.

        ``random_seed`` is that of the fit; nothing here is random.

        Raises
        ------
        ModelError
            If the gradient at ``example`` is NaN where the density is finite.
        """
        fields: dict[str, Any] = {
            "variables": self.structure.variables,
            "initial_positions": self._starts,
            "dims": self.dims,
            "coords": self.coords,
            "library": "isogmm",
            "library_version": version("isogmm"),
            **self._data_groups(),
        }
        if self.is_jax:
            data = () if self.data is None else self.data
            with self._precision():
                leaves, structure = jax.tree.flatten(data)
                kinds = tuple((np.shape(leaf), jax.dtypes.result_type(leaf)) for leaf in leaves)
            programs = self._programs.get((structure, kinds))
            if programs is None:
                programs = JaxPrograms(
                    self._log_density,
                    self._generate,
                    self.structure.dim,
                    data,
                    batch_size=self.batch_size,
                    x64=self.x64,
                )
                self._programs[structure, kinds] = programs
            target = jax_target(programs, data, **fields)
            target.prepare()  # the other programs compile while the point below is evaluated
        else:
            functions = self._plain.bind(self._arguments)
            rows = ROWS if self.batch_size is None else self.batch_size
            target = Target(batch_size=rows, **functions, **fields)
        if not self._is_checked:
            self._check_gradient(target)
            self._is_checked = True
        return target

    # --- both kinds ---------------------------------------------------------------------------

    def _precision(self) -> contextlib.AbstractContextManager:
        return in_precision(self.x64)

    @property
    def _arguments(self) -> tuple[Any, ...]:
        return () if self.data is None else (self.data,)

    def _starts(self, generator: np.random.Generator, n: int) -> Float[np.ndarray, "n d"]:
        dim = self.structure.dim
        if self._initial is None:
            return generator.uniform(-2.0, 2.0, (n, dim))
        if not callable(self._initial):
            point = self.structure.ravel(self._initial, (), "initial")
            scatter = generator.uniform(-1.0, 1.0, (n, dim))
            scatter[0] = 0.0
            return point + scatter
        starts = self._initial(generator, n)
        if np.shape(starts) == (n, dim):
            return np.asarray(starts, dtype=np.float64)
        return self.structure.ravel(starts, (n,), "initial")

    def _data_groups(self) -> dict[str, dict[str, np.ndarray]]:
        groups: dict[str, dict[str, np.ndarray]] = {"observed_data": {}, "constant_data": {}}
        data = self.data
        if data is not None and not isinstance(data, Mapping):
            data = {"data": data}
        for name, value in (data or {}).items():
            if jax.tree.structure(value) == jax.tree.structure(0):
                group = "observed_data" if name in self._observed else "constant_data"
                groups[group][str(name)] = np.asarray(value)
        return groups

    def _check_gradient(self, target: Target) -> None:
        position = self.structure.ravel(self._example, (), "example")
        value, gradient = (np.asarray(part) for part in target.evaluate_point(position))
        bad = np.isnan(gradient).reshape(-1)
        if np.isfinite(value) and bad.any():
            names = list(itertools.compress(target.coordinate_names, bad))
            raise ModelError(
                f"the log density at the example is {float(value):.6g}, but its gradient is NaN "
                f"for {', '.join(names[:5])}. In JAX a branch of jnp.where that is not taken "
                "still enters the gradient: make its argument safe before the call."
            )

    # --- JAX ----------------------------------------------------------------------------------

    def _log_density(self, position: jax.Array, data: Any) -> Any:
        assert self._fn is not None
        arguments = () if self.data is None else (data,)
        return self._fn(self.structure.unravel(position), *arguments)

    def _generate(self, position: jax.Array, key: jax.Array, data: Any) -> dict[str, Any]:
        arguments = () if self.data is None else (data,)
        point = self.structure.unravel(position)
        posterior = self.structure.split(position)
        posterior |= named(self._constrain, "constrain", point, *arguments)
        likelihood = named(self._log_likelihood, "log_likelihood", point, *arguments)
        return {"posterior": posterior, "log_likelihood": likelihood, "log_prior": {}}

    def _check_jax(self) -> dict[str, Any]:
        position = jax.ShapeDtypeStruct(
            (self.structure.dim,), jax.dtypes.canonicalize_dtype(np.float64)
        )
        data = () if self.data is None else self.data
        try:
            value = jax.eval_shape(self._log_density, position, data)
            shapes = [np.shape(leaf) for leaf in jax.tree.leaves(value)]
            if shapes != [()] or jax.tree.structure(value) != jax.tree.structure(0):
                raise ModelError(
                    f"fn must return one number, the log density; it returned shapes {shapes}. "
                    "Sum over the observations and return the total."
                )
            jax.eval_shape(jax.grad(self._log_density), position, data)
            return jax.eval_shape(self._generate, position, jax.random.key(0), data)
        except jax.errors.JAXTypeError as error:
            raise ModelError(
                "fn, constrain or log_likelihood cannot be traced by JAX: "
                f"{str(error).splitlines()[0]} Write them with jax.numpy and without branches "
                "on values, or give gradient= or value_and_grad=: then plain NumPy will do."
            ) from error

    # --- any function -------------------------------------------------------------------------

    def _check_plain(self) -> dict[str, Any]:
        position = self.structure.ravel(self._example, (), "example")
        self._plain.evaluate(position[None], self._arguments, apply=map)
        return self._plain.generate(position[None], self._arguments)

"""A model given as a function: written with JAX, or one that returns value and gradient."""

import copy
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Literal

import jax
import numpy as np
from jaxtyping import Float, PyTree

from isogmm.errors import ModelError, OptionError
from isogmm.model.functions.generated import GeneratedQuantities
from isogmm.model.functions.jax_function import JaxFunction
from isogmm.model.functions.plain_function import PlainFunction, combined
from isogmm.model.functions.structure import Structure
from isogmm.model.programs.precision import in_precision
from isogmm.model.programs.sharding import gathered
from isogmm.model.target import Target

#: Starting points are uniform on (-START_WIDTH, START_WIDTH) in each coordinate, as in Stan.
START_WIDTH = 2.0
#: Half-width of the uniform scatter of starting points around a given position.
SCATTER_WIDTH = 1.0
#: What the report says about a model without a gradient.
NO_GRADIENT = (
    "The log density has no gradient. The mixture was fitted to its values, and only importance "
    "weights and random walks check the draws."
)


class LogDensity:
    """An unnormalized log density on R^d as a model for ``fit_isogmm``.

    Parameters
    ----------
    fn
        ``fn(position) -> scalar``, or ``fn(position, data)`` if ``data`` is given.  The position
        has the structure of ``example``.  A function written with ``jax.numpy`` needs no
        gradient.  None if ``value_and_grad`` is given.
    example
        An array, a scalar, or any nesting of dicts, lists and tuples of them, all floating point.
        It determines structure, names and shapes; the values are used only to check the function.
        Every position of R^d must be valid: transform bounded variables, add the log-determinant,
        and pass ``constrain``.
    gradient
        ``gradient(position[, data])``, of the structure of ``example``, for a function ``fn``
        that is not written with JAX.  False if there is no gradient, as of a simulator:
        ``fit_isogmm`` then uses values of ``fn`` alone, in up to about 10 dimensions.
    value_and_grad
        ``value_and_grad(position[, data]) -> (scalar, gradient)``, in place of ``fn`` and
        ``gradient``.  This is SciPy's convention with the sign of a log density, and that of
        BridgeStan's ``log_density_gradient``.
    vectorized
        Whether functions that are not written with JAX take and return a leading batch axis in
        every leaf.
    map
        Applies ``value_and_grad`` to the points of a batch.  The ``map`` of a
        ``concurrent.futures`` executor evaluates them in a pool of workers.  A pool of processes
        needs functions that are defined at the top level of a module.
    names
        One name for an array or scalar; d names for the entries of a vector; for a nested
        example a mapping from path (``"group.scale"``) to name, or one name per leaf.
    dims, coords
        Names of the dimensions of each variable, and the labels of each dimension.
    constrain
        ``constrain(position[, data]) -> {name: array}``, variables on the user's scale, written
        with JAX if ``fn`` is.  They are added to the unconstrained variables and replace those of
        the same name.
    log_likelihood
        ``log_likelihood(position[, data]) -> {observed name: array}``.
    initial
        Starting points: a position, around which they are uniform within one unit, or a function
        ``initial(generator, n)`` that returns n positions along a leading axis.  By default they
        are uniform on (-2, 2).
    data
        A pytree of arrays, passed to all functions.  An entry of a dict with the name of an entry
        of the log likelihood is observed data; the others are constant data.  :meth:`with_data`
        replaces the data without a new compilation.
    batch_size
        Number of points evaluated together.  The default is 128, or 32 for a JAX function with
        costly loops or factorizations.
    x64
        Whether the JAX programs use 64-bit floats; None follows JAX's global switch.

    Raises
    ------
    ModelError
        If the function cannot be traced and no gradient is given, if it does not return a
        scalar, if a gradient has the wrong shape, or if a leaf of ``example`` is not floating
        point.
    OptionError
        If the names do not fit the example, or ``dims`` has an unknown name.

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
        fn: object,
        example: PyTree,
        *,
        gradient: Callable[..., object] | Literal[False] | None = None,
        value_and_grad: Callable[..., object] | None = None,
        vectorized: bool = False,
        map: Callable[..., Iterable[object]] = map,
        names: str | Sequence[str] | Mapping[str, str] | None = None,
        dims: Mapping[str, Sequence[str]] | None = None,
        coords: Mapping[str, Iterable[object]] | None = None,
        constrain: Callable[..., object] | None = None,
        log_likelihood: Callable[..., object] | None = None,
        initial: PyTree = None,
        data: PyTree = None,
        batch_size: int | None = None,
        x64: bool | None = None,
    ) -> None:
        if fn is not None and not callable(fn):
            raise ModelError(f"fn must be a function of the position, not {type(fn).__name__}")
        value_and_grad = combined(fn, gradient, value_and_grad)
        self.is_jax = value_and_grad is None
        if self.is_jax and vectorized:
            raise OptionError(
                "vectorized=True is for functions with their own gradient; a JAX function takes "
                "one position and is vectorized by the library"
            )
        self.dims, self.coords = dict(dims or {}), dict(coords or {})
        self.data, self._initial = data, initial
        generated = GeneratedQuantities(constrain, log_likelihood)
        self._function: JaxFunction | PlainFunction
        with in_precision(x64):
            self._example = jax.tree.map(np.asarray, example)
            self.structure = Structure.of(self._example, names, is_jax=self.is_jax)
            if self.structure.dim < 1:
                raise ModelError("example is empty: there is no free continuous parameter to fit")
            if value_and_grad is not None:
                self._function = PlainFunction(
                    self.structure, value_and_grad, generated, vectorized, map, batch_size
                )
            else:
                assert fn is not None
                self._function = JaxFunction(self.structure, fn, generated, batch_size, x64)
            groups = self._function.check(self._example_position, self._arguments)
        self._observed = set(groups["log_likelihood"])
        self._check_dims(groups)
        self._is_checked = False

    def _check_dims(self, groups: Mapping[str, Mapping[str, object]]) -> None:
        known = {*self.structure.variables, *groups["posterior"], *groups["log_likelihood"]}
        known |= set(self.data) if isinstance(self.data, Mapping) else set()
        unknown = sorted(set(self.dims) - known)
        if unknown:
            raise OptionError(f"dims has unknown names {unknown}; known are {sorted(known)}")

    def with_data(self, data: PyTree) -> "LogDensity":
        """The same density with other data; data of equal shapes share the compiled programs."""
        other = copy.copy(self)
        other.data, other._is_checked = data, False
        return other

    def to_target(self, random_seed: int = 0) -> Target:
        """The target that the library fits; all targets share the compiled programs.

        ``random_seed``, the seed of the fit, is not used.

        Raises
        ------
        ModelError
            If the gradient at ``example`` is NaN although the density is finite.
        """
        fields = self._function.bind(self._arguments)
        fields.setdefault(
            "placeholder", lambda: fields["constrain"](self._example_position[None], 0)
        )
        target = Target(
            **fields,
            variables=self.structure.variables,
            initial_positions=self._initial_positions,
            dims=self.dims,
            coords=self.coords,
            library="isogmm",
            library_version=version("isogmm"),
            notes=self._notes(has_gradient=fields.get("has_gradient", True)),
            observed_data=self._data_arrays(observed=True),
            constant_data=self._data_arrays(observed=False),
        )
        # The other programs compile while the gradient at the example is evaluated.
        target.prepare()
        if not self._is_checked:
            self._check_gradient(target)
            self._is_checked = True
        return target

    def _notes(self, *, has_gradient: bool) -> tuple[str, ...]:
        """Sentences about the model for the report."""
        if isinstance(self._function, JaxFunction):
            return self._function.check_data(self._arguments)
        return () if has_gradient else (NO_GRADIENT,)

    @property
    def _arguments(self) -> tuple[PyTree, ...]:
        """Arguments of the user's functions after the position."""
        return () if self.data is None else (self.data,)

    @property
    def _example_position(self) -> Float[np.ndarray, " d"]:
        return self.structure.ravel(self._example, (), "example")

    def _initial_positions(
        self, generator: np.random.Generator, n: int
    ) -> Float[np.ndarray, "n d"]:
        dim = self.structure.dim
        if self._initial is None:
            return generator.uniform(-START_WIDTH, START_WIDTH, (n, dim))
        if not callable(self._initial):
            center = self.structure.ravel(self._initial, (), "initial")
            scatter = generator.uniform(-SCATTER_WIDTH, SCATTER_WIDTH, (n, dim))
            scatter[0] = 0.0
            return center + scatter
        positions = self._initial(generator, n)
        if np.shape(positions) == (n, dim):
            return np.asarray(positions, dtype=np.float64)
        return self.structure.ravel(positions, (n,), "initial")

    def _data_arrays(self, *, observed: bool) -> dict[str, np.ndarray]:
        """The arrays among the data by name: those that are observed, or the others."""
        data = {} if self.data is None else self.data
        if not isinstance(data, Mapping):
            data = {"data": data}
        return {
            str(name): gathered(value)
            for name, value in data.items()
            if (name in self._observed) == observed
            and jax.tree.structure(value) == jax.tree.structure(0)
        }

    def _check_gradient(self, target: Target) -> None:
        """Check the gradient at the example for NaN."""
        value, gradient = target.evaluate_point(self._example_position)
        is_nan = np.isnan(np.asarray(gradient)).reshape(-1)
        if np.isfinite(np.asarray(value)) and is_nan.any():
            names = list(itertools.compress(target.coordinate_names, is_nan))
            raise ModelError(
                f"the log density at the example is {float(value):.6g}, but its gradient is NaN "
                f"for {', '.join(names[:5])}. JAX differentiates both branches of jnp.where: "
                "replace invalid arguments first, "
                "jnp.where(valid, f(jnp.where(valid, x, 1.0)), 0.0)."
            )

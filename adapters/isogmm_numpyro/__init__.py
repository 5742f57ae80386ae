"""The NumPyro adapter of isogmm. Its import does not import NumPyro."""

import inspect
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from isogmm.errors import require
from isogmm.model.adapter import AbstractAdapter
from isogmm.model.simulation import Simulations
from isogmm.model.target import Target

if TYPE_CHECKING:
    import xarray as xr

#: Top-level packages whose callable objects belong to another adapter.
_FOREIGN_PACKAGES = frozenset({"pymc", "bambi", "isogmm", "cmdstanpy", "bridgestan", "pytensor"})
#: Modules of NumPyro whose callable objects (guides, samplers, distributions) are no models.
_NO_MODELS = ("numpyro.infer", "numpyro.distributions", "numpyro.optim")


class NumPyroAdapter(AbstractAdapter):
    """Makes targets of NumPyro models: callables with NumPyro statements."""

    name = "numpyro"

    def recognizes(self, model: object) -> bool:
        """Whether the object is a callable that belongs to no other adapter.

        Functions, methods, partial applications and models inside NumPyro's handlers are
        recognized. Classes and the objects of other modeling languages are not.
        """
        if not callable(model) or inspect.isclass(model) or _is_statement(model):
            return False
        packages = {base.__module__.split(".")[0] for base in type(model).__mro__}
        return not packages & _FOREIGN_PACKAGES and not _is_no_model(model)

    def what_to_pass(self, model: object) -> str | None:
        """What to pass in place of a sampler, a distribution or another object of NumPyro."""
        if _is_statement(model):
            return (
                f"cannot fit {getattr(model, '__name__', model)} of NumPyro: pass a function that "
                "contains it."
            )
        if not _is_no_model(model):
            return None
        kind = model if inspect.isclass(model) else type(model)
        name = kind.__qualname__
        if any(base.__module__.startswith(_NO_MODELS[1]) for base in kind.__mro__):
            return (
                f"cannot fit {name}, an object of numpyro.distributions: pass a model function, in "
                "which numpyro.sample draws from distributions."
            )
        inner = _model_inside(model)
        called = getattr(inner, "__name__", None)
        which = (
            f"from which it was made: fit_isogmm({called}, ...)" if called else "of your problem"
        )
        return (
            f"cannot fit {name}: pass the model function {which}, with its data after "
            "it. The fit has its own sampler and needs no guide; NumPyro's are in "
            "isogmm.baselines."
        )

    def to_target(
        self,
        model: object,
        args: tuple[object, ...],
        kwargs: Mapping[str, object],
        random_seed: int,
    ) -> Target:
        """The target of ``model(*args, **kwargs)``; see :func:`isogmm_numpyro._target.to_target`.

        Raises
        ------
        ModelError
            If the model cannot be fitted.
        MissingPackageError
            If NumPyro is not installed, or funsor for a model with discrete sites.
        """
        require("numpyro", extra="numpyro")
        from isogmm_numpyro._target import to_target

        assert callable(model), "the adapter recognizes callables only"
        return to_target(model, tuple(args), dict(kwargs), random_seed)

    def with_data(
        self, model: object, data: object, kwargs: Mapping[str, object]
    ) -> AbstractContextManager[tuple[tuple[object, ...], Mapping[str, object]]]:
        """The arguments of one data set; see ``AbstractAdapter.with_data``.

        Real numbers become arrays, so that data sets with other numbers share the compiled
        programs.
        """
        return super().with_data(model, _with_arrays(data), kwargs)

    def simulate(
        self,
        model: object,
        args: tuple[object, ...],
        kwargs: Mapping[str, object],
        random_seed: int,
        *,
        n: int = 1,
        posterior: "xr.Dataset | None" = None,
    ) -> Simulations:
        """Data simulated by ``Predictive``; see ``AbstractAdapter.simulate``.

        Raises
        ------
        ModelError
            If the model has no observed site, or a site from which nothing can be drawn.
        """
        require("numpyro", extra="numpyro")
        from isogmm_numpyro._simulate import simulate

        assert callable(model), "the adapter recognizes callables only"
        return simulate(model, args, dict(kwargs), random_seed, n=n, posterior=posterior)

    def baselines(self) -> Mapping[str, Callable[..., object]]:
        """NumPyro's own inference methods by name.

        Raises
        ------
        MissingPackageError
            If NumPyro is not installed.
        """
        require("numpyro", extra="numpyro")
        from isogmm_numpyro._inference.baselines import BASELINES

        return dict(BASELINES)


def _with_arrays(data: object) -> object:
    """The data with an array in place of each real number among the arguments."""
    import jax.numpy as jnp

    if isinstance(data, Mapping):
        return {name: _with_arrays(value) for name, value in data.items()}
    if isinstance(data, tuple):
        return tuple(map(_with_arrays, data)) if type(data) is tuple else data
    return jnp.asarray(data) if isinstance(data, float) else data


def _is_statement(model: object) -> bool:
    """Whether the object is a statement of NumPyro itself, such as ``numpyro.sample``."""
    is_named = inspect.isclass(model) or inspect.isroutine(model)
    return is_named and getattr(model, "__module__", None) == "numpyro.primitives"


def _is_no_model(model: object) -> bool:
    """Whether the object is a sampler, guide, distribution or optimizer of NumPyro."""
    kind = model if inspect.isclass(model) else type(model)
    return any(base.__module__.startswith(_NO_MODELS) for base in kind.__mro__)


def _model_inside(model: object) -> object:
    """The model function inside a sampler or a guide, or None."""
    if inspect.isclass(model):
        return None
    for name in ("model", "_model", "sampler", "kernel"):
        inner = getattr(model, name, None)
        if inner is not None:
            return _model_inside(inner) if _is_no_model(inner) else inner
    return None

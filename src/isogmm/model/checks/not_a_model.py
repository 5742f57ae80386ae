"""What to pass in place of an object that is no model."""

import inspect
import os
from collections.abc import Mapping

import jax
import numpy as np

#: Characters of a value that a message shows.
MAX_CHARACTERS = 60
#: Packages of Stan models.
STAN_PACKAGES = frozenset({"cmdstanpy", "bridgestan", "stan", "pystan", "httpstan"})
#: Packages of results and of data, by the top-level names of their types.
RESULT_PACKAGES = frozenset({"arviz", "arviz_base", "xarray", "datatree"})
DATA_PACKAGES = frozenset({"numpy", "pandas", "polars", "jax", "jaxlib", "torch", "pyarrow"})


def what_to_pass(model: object) -> str | None:
    """A message for a common mistake, or None for an object that is not known.

    Parameters
    ----------
    model
        What the user passed as the model; no adapter recognizes it.
    """
    packages = {base.__module__.partition(".")[0] for base in type(model).__mro__}
    if model is None:
        return (
            "no model was given and no PyMC context is open: pass the model, or call inside 'with "
            "model:'. A model function is passed itself, not the result of its call."
        )
    if isinstance(model, bool | int | float | np.number):
        count = model if isinstance(model, int) and not isinstance(model, bool) else 1000
        return (
            f"cannot fit the number {model}: the first argument is the model. Inside 'with model:' "
            f"leave the model out, and give a number of draws by name: fit_isogmm(draws={count})."
        )
    if inspect.ismodule(model):
        return f"cannot fit the module {model.__name__}: pass the model function that it defines."
    if "isogmm" in packages or getattr(model, "__module__", "").partition(".")[0] == "isogmm":
        name = getattr(model, "__name__", type(model).__name__)
        return (
            f"cannot fit {name}, an object of this library: pass the model first, and options by "
            "name. A mixture is passed as init=isogmm.initialization.GivenMixture(mixture), and "
            "rules, searches and refinements as method=, init= and refine=."
        )
    if inspect.isclass(model):
        return (
            f"cannot fit the class {model.__qualname__}: pass an instance, {model.__qualname__}"
            "(...), if that is a model, or a model function."
        )
    if _is_random(model):
        return "cannot fit a random key or generator: pass the model first, and random_seed=key."
    if isinstance(model, str | os.PathLike):
        text = str(model)[:MAX_CHARACTERS]
        return (
            f"cannot fit the text {text!r}: pass the model itself. A Stan model is fitted through "
            "BridgeStan, as an isogmm.LogDensity with value_and_grad=."
        )
    if packages & STAN_PACKAGES:
        return (
            f"cannot fit a Stan model ({type(model).__qualname__}) directly: pass "
            "isogmm.LogDensity(None, ..., value_and_grad=model.log_density_gradient), where model "
            "is a bridgestan.StanModel."
        )
    if packages & RESULT_PACKAGES:
        return (
            f"cannot fit a result or data set ({type(model).__qualname__}): pass the model first. "
            "To continue an earlier fit, pass its result as resume=."
        )
    if isinstance(model, list | tuple | Mapping):
        entries = list(model.values() if isinstance(model, Mapping) else model)
        names = [getattr(entry, "__name__", type(entry).__name__) for entry in entries]
        named = [name for name, entry in zip(names, entries, strict=True) if _may_be_model(entry)]
        if named:
            return (
                f"cannot fit a {type(model).__name__}: pass the model in it alone, and its data "
                f"after it: fit_isogmm({named[0]}, ...)."
            )
    if packages & DATA_PACKAGES or isinstance(model, list | tuple | set | Mapping | range):
        return (
            f"cannot fit data ({type(model).__qualname__}): the model comes first, and its data "
            "after it: fit_isogmm(model, x, y)."
        )
    return None


def _may_be_model(entry: object) -> bool:
    """Whether an entry of a container is a function or an object of a modeling language."""
    package = type(entry).__module__.partition(".")[0]
    return inspect.isroutine(entry) or package in {"pymc", "bambi", "isogmm"}


def _is_random(model: object) -> bool:
    """Whether the object is a key of JAX or a random number generator of NumPy."""
    if isinstance(model, np.random.Generator | np.random.RandomState | np.random.SeedSequence):
        return True
    if not isinstance(model, jax.Array):
        return False
    is_typed = jax.dtypes.issubdtype(model.dtype, jax.dtypes.prng_key)
    return bool(is_typed or (model.dtype == np.uint32 and model.shape == (2,)))

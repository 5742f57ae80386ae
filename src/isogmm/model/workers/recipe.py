"""A model as bytes, and the target that a worker builds from them once."""

import contextlib
import hashlib
import os
import pickle
import signal
import sys
import sysconfig
import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from multiprocessing import parent_process
from types import ModuleType

import cloudpickle
import jax
import numpy as np
from jaxtyping import Float

from isogmm.errors import OptionError
from isogmm.model.adapter import find_adapter, installed_adapters
from isogmm.model.functions.log_density import LogDensity
from isogmm.model.programs.precision import in_precision
from isogmm.model.target import BatchEvaluation, Target
from isogmm.model.to_target import to_target

#: Targets, and models, that a worker keeps.
MAX_KEPT = 4
#: Objects inside one another in which functions of the user are looked for.
MAX_DEPTH = 4


@dataclass(frozen=True)
class ModelRecipe:
    """What a worker needs to build a target.

    Parameters
    ----------
    key
        Names the target in the worker; computed from the content.
    x64
        Whether JAX has 64-bit floats in the process of the user.
    language, settings
        Name of the adapter and its settings; empty for a model without a language.
    model, arguments
        The pickled model, and its pickled ``(args, kwargs, seed)``.
    """

    key: str
    x64: bool
    language: str = ""
    settings: tuple[tuple[str, str], ...] = ()
    model: bytes = b""
    arguments: bytes = b""

    def without_model(self) -> "ModelRecipe":
        """The part that a worker needs that has the target already."""
        return replace(self, model=b"", arguments=b"")


def recipe_of(
    model: object, args: tuple[object, ...], kwargs: Mapping[str, object], seed: int
) -> ModelRecipe:
    """The recipe of a model.

    Raises
    ------
    OptionError
        If the model cannot be pickled.
    """
    language = ""
    settings: tuple[tuple[str, str], ...] = ()
    if not isinstance(model, Target | LogDensity):
        adapter = find_adapter(model)
        model, language = adapter.of_context(model), adapter.name
        settings = tuple(adapter.worker_settings().items())
    try:
        parts = [pickled(part) for part in (model, (args, dict(kwargs), seed))]
    except Exception as error:  # objects may raise any exception when they are pickled
        raise OptionError(
            f"executor= needs a model that can be sent to other processes, and {model!r} cannot "
            f"be pickled: {error}. Remove locks, open files and compiled functions from it, or use "
            "a ThreadPoolExecutor."
        ) from error
    x64 = bool(jax.config.jax_enable_x64)
    digest = hashlib.sha256(repr((x64, language, settings)).encode())
    for part in parts:
        digest.update(part)
    return ModelRecipe(digest.hexdigest(), x64, language, settings, *parts)


def pickled(part: object, parts: Iterable[object] = ()) -> bytes:
    """Bytes of an object; functions of the user's own files by value.

    Workers on other machines do not have these files.

    Parameters
    ----------
    part
        The object.
    parts
        Objects inside it that may hold such functions.
    """
    found = (module for inner in (part, *parts) for module in _modules(inner))
    modules = {module.__name__: module for module in found if _is_of_user(module)}
    with contextlib.ExitStack() as stack:
        for name, module in modules.items():
            if name not in cloudpickle.list_registry_pickle_by_value():
                cloudpickle.register_pickle_by_value(module)
                stack.callback(cloudpickle.unregister_pickle_by_value, module)
        return cloudpickle.dumps(part)


def _modules(part: object, depth: int = 0) -> Iterator[ModuleType]:
    """The modules that define an object, and the functions that it holds."""
    name = getattr(part, "__module__", None) or type(part).__module__
    if name in sys.modules:
        yield sys.modules[name]
    if depth < MAX_DEPTH:
        held = [getattr(part, attribute, None) for attribute in ("func", "__self__", "__wrapped__")]
        if name.partition(".")[0] == "isogmm":
            held += getattr(part, "__dict__", {}).values()
        for inner in held:
            if inner is not None:
                yield from _modules(inner, depth + 1)


def _is_of_user(module: ModuleType) -> bool:
    """Whether a module is neither part of Python nor of an installed package."""
    file = getattr(module, "__file__", None)
    if file is None or module.__name__.partition(".")[0].startswith("isogmm"):
        return False
    installed = {sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")}
    return not any(os.path.realpath(file).startswith(os.path.realpath(p)) for p in installed)


# --- in a worker ------------------------------------------------------------------------------

_lock = threading.Lock()
_targets: OrderedDict[str, Target] = OrderedDict()
_models: OrderedDict[str, object] = OrderedDict()


def register(key: str, target: Target) -> None:
    """Give the threads of this process the target that it has already."""
    with _lock:
        _targets[key] = target


def unregister(key: str) -> None:
    """Forget a registered target."""
    with _lock:
        _targets.pop(key, None)


def evaluate_rows(
    recipe: ModelRecipe, positions: Float[np.ndarray, "n d"]
) -> BatchEvaluation | None:
    """Log densities and gradients, row by row, in a worker; None if the worker needs the model."""
    with in_precision(recipe.x64):
        target = _target(recipe)
        if target is None:
            return None
        evaluate = target.evaluate_row or target.evaluate_point
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            results = [evaluate(position) for position in positions]
    values, gradients = zip(*results, strict=True)
    return np.array(values, dtype=np.float64), np.array(gradients, dtype=np.float64)


def _target(recipe: ModelRecipe) -> Target | None:
    """The target of a recipe, built at the first call; None if the recipe has no model."""
    with _lock:
        target = _targets.get(recipe.key)
        if target is None and recipe.arguments:
            target = _built(recipe)
            _keep(_targets, recipe.key, target)
        return target


def _built(recipe: ModelRecipe) -> Target:
    in_main_thread = threading.current_thread() is threading.main_thread()
    if parent_process() is not None and in_main_thread:
        # Ctrl-C in a terminal reaches all processes; the process of the user handles it.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    if recipe.language:
        installed_adapters()[recipe.language].apply_settings(dict(recipe.settings))
    # The same model with other data shares its compiled programs.
    name = hashlib.sha256(recipe.model).hexdigest()
    model = _models[name] if name in _models else pickle.loads(recipe.model)
    _keep(_models, name, model)
    args, kwargs, seed = pickle.loads(recipe.arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the process of the user has shown them
        target = to_target(model, args, kwargs, seed)
        # Traces the program now: modeling languages must not be traced by two threads.
        (target.evaluate_row or target.evaluate_point)(np.zeros(target.dim))
    return target


def _keep(kept: OrderedDict, name: str, value: object) -> None:
    """Store a value, and drop the oldest one where there are too many."""
    kept[name] = value
    kept.move_to_end(name)
    while len(kept) > MAX_KEPT:
        kept.popitem(last=False)

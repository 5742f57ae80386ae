"""How a modeling language meets the engine: the adapter contract and its discovery."""

import abc
import functools
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any

from isogmm.errors import ModelError, warn_user
from isogmm.model.target import Target

ENTRY_POINT_GROUP = "isogmm.adapters"


class AbstractAdapter(abc.ABC):
    """Turns the models of one language into targets.

    An adapter is published under the entry point group ``isogmm.adapters``; the object behind
    the entry point is the class, created without arguments.  The module that holds it must be
    cheap to import: the language itself is imported inside the methods.
    """

    #: Name of the language, as in the entry point and the extra.
    name: str

    @abc.abstractmethod
    def recognizes(self, model: Any) -> bool:
        """Whether this adapter can read the model; must not import the language to tell.

        ``model`` is None when the user passed none: a language with a model context answers
        whether one is open.
        """

    @abc.abstractmethod
    def to_target(
        self, model: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], random_seed: int
    ) -> Target:
        """The target of the model called with these arguments.

        The same model with arguments of the same shapes must give a target that shares the
        compiled programs of the first.

        Raises
        ------
        ModelError
            If the model cannot be fitted: the message names the site, the value and the remedy.
        """

    @abc.abstractmethod
    def baselines(self) -> Mapping[str, Callable[..., Any]]:
        """The language's own inference by name (``nuts``, ``advi``, ...), each
        ``f(model, *args, model_kwargs, random_seed, draws, chains, ...) -> InferenceData``.

        What is missing runs on the target's log density instead.  ``nuts_from``, where there is
        one, is ``f(model, *args, starts, covariance, model_kwargs, draws, tune, random_seed)``:
        one chain from each row of ``starts`` ``(chains, d)``, with ``covariance`` (``(d, d)`` or
        ``(d,)``) as inverse mass matrix, both in the flat coordinates of the target.
        """


@functools.cache
def installed_adapters() -> dict[str, AbstractAdapter]:
    """All adapters that could be loaded, by name; a broken one warns and is left out."""
    adapters = {}
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        try:
            adapters[entry_point.name] = entry_point.load()()
        except Exception as error:  # a stranger's package may raise anything
            warn_user(
                f"the isogmm adapter '{entry_point.name}' ({entry_point.value}) could not be "
                f"loaded and is ignored: {error!r}"
            )
    return adapters


def find_adapter(model: Any) -> AbstractAdapter:
    """The adapter that recognizes the model.

    Raises
    ------
    ModelError
        If none does: the message lists what is installed and what could be.
    """
    adapters = installed_adapters()
    # A bare callable could be anything: adapters that recognize more specific types go first.
    for name in sorted(adapters, key=lambda name: name == "numpyro"):
        if adapters[name].recognizes(model):
            return adapters[name]
    known = ", ".join(sorted(adapters)) or "none"
    raise ModelError(
        f"cannot fit an object of type {type(model).__module__}.{type(model).__qualname__}: no "
        f"installed adapter recognizes it (installed: {known}). Pass a NumPyro model function, a "
        "pm.Model, a bambi.Model or an isogmm.LogDensity; adapters come with "
        'pip install "isogmm[numpyro]", "isogmm[pymc]" or "isogmm[bambi]".'
    )

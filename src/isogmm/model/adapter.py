"""The interface that an adapter of a modeling language implements, and its discovery."""

import abc
import functools
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from isogmm.errors import ModelError, OptionError, how_to_install, warn_user
from isogmm.model.checks.not_a_model import what_to_pass
from isogmm.model.simulation import Simulations
from isogmm.model.target import Target

if TYPE_CHECKING:
    import xarray as xr

ENTRY_POINT_GROUP = "isogmm.adapters"


class AbstractAdapter(abc.ABC):
    """Makes targets of the models of one modeling language.

    An adapter is registered under the entry point group ``isogmm.adapters``.  The entry point
    names the class, which is created without arguments.  Its module must be cheap to import, so
    the methods import the language themselves.
    """

    #: Name of the language, as in the entry point and the extra.
    name: str

    @abc.abstractmethod
    def recognizes(self, model: object) -> bool:
        """Whether this adapter can read the model.

        The method must not import the language.  ``model`` is None if the user passed none; a
        language with a model context then returns whether such a context is open.
        """

    def what_to_pass(self, model: object) -> str | None:
        """A message for an object of the language that is no model, such as a sampler.

        The message says what to pass instead.  The default is None, for an object that the
        adapter does not know.  As :meth:`recognizes`, the method must not import the language.
        """
        return None

    @abc.abstractmethod
    def to_target(
        self,
        model: object,
        args: tuple[object, ...],
        kwargs: Mapping[str, object],
        random_seed: int,
    ) -> Target:
        """The target of the model called with these arguments.

        The same model with arguments of the same shapes must give targets that share their
        compiled programs.

        Raises
        ------
        ModelError
            If the model cannot be fitted; the message names the site, the value and the remedy.
        """

    @abc.abstractmethod
    def baselines(self) -> Mapping[str, Callable[..., Any]]:
        """The inference methods of the language by name (``nuts``, ``advi``, ...).

        Each is ``f(model, *args, model_kwargs, random_seed, draws, chains, ...) -> result``.  A
        method without an entry runs on the log density of the target.

        The optional entry ``nuts_from`` is
        ``f(model, *args, starts, covariance, model_kwargs, draws, tune, random_seed)``.  It runs
        one chain from each row of ``starts`` ``(chains, d)``, with ``covariance`` (``(d, d)`` or
        ``(d,)``) as the inverse mass matrix.  Both use the flat coordinates of the target.
        """

    def make_comparable(self, model: object) -> None:  # noqa: B027 (most languages need nothing)
        """Prepare the labels of a model for a comparison with those of a saved result.

        By default nothing is done.  A language overrides the method if its predictions compare
        labels and cannot do so for all types of labels.
        """

    def has_other_labels(self, model: object, coord: "xr.DataArray") -> bool:
        """Whether the language takes the labels of a dimension of a result for other labels.

        By default it does not.  A language overrides the method if its predictions compare labels.
        """
        return False

    def in_rows(self, model: object) -> tuple[object, Mapping[str, Any]] | None:
        """The model and its data for :func:`isogmm.fit_rows`, if the model contains them.

        By default None, for a model that gets its rows as arguments.  A language overrides the
        method if its models can contain minibatches.

        Raises
        ------
        ModelError
            If the data of the model are inconsistent.
        """
        return None

    def with_data(
        self, model: object, data: object, kwargs: Mapping[str, object]
    ) -> AbstractContextManager[tuple[tuple[object, ...], Mapping[str, object]]]:
        """A context in which the model has one data set of :func:`isogmm.fit_many`.

        The context yields the arguments of :meth:`to_target`.  By default a tuple has positional
        arguments, a mapping has keyword arguments, and any other object is the only argument.

        Parameters
        ----------
        model
            The model.
        data
            The data set.
        kwargs
            Keyword arguments that all data sets share.

        Raises
        ------
        OptionError
            If the model cannot take the data.
        """
        if isinstance(data, list):
            raise OptionError(
                "a data set of a model function must be a tuple of its positional arguments or a "
                f"dict of its keyword arguments, not a list of {len(data)}: write tuple(data), or "
                "(data,) if the list is one argument"
            )
        if isinstance(data, Mapping):
            return nullcontext(((), {**kwargs, **data}))
        return nullcontext((data if isinstance(data, tuple) else (data,), kwargs))

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
        """Data simulated from the model, for :func:`isogmm.calibrate`.

        Parameters
        ----------
        model, args, kwargs
            The model with data, which fix the shapes.
        random_seed
            Seed of the simulation.
        n
            Number of data sets, each simulated from its own draw of the prior.
        posterior
            Draws of the posterior ``(chain, draw, ...)``.  Then one data set is simulated from
            each draw, and the model to fit has the data of the user in addition to the simulated
            data.

        Raises
        ------
        ModelError
            If data cannot be simulated from the model.
        """
        raise ModelError(f"the adapter {self.name!r} cannot simulate data from its models")

    def of_context(self, model: object) -> object:
        """The model itself; for None, the model of the open context of the language."""
        return model

    def worker_settings(self) -> Mapping[str, str]:
        """Settings of the language that workers need to evaluate a model as this process does."""
        return {}

    def apply_settings(self, settings: Mapping[str, str]) -> None:  # noqa: B027 (most need nothing)
        """Apply :meth:`worker_settings` in a worker, before the model is unpickled there."""


@functools.cache
def installed_adapters() -> dict[str, AbstractAdapter]:
    """All installed adapters by name; one that cannot be loaded is skipped with a warning."""
    adapters = {}
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        try:
            adapters[entry_point.name] = entry_point.load()()
        except Exception as error:  # another package may raise any exception
            warn_user(
                f"the isogmm adapter '{entry_point.name}' ({entry_point.value}) could not be "
                f"loaded and is ignored: {error!r}"
            )
    return adapters


def find_adapter(model: object) -> AbstractAdapter:
    """The adapter that recognizes the model.

    Raises
    ------
    ModelError
        If no adapter does; the message says what to pass instead, or lists the adapters.
    """
    adapters = installed_adapters()
    # The NumPyro adapter recognizes any function, so the adapters of specific types come first.
    for name in sorted(adapters, key=lambda name: name == "numpyro"):
        if adapters[name].recognizes(model):
            return adapters[name]
    for explain in (*(adapter.what_to_pass for adapter in adapters.values()), what_to_pass):
        message = explain(model)
        if message is not None:
            raise ModelError(message)
    known = ", ".join(sorted(adapters)) or "none"
    raise ModelError(
        f"cannot fit an object of type {type(model).__module__}.{type(model).__qualname__}: no "
        f"installed adapter recognizes it (installed: {known}). Pass a NumPyro model function, a "
        "pm.Model, a bambi.Model or an isogmm.LogDensity. To install a modeling language, "
        f"{how_to_install('numpyro', 'pymc', 'bambi')}."
    )

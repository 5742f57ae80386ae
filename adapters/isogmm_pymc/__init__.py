"""The adapter for PyMC and Bambi models; importing this package imports neither."""

import contextlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import TYPE_CHECKING

from isogmm.errors import ModelError, OptionError, require
from isogmm.model.adapter import AbstractAdapter
from isogmm.model.simulation import Simulations
from isogmm.model.target import Target
from isogmm_pymc._languages import is_bambi, is_model_of

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

#: Characters of the user's arguments that an error message shows.
MAX_ARGUMENT_CHARACTERS = 200


class PyMCAdapter(AbstractAdapter):
    """Makes targets of ``pm.Model`` and ``bambi.Model`` objects.

    If no model is given, the target is that of the PyMC model whose context is open.
    """

    name = "pymc"

    def recognizes(self, model: object) -> bool:
        """Whether the object is a PyMC or a Bambi model.

        None stands for the model of an open context (``with pm.Model():``).
        """
        if model is None:
            # A context can only be open if PyMC has been imported.
            pymc = sys.modules.get("pymc")
            return (
                pymc is not None
                and hasattr(pymc, "modelcontext")
                and _context_model(pymc) is not None
            )
        return is_model_of(model, "pymc") or is_bambi(model)

    def what_to_pass(self, model: object) -> str | None:
        """What to pass in place of a variable, a sampler or a trace of PyMC."""
        if inspect.isclass(model) and any(base.__name__ == "Model" for base in model.__mro__):
            return None
        kind = model if inspect.isclass(model) else type(model)
        packages = {base.__module__.partition(".")[0] for base in kind.__mro__}
        if not packages & {"pymc", "pytensor", "bambi"}:
            return None
        name = kind.__qualname__
        if "pytensor" in packages:
            called = getattr(model, "name", None)
            return (
                f"cannot fit the variable {called!r} ({name}): pass the pm.Model that contains it, "
                "or call inside 'with model:' without a model."
            )
        return (
            f"cannot fit {name}: pass the pm.Model itself. The fit has its own sampler; "
            "PyMC's methods are in isogmm.baselines."
        )

    def to_target(
        self,
        model: object,
        args: tuple[object, ...],
        kwargs: Mapping[str, object],
        random_seed: int,
    ) -> Target:
        """The target of a model; see :func:`isogmm_pymc._target.to_target`.

        Raises
        ------
        ModelError
            If the model cannot be fitted, or if arguments are given: a PyMC model is an object
            that already contains its data.
        MissingPackageError
            If PyMC is not installed.
        """
        pymc = require("pymc", extra="pymc")
        if args or kwargs:
            given = ", ".join([*map(repr, args), *(f"{name}=" for name in kwargs)])
            raise ModelError(
                f"a PyMC model takes no arguments, but got {given[:MAX_ARGUMENT_CHARACTERS]}: it "
                "already contains its data. Put data that change into pm.Data and call pm.set_data "
                "before the fit."
            )
        if model is None:
            model = _context_model(pymc)
            if model is None:
                raise ModelError(
                    "no model was given and no PyMC context is open: pass the model, or call "
                    "inside 'with model:'"
                )
        if is_bambi(model):
            from isogmm_pymc._bambi import to_target
        else:
            from isogmm_pymc._target import to_target

        return to_target(model, random_seed)

    def in_rows(self, model: object) -> "tuple[object, Mapping[str, np.ndarray]] | None":
        """A copy of a model with ``pm.Minibatch`` whose rows are ``pm.Data``, and the rows.

        Raises
        ------
        ModelError
            If ``total_size`` is not the number of rows.
        """
        model = self.of_context(model)
        if is_bambi(model):
            return None
        from isogmm_pymc._data.minibatches import in_rows

        return in_rows(model)

    @contextlib.contextmanager
    def with_data(
        self, model: object, data: object, kwargs: Mapping[str, object]
    ) -> Iterator[tuple[tuple[object, ...], Mapping[str, object]]]:
        """A context in which the ``pm.Data`` of the model have the values of a data set.

        Raises
        ------
        OptionError
            If the data name something else than ``pm.Data``, or for a Bambi model.
        """
        if is_bambi(model):
            raise OptionError(
                "fit_many cannot put other data into a Bambi model. Write the model in PyMC with "
                "pm.Data, or fit one bambi.Model for each data set in a loop."
            )
        from isogmm_pymc._data.datasets import with_data

        with with_data(self.of_context(model), data):
            yield (), kwargs

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
        """Data simulated by PyMC's predictive functions; see ``AbstractAdapter.simulate``.

        Raises
        ------
        ModelError
            If the model has no observed variable, or one with missing values, or a potential.
        """
        require("pymc", extra="pymc")
        from isogmm_pymc._bambi import built_pymc_model
        from isogmm_pymc._data.simulate import simulate

        model = self.of_context(model)
        model = built_pymc_model(model) if is_bambi(model) else model
        return simulate(model, random_seed, n=n, posterior=posterior)

    def of_context(self, model: object) -> object:
        """The model; None stands for that of the open context."""
        return _context_model(require("pymc", extra="pymc")) if model is None else model

    def worker_settings(self) -> Mapping[str, str]:
        """The settings of PyTensor that decide how a model is evaluated."""
        from isogmm_pymc._programs.workers import worker_settings

        return worker_settings()

    def apply_settings(self, settings: Mapping[str, str]) -> None:
        """Apply these settings in a worker, with a compile directory of its own."""
        from isogmm_pymc._programs.workers import apply_settings

        apply_settings(settings)

    def baselines(self) -> Mapping[str, Callable[..., object]]:
        """PyMC's inference methods by name.

        These are ``nuts``, ``advi``, ``fullrank_advi``, ``svgd`` and ``nuts_from``.
        """
        require("pymc", extra="pymc")
        from isogmm_pymc._inference.baselines import BASELINES
        from isogmm_pymc._inference.nuts_from import nuts_from

        return {**BASELINES, "nuts_from": nuts_from}

    def make_comparable(self, model: object) -> None:
        """Prepare the labels of a model for PyMC's predictions from a saved result."""
        from isogmm_pymc._bambi import built_pymc_model
        from isogmm_pymc._labels import make_comparable

        make_comparable(built_pymc_model(model) if is_bambi(model) else model)

    def has_other_labels(self, model: object, coord: "xr.DataArray") -> bool:
        """Whether PyMC takes the labels of a dimension of a result for other labels."""
        from isogmm_pymc._bambi import built_pymc_model
        from isogmm_pymc._labels import has_other_labels

        return has_other_labels(built_pymc_model(model) if is_bambi(model) else model, coord)


def _context_model(pymc: ModuleType) -> object:
    """The PyMC model of the open context, or None."""
    try:
        return pymc.modelcontext(None)
    except TypeError:  # PyMC raises this if no context is open
        return None

"""The PyMC adapter of isogmm, for Bambi models too; importing it imports neither."""

import sys
from collections.abc import Callable, Mapping
from typing import Any

from isogmm.errors import ModelError, require
from isogmm.model.adapter import AbstractAdapter
from isogmm.model.target import Target


class PyMCAdapter(AbstractAdapter):
    """Fits ``pm.Model`` and ``bambi.Model`` objects, and the PyMC model of an open context."""

    name = "pymc"

    def recognizes(self, model: Any) -> bool:
        """Whether the object is a PyMC or a Bambi model.

        None stands for the model of the context that is open (``with pm.Model():``), which
        only a process that has imported PyMC can have.
        """
        if model is None:
            pymc = sys.modules.get("pymc")
            return hasattr(pymc, "modelcontext") and _context_model(pymc) is not None
        return any(
            base.__name__ == "Model" and base.__module__.split(".")[0] in ("pymc", "bambi")
            for base in type(model).__mro__
        )

    def to_target(
        self, model: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], random_seed: int
    ) -> Target:
        """The target of a model; see :func:`isogmm_pymc._target.to_target`.

        Raises
        ------
        ModelError
            If the model cannot be fitted, or if arguments are given: a PyMC model is an object
            that already holds its data.
        MissingPackageError
            If PyMC is not installed.
        """
        pymc = require("pymc", extra="pymc")
        if args or kwargs:
            given = [*map(repr, args), *(f"{name}=" for name in kwargs)]
            raise ModelError(
                f"a PyMC model takes no arguments, but got {', '.join(given)[:200]}: it already "
                "holds its data. Put what changes into pm.Data and call pm.set_data before the fit."
            )
        if model is None:
            model = _context_model(pymc)
            if model is None:
                raise ModelError(
                    "no model was given and no PyMC context is open: pass the model, or call "
                    "inside 'with model:'"
                )
        if type(model).__module__.split(".")[0] == "bambi":
            from isogmm_pymc._bambi import to_target
        else:
            from isogmm_pymc._target import to_target

        return to_target(model, random_seed)

    def baselines(self) -> Mapping[str, Callable[..., Any]]:
        """PyMC's own inference by name: ``nuts``, ``advi``, ``fullrank_advi``, ``svgd``."""
        require("pymc", extra="pymc")
        from isogmm_pymc._baselines import BASELINES
        from isogmm_pymc._nuts_from import nuts_from

        return {**BASELINES, "nuts_from": nuts_from}


def _context_model(pymc: Any) -> Any:
    try:
        return pymc.modelcontext(None)
    except TypeError:  # what PyMC raises where no context is open
        return None

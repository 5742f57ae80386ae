"""The NumPyro adapter of isogmm; importing it does not import NumPyro."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from isogmm.errors import require
from isogmm.model.adapter import AbstractAdapter
from isogmm.model.target import Target

#: Top-level packages whose callable objects belong to another adapter.
_FOREIGN_PACKAGES = frozenset({"pymc", "bambi", "isogmm", "cmdstanpy", "bridgestan"})


class NumPyroAdapter(AbstractAdapter):
    """Fits NumPyro models: any callable that holds NumPyro statements."""

    name = "numpyro"

    def recognizes(self, model: Any) -> bool:
        """Whether the object is a callable that no other adapter claims.

        Functions, methods, partial applications and models wrapped in NumPyro's handlers are
        all plain callables; classes are not, nor are the objects of other modeling languages.
        """
        if not callable(model) or inspect.isclass(model):
            return False
        packages = {base.__module__.split(".")[0] for base in type(model).__mro__}
        return not packages & _FOREIGN_PACKAGES

    def to_target(
        self, model: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], random_seed: int
    ) -> Target:
        """The target of ``model(*args, **kwargs)``; see :func:`isogmm_numpyro._target.to_target`.

        Raises
        ------
        ModelError
            If the model cannot be fitted.
        MissingPackageError
            If NumPyro is not installed, or funsor where discrete sites are to be summed out.
        """
        require("numpyro", extra="numpyro")
        from isogmm_numpyro._target import to_target

        return to_target(model, tuple(args), dict(kwargs), random_seed)

    def baselines(self) -> Mapping[str, Callable[..., Any]]:
        """NumPyro's own inference by name."""
        require("numpyro", extra="numpyro")
        from isogmm_numpyro._baselines import BASELINES
        from isogmm_numpyro._nuts_from import nuts_from

        return {**BASELINES, "nuts_from": nuts_from}

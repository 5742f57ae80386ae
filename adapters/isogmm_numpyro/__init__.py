"""The NumPyro adapter of isogmm. Its import does not import NumPyro."""

import inspect
from collections.abc import Callable, Mapping

from isogmm.errors import require
from isogmm.model.adapter import AbstractAdapter
from isogmm.model.target import Target

#: Top-level packages whose callable objects belong to another adapter.
_FOREIGN_PACKAGES = frozenset({"pymc", "bambi", "isogmm", "cmdstanpy", "bridgestan"})


class NumPyroAdapter(AbstractAdapter):
    """Makes targets of NumPyro models: callables with NumPyro statements."""

    name = "numpyro"

    def recognizes(self, model: object) -> bool:
        """Whether the object is a callable that belongs to no other adapter.

        Functions, methods, partial applications and models inside NumPyro's handlers are
        recognized. Classes and the objects of other modeling languages are not.
        """
        if not callable(model) or inspect.isclass(model):
            return False
        packages = {base.__module__.split(".")[0] for base in type(model).__mro__}
        return not packages & _FOREIGN_PACKAGES

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

    def baselines(self) -> Mapping[str, Callable[..., object]]:
        """NumPyro's own inference methods by name.

        Raises
        ------
        MissingPackageError
            If NumPyro is not installed.
        """
        require("numpyro", extra="numpyro")
        from isogmm_numpyro._baselines import BASELINES

        return dict(BASELINES)

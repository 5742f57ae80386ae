"""The target of any object that can be fitted."""

from collections.abc import Mapping

from isogmm.errors import OptionError
from isogmm.model.adapter import find_adapter
from isogmm.model.functions.log_density import LogDensity
from isogmm.model.programs.tracing import TRACING
from isogmm.model.target import Target


def to_target(
    model: object,
    model_args: tuple[object, ...],
    model_kwargs: Mapping[str, object],
    seed: int,
) -> Target:
    """The target of a model of any kind.

    Parameters
    ----------
    model
        A :class:`Target`, a :class:`LogDensity` or a model that an adapter recognizes.
    model_args, model_kwargs
        Arguments of the model.
    seed
        Seed of the fit, for models with random initial values.

    Raises
    ------
    ModelError
        If no adapter recognizes the model, or it cannot be fitted.
    OptionError
        If a Target or a LogDensity is given arguments.
    """
    if isinstance(model, Target | LogDensity):
        if model_args or model_kwargs:
            raise OptionError(
                f"a {type(model).__name__} takes no arguments; got {len(model_args)} positional "
                f"and the keywords {sorted(model_kwargs)}"
            )
        return model if isinstance(model, Target) else model.to_target(seed)
    with TRACING:
        return find_adapter(model).to_target(model, model_args, model_kwargs, seed)

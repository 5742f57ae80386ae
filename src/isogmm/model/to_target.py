"""The target of anything that can be fitted."""

from collections.abc import Mapping
from typing import Any

from isogmm.errors import OptionError
from isogmm.model.adapter import find_adapter
from isogmm.model.log_density import LogDensity
from isogmm.model.target import Target


def to_target(
    model: Any, model_args: tuple[Any, ...], model_kwargs: Mapping[str, Any], seed: int
) -> Target:
    """The target of anything that can be fitted."""
    if isinstance(model, Target | LogDensity):
        if model_args or model_kwargs:
            raise OptionError(
                f"a {type(model).__name__} takes no arguments; got {len(model_args)} positional "
                f"and the keywords {sorted(model_kwargs)}"
            )
        return model if isinstance(model, Target) else model.to_target(seed)
    return find_adapter(model).to_target(model, model_args, model_kwargs, seed)

"""The functions of a LogDensity that compute variables and the log likelihood."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from jaxtyping import PyTree

from isogmm.errors import ModelError


@dataclass(frozen=True)
class GeneratedQuantities:
    """Arrays by name that a user's functions compute at one position.

    Parameters
    ----------
    constrain, log_likelihood
        ``(position, *arguments) -> {name: array}``; None for no arrays.
    """

    constrain: Callable[..., object] | None
    log_likelihood: Callable[..., object] | None

    def __call__(
        self, point: PyTree, arguments: tuple[PyTree, ...]
    ) -> dict[str, dict[str, PyTree]]:
        """The arrays of the groups posterior and log_likelihood.

        Raises
        ------
        ModelError
            If a function does not return a mapping.
        """
        functions = {"constrain": self.constrain, "log_likelihood": self.log_likelihood}
        results: dict[str, dict[str, PyTree]] = {}
        for name, function in functions.items():
            result = {} if function is None else function(point, *arguments)
            if not isinstance(result, Mapping):
                raise ModelError(
                    f"{name} must return a dict from name to array, not {type(result).__name__}"
                )
            results[name] = dict(result)
        return {
            "posterior": results["constrain"],
            "log_likelihood": results["log_likelihood"],
        }

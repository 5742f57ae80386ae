"""Types of the values that NumPyro and this adapter exchange."""

from collections.abc import Callable
from typing import Any, TypeAlias, TypedDict

from isogmm.arrays import Array

#: A NumPyro model. Inference uses its statements, not its return value.
Model: TypeAlias = Callable[..., object]
#: NumPyro's record of one statement. The type of an entry depends on its key.
Message: TypeAlias = dict[str, Any]
#: The records of all statements by name.
Trace: TypeAlias = dict[str, Message]


class Data(TypedDict):
    """Inputs of the compiled programs of a model.

    Parameters
    ----------
    arrays
        The arrays among the arguments of the model.
    params
        Values of ``param`` and ``mutable`` sites by name; each is a pytree of arrays.
    """

    arrays: list[Array]
    params: dict[str, object]

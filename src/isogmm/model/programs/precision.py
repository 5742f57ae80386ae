"""A context for the floating-point precision of JAX."""

import contextlib

import jax
import jax.experimental


def in_precision(x64: bool | None) -> contextlib.AbstractContextManager:
    """A context in which JAX computes with 64-bit floats or without them.

    The global switch is unchanged afterwards.

    Parameters
    ----------
    x64
        Whether 64-bit floats are enabled; None leaves the precision as it is.
    """
    if x64 is None:
        return contextlib.nullcontext()
    # Before JAX 0.8 this context was part of jax.experimental.
    module = jax if hasattr(jax, "enable_x64") else jax.experimental
    return module.enable_x64(x64)

"""The precision of JAX for a while, under either of its names."""

import contextlib
import importlib


def in_precision(x64: bool | None) -> contextlib.AbstractContextManager:
    """A context in which JAX computes with 64-bit floats or does not; None changes nothing.

    The global switch stays as it is.  Before JAX 0.8 the context was an experimental feature.
    """
    if x64 is None:
        return contextlib.nullcontext()
    jax = importlib.import_module("jax")
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(x64)
    return importlib.import_module("jax.experimental").enable_x64(x64)

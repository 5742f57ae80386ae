"""Copies of models.  PyMC cannot copy initial values, and dimensions of which some have no name."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pymc as pm


@contextmanager
def copyable(model: pm.Model) -> Iterator[None]:
    """A context in which PyMC can copy the model: it lacks what PyMC cannot copy."""
    initial_values, dims = dict(model.rvs_to_initial_values), _unnamed_dims(model)
    try:
        model.rvs_to_initial_values.update(dict.fromkeys(initial_values))
        for name in dims:
            del model.named_vars_to_dims[name]
        yield
    finally:
        model.rvs_to_initial_values.update(initial_values)
        model.named_vars_to_dims.update(dims)


def copied(model: pm.Model, make: Callable[[pm.Model], pm.Model]) -> pm.Model:
    """The copy that a function makes, with the initial values and the dimensions of the model."""
    with copyable(model):
        copy = make(model)
    for variable, value in model.rvs_to_initial_values.items():
        copy.rvs_to_initial_values[copy[variable.name]] = value
    copy.named_vars_to_dims.update(_unnamed_dims(model))
    return copy


def _unnamed_dims(model: pm.Model) -> dict[str, tuple[str | None, ...]]:
    """The dimensions of variables, by name, of which some have no name."""
    return {name: dims for name, dims in model.named_vars_to_dims.items() if None in dims}

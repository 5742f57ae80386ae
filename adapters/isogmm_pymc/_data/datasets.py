"""One data set after another in the ``pm.Data`` of a model."""

import contextlib
from collections.abc import Iterator, Mapping

import pymc as pm

from isogmm.errors import OptionError


@contextlib.contextmanager
def with_data(model: pm.Model, data: object) -> Iterator[None]:
    """A context in which ``pm.Data`` have these values; afterwards they have the old ones.

    Parameters
    ----------
    model
        The model.
    data
        Values by name, or a pair of these and the labels of dimensions.

    Raises
    ------
    OptionError
        If the data are no mapping, or name something else than ``pm.Data``.
    """
    values, coords = data if isinstance(data, tuple) and len(data) == 2 else (data, {})
    known = [variable.name for variable in model.data_vars]
    if not isinstance(values, Mapping) or not isinstance(coords, Mapping):
        raise OptionError(
            "a data set of a PyMC model must be a dict from names of pm.Data to values, or a pair "
            f"of such a dict and the coords, not {type(data).__name__}. The pm.Data of this model: "
            f"{known}"
        )
    unknown = [name for name in values if name not in known]
    if unknown:
        raise OptionError(
            f"the PyMC model has no pm.Data with the names {unknown}; it has {known}. Declare "
            "y = pm.Data('y', values) in the model and pass observed=y."
        )
    old = {name: model[name].get_value() for name in values}
    labels = {dim: model.coords[dim] for dim in coords if dim in model.coords}
    try:
        pm.set_data(dict(values), model=model, coords=dict(coords))
        yield
    finally:
        pm.set_data(old, model=model, coords=labels)

"""A model with one data set among several."""

import contextlib
from collections.abc import Iterator, Mapping

from isogmm.errors import OptionError
from isogmm.model.adapter import find_adapter
from isogmm.model.functions.log_density import LogDensity
from isogmm.model.target import Target

#: A model with the positional and keyword arguments that contain one data set.
Call = tuple[object, tuple[object, ...], Mapping[str, object]]


@contextlib.contextmanager
def bound(model: object, data: object, kwargs: Mapping[str, object]) -> Iterator[Call]:
    """The model with one data set.

    Parameters
    ----------
    model
        The model.
    data
        The data set.
    kwargs
        Keyword arguments that all data sets share.

    Raises
    ------
    OptionError
        If the model cannot take the data.
    """
    if isinstance(model, Target):
        raise OptionError(
            "a Target contains its data: pass an isogmm.LogDensity with data=, a NumPyro model, "
            "or a PyMC model with pm.Data"
        )
    if isinstance(model, LogDensity):
        if model.data is None:
            raise OptionError(
                "this LogDensity has no data that could be replaced: write fn(position, data) and "
                "pass data= with the first data set"
            )
        yield model.with_data(data), (), kwargs
        return
    with find_adapter(model).with_data(model, data, kwargs) as (args, keywords):
        yield model, args, keywords

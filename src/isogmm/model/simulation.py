"""Data that a model simulates, and the model that is fitted to them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Simulations:
    """Simulated data, with the parameters from which they were simulated.

    Parameters
    ----------
    model
        The model to fit: a model of the language, whose data sets are ``datasets``.
    datasets
        The data sets, as :func:`isogmm.fit_many` takes them.
    model_kwargs
        Arguments of the model that all data sets share.
    truth
        Values ``(n, ...)`` of the variables from which the data were simulated, by name.
    """

    model: object
    datasets: list[Mapping[str, object]]
    model_kwargs: Mapping[str, object]
    truth: Mapping[str, np.ndarray]

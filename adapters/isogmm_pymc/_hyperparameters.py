"""``pm.Data`` as hyperparameters that can be maximized."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from isogmm.errors import OptionError
from isogmm.model.target import Hyperparameters
from isogmm_pymc._graphs import ModelGraphs
from isogmm_pymc._programs import PyMCPrograms

SUPPORTS = ("real", "positive")


def hyperparameters(
    programs: PyMCPrograms, graphs: ModelGraphs, data: list[np.ndarray], maximize: Any
) -> Hyperparameters:
    """The named ``pm.Data`` of a model.

    Parameters
    ----------
    programs, graphs, data
        The compiled model and the data it holds now.
    maximize
        Names, each on the real line, or names with their support: ``{"tau": "positive"}``.

    Raises
    ------
    OptionError
        If no names are given, a name is not that of ``pm.Data`` with floating-point values, a
        support is unknown, or a value lies outside it.
    """
    positions = {
        shared.name: index
        for index, shared in enumerate(graphs.data)
        if np.asarray(data[index]).dtype.kind == "f"
    }
    supports = (
        dict(maximize)
        if isinstance(maximize, Mapping)
        else dict.fromkeys([] if maximize is None else maximize, "real")
    )
    unknown = [name for name in supports if name not in positions]
    if unknown or not supports:
        raise OptionError(
            f"maximize= names {unknown or 'nothing'}; the model has the floating-point pm.Data "
            f"{sorted(positions)}"
        )
    for name, support in supports.items():
        if support not in SUPPORTS:
            raise OptionError(
                f"maximize= gives {name!r} the support {support!r}: one of {SUPPORTS}"
            )
        if support == "positive" and not np.all(data[positions[name]] > 0):
            raise OptionError(f"{name!r} is not positive now: {data[positions[name]]}")

    def to_support(reals: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: jax.numpy.exp(value) if supports[name] == "positive" else value
            for name, value in reals.items()
        }

    def data_with(new: Mapping[str, Any]) -> list[Any]:
        whole: list[Any] = list(data)
        for name, value in new.items():
            whole[positions[name]] = jax.numpy.asarray(value, data[positions[name]].dtype)
        return whole

    values = {name: np.asarray(data[positions[name]], np.float64) for name in supports}
    return Hyperparameters(
        values=values,
        unconstrained={
            name: np.asarray(np.log(value)) if supports[name] == "positive" else value
            for name, value in values.items()
        },
        to_support=to_support,
        log_density=lambda position, new: programs.jax.log_density(position, data_with(new)),
        bind=lambda new: {**programs.bind(data_with(new)), "hyperparameters": None},
    )

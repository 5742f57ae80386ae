"""``numpyro.param`` sites as hyperparameters that can be maximized."""

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import numpy as np
from numpyro import handlers
from numpyro.distributions import biject_to, constraints
from numpyro.distributions.constraints import Constraint
from numpyro.distributions.transforms import Transform

from isogmm.arrays import Array
from isogmm.errors import OptionError
from isogmm.model.jax_target import JaxPrograms
from isogmm.model.target import Hyperparameters, Maximize, ModelFields
from isogmm_numpyro._reading.read import ReadModel, keep_alive
from isogmm_numpyro._statements.prepare import prepare_at_origin
from isogmm_numpyro._types import Data, Model


def hyperparameters(
    model: Model, read: ReadModel, programs: JaxPrograms, maximize: Maximize
) -> Hyperparameters:
    """The ``param`` sites of a model, with the transforms of their constraints.

    Parameters
    ----------
    model
        The model.
    read
        Its sites and values.
    programs
        Its compiled programs.
    maximize
        Names of ``param`` sites; None selects all.

    Raises
    ------
    OptionError
        If a name is not that of a ``param`` site, or the model has no ``param`` site.
    """
    constraint_of = _constraints(model, read)
    names = list(constraint_of) if maximize is None else list(maximize)
    unknown = [name for name in names if name not in constraint_of]
    if unknown or not names:
        raise OptionError(
            f"maximize= names {unknown or names}; the model has the param sites "
            f"{sorted(constraint_of)}: declare one with numpyro.param(name, value, "
            "constraint=...)"
        )
    if isinstance(maximize, Mapping):
        raise OptionError("a param site declares its constraint itself: give maximize= as a list")
    transforms = {name: biject_to(constraint_of[name]) for name in names}
    values = {name: np.asarray(read.values.params[name], np.float64) for name in names}
    sites = _ParamSites(model, read, programs, transforms)
    return Hyperparameters(
        values=values,
        unconstrained={
            name: np.asarray(transforms[name].inv(values[name]), np.float64) for name in names
        },
        to_support=sites.to_support,
        log_density=sites.log_density,
        bind=sites.bind,
    )


@dataclass(frozen=True)
class _ParamSites:
    """The functions of :class:`isogmm.model.target.Hyperparameters`.

    Parameters
    ----------
    model, read, programs
        The model, its sites and values, and its compiled programs.
    transforms
        Transforms from the real line to the supports.
    """

    model: Model
    read: ReadModel
    programs: JaxPrograms
    transforms: Mapping[str, Transform]

    def to_support(self, reals: Mapping[str, Array]) -> dict[str, Array]:
        return {name: self.transforms[name](value) for name, value in reals.items()}

    def log_density(self, position: Array, new: Mapping[str, Array]) -> Array:
        return self.programs.log_density(position, self._data_with(new))

    def bind(self, new: Mapping[str, np.ndarray]) -> ModelFields:
        fields = keep_alive(self.programs.bind(self._data_with(new)), self.model)
        return {**fields, "hyperparameters": None}

    def _data_with(self, new: Mapping[str, Array]) -> Data:
        """The inputs of the programs with new values of the ``param`` sites."""
        known = self.read.values.params
        given = {
            name: jax.numpy.asarray(value, jax.numpy.result_type(known[name]))
            for name, value in new.items()
        }
        return {"arrays": self.read.arguments.arrays, "params": {**known, **given}}


def _constraints(model: Model, read: ReadModel) -> dict[str, Constraint]:
    """The constraint of each ``param`` site, from one run of the model."""
    args, kwargs = read.arguments.restore(read.arguments.arrays)
    prepared = prepare_at_origin(model, full_plates=read.full_plates)
    trace = handlers.trace(prepared).get_trace(*args, **kwargs)
    return {
        name: site["kwargs"].get("constraint", constraints.real)
        for name, site in trace.items()
        if site["type"] == "param" and name in read.values.params
    }

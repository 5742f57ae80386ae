"""PyMC's NUTS with given starting points and a given mass matrix."""

import functools
from collections.abc import Mapping

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from jaxtyping import Float

from isogmm.arrays import split
from isogmm.results.groups import Result
from isogmm_pymc._data.minibatches import on_full_data
from isogmm_pymc._inference.baselines import nuts
from isogmm_pymc._inference.results import pymc_model_of
from isogmm_pymc._languages import BambiModel, is_bambi


def nuts_from(
    model: pm.Model | BambiModel | None = None,
    *,
    starts: Float[np.ndarray, "c d"],
    covariance: Float[np.ndarray, "d d"] | Float[np.ndarray, "d"],
    model_kwargs: Mapping[str, object] | None = None,
    draws: int = 1000,
    tune: int = 100,
    random_seed: int = 0,
) -> Result:
    """One NUTS chain from each starting point.

    The warm-up adapts the step size and keeps the mass matrix.

    Parameters
    ----------
    model, model_kwargs
        The model.  A PyMC model takes no arguments.
    starts
        Starting points, ``(chains, d)``, in the flat unconstrained coordinates of the model's
        target.
    covariance
        The inverse mass matrix in the same coordinates, ``(d, d)`` or its diagonal ``(d,)``.
    draws, tune, random_seed
        As for :func:`isogmm_pymc._inference.baselines.nuts`.
    """
    pymc_model = on_full_data(pymc_model_of(model, model_kwargs))
    point = pymc_model.initial_point()
    shapes = [np.shape(point[value.name]) for value in pymc_model.value_vars]
    initial_values = [
        {
            # Some transforms of PyMC (zero sums, Cholesky factors) require tensors.
            value.name: pt.constant(part, dtype=value.type.dtype)
            for value, part in zip(pymc_model.value_vars, split(start, shapes), strict=True)
        }
        for start in starts
    ]
    with pymc_model:
        step = pm.NUTS(scaling=np.asarray(covariance), is_cov=True)
    # Bambi passes the name of the sampler itself.
    run = nuts if is_bambi(model) else functools.partial(nuts, nuts_sampler="pymc")
    return run(
        model if is_bambi(model) else pymc_model,
        random_seed=random_seed,
        draws=draws,
        chains=len(starts),
        tune=tune,
        step=step,
        initvals=initial_values,
        cores=1,
        compute_convergence_checks=False,
    )

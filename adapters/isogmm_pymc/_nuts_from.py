"""PyMC's NUTS with given starts and a given mass matrix."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from isogmm_pymc._baselines import _is_bambi, _pymc_model, nuts
from isogmm_pymc._minibatches import on_all_data


def nuts_from(
    model: Any = None,
    *,
    starts: np.ndarray,
    covariance: np.ndarray,
    model_kwargs: Mapping[str, Any] | None = None,
    draws: int = 1000,
    tune: int = 100,
    random_seed: int = 0,
) -> Any:
    """One chain from each start, step size adapted, mass matrix kept.

    Parameters
    ----------
    model, model_kwargs
        The model; a PyMC model takes no arguments.
    starts
        ``(chains, d)``, in the flat unconstrained coordinates of the model's target.
    covariance
        The inverse mass matrix in the same coordinates, ``(d, d)`` or its diagonal ``(d,)``.
    draws, tune, random_seed
        As for :func:`isogmm_pymc._baselines.nuts`.
    """
    pymc_model = on_all_data(_pymc_model(model, model_kwargs))
    point = pymc_model.initial_point()
    initial = []
    for start in starts:
        values, begin = {}, 0
        for value in pymc_model.value_vars:
            shape = np.shape(point[value.name])
            size = int(np.prod(shape))
            # Transforms of PyMC (sums of zero, Cholesky factors) want tensors.
            values[value.name] = pt.constant(
                start[begin : begin + size].reshape(shape), dtype=value.type.dtype
            )
            begin += size
        initial.append(values)
    # Bambi names the sampler itself.
    is_bambi = _is_bambi(model)
    sampler: dict[str, Any] = {} if is_bambi else {"nuts_sampler": "pymc"}
    with pymc_model:
        step = pm.NUTS(scaling=np.asarray(covariance), is_cov=True)
    return nuts(
        model if is_bambi else pymc_model,
        random_seed=random_seed,
        draws=draws,
        chains=len(starts),
        tune=tune,
        step=step,
        initvals=initial,
        cores=1,
        compute_convergence_checks=False,
        **sampler,
    )

"""NumPyro's NUTS with given starts and a given mass matrix."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from isogmm_numpyro._baselines import nuts
from isogmm_numpyro._target import read_model


def nuts_from(
    model: Callable[..., Any],
    *model_args: Any,
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
    model, *model_args, model_kwargs
        The model.
    starts
        ``(chains, d)``, in the flat unconstrained coordinates of the model's target.
    covariance
        The inverse mass matrix in the same coordinates, ``(d, d)`` or its diagonal ``(d,)``.
    draws, tune, random_seed
        As for :func:`isogmm_numpyro._baselines.nuts`.
    """
    shapes = read_model(model, model_args, dict(model_kwargs or {})).sites.shapes
    parts, columns, begin = {}, {}, 0
    chains = len(starts)
    for name, shape in shapes.items():
        size = int(np.prod(shape))
        columns[name] = np.arange(begin, begin + size)
        part = starts[:, begin : begin + size].reshape(chains, *shape)
        parts[name] = part if chains > 1 else part[0]
        begin += size
    # NumPyro flattens its dictionary of sites in the order of their names.
    order = np.concatenate([columns[name] for name in sorted(columns)])
    dense = covariance.ndim == 2
    return nuts(
        model,
        *model_args,
        model_kwargs=model_kwargs,
        random_seed=random_seed,
        draws=draws,
        chains=chains,
        tune=tune,
        init_params=parts,
        inverse_mass_matrix=covariance[np.ix_(order, order)] if dense else covariance[order],
        dense_mass=dense,
        adapt_mass_matrix=False,
        step_size=0.5,
    )

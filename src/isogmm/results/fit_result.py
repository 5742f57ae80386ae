"""What a fit leaves behind, before it becomes an ArviZ object."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from isogmm.model.target import Target


@dataclass(kw_only=True)
class FitResult:
    """Everything that :mod:`isogmm.inference_data` turns into groups and attributes.

    Axes: c chains, n draws, k components, d flat unconstrained coordinates.

    Parameters
    ----------
    target
        The target of the model.
    mixture
        Batched over chains; its affine map is shared by the chains.
    positions
        The delivered draws, unconstrained.
    log_density, log_q
        log joint and log mixture density (of the chain's own mixture) at the draws.
    log_weights
        Pareto smoothed importance weights of the draws, normalized over all of them.
    components, modes
        Which component each draw came from, and which mode it belongs to.
    history
        For ``fit_stats``: name to (checks,) or (checks, chains) arrays.
    tables
        Further entries of the group ``fit``: name to (dimension names, array), for instance
        the masses of the modes or the drift of each coordinate.
    attributes
        Attributes of the result: strings and numbers only.
    """

    target: Target
    mixture: Any
    positions: Float[np.ndarray, "c n d"]
    log_density: Float[np.ndarray, "c n"]
    log_q: Float[np.ndarray, "c n"]
    log_weights: Float[np.ndarray, "c n"]
    components: Int[np.ndarray, "c n"]
    modes: Int[np.ndarray, "c n"]
    history: Mapping[str, np.ndarray] = field(default_factory=dict)
    tables: Mapping[str, tuple[tuple[str, ...], np.ndarray]] = field(default_factory=dict)
    attributes: Mapping[str, str | int | float] = field(default_factory=dict)

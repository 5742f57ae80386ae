"""The result of a fit before it becomes an ArviZ object."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from isogmm.model.target import Groups, Target

#: Attributes of a result, which every file format takes.
Attributes: TypeAlias = dict[str, str | int | float]
#: Entries of the group ``fit``: name to (dimension names, array).
Tables: TypeAlias = dict[str, tuple[tuple[str, ...], np.ndarray]]


@runtime_checkable
class StoredMixture(Protocol):
    """The methods of a mixture that a result needs."""

    def tables(self) -> Tables:
        """The arrays of the mixture with their dimension names, one set for each chain."""

    def labels(self) -> dict[str, str]:
        """Attributes of the group ``fit`` that say how to read the arrays."""


@dataclass(kw_only=True)
class FitResult:
    """Everything that :mod:`isogmm.inference_data` turns into groups and attributes.

    Axes: c chains, n draws, k components, d flat unconstrained coordinates.

    Parameters
    ----------
    target
        The target of the model.
    mixture
        The mixture of every chain.
    positions
        The delivered draws, unconstrained.
    log_density, log_q
        log joint density, and log density of the mixture of the same chain, at the draws.
    log_weights
        Pareto smoothed importance weights of the draws, normalized over all of them, or None.
    components, modes
        The component that each draw came from, and its mode, or None.
    history
        For ``fit_stats``: name to (checks,) or (checks, chains) arrays.
    tables
        Further entries of the group ``fit``, for instance the masses of the modes.
    constrained
        The groups of ``target.constrain`` for the draws, where they are known already, or None.
    attributes
        Attributes of the result.
    group_defaults
        Whether optional groups (``log_likelihood``, ``log_prior``, ``include_transformed``,
        ``data``) are made where the user does not say; True unless given.
    """

    target: Target
    mixture: StoredMixture
    positions: Float[np.ndarray, "c n d"]
    log_density: Float[np.ndarray, "c n"]
    log_q: Float[np.ndarray, "c n"]
    log_weights: Float[np.ndarray, "c n"] | None = None
    components: Int[np.ndarray, "c n"] | None = None
    modes: Int[np.ndarray, "c n"] | None = None
    history: Mapping[str, np.ndarray] = field(default_factory=dict)
    tables: Tables = field(default_factory=dict)
    constrained: Groups | None = None
    attributes: Attributes = field(default_factory=dict)
    group_defaults: Mapping[str, bool] = field(default_factory=dict)

    def statistics(self) -> dict[str, np.ndarray]:
        """The statistics of each draw by the names of ``sample_stats``."""
        found = {
            "lp": self.log_density,
            "log_q": self.log_q,
            "log_weight": self.log_weights,
            "component": self.components,
            "mode": self.modes,
        }
        return {name: values for name, values in found.items() if values is not None}

"""The factorized mixtures of all chains of a fit, as a result stores them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from isogmm.mixtures.factorized import FactorizedMixture
from isogmm.results.fit_result import Tables


@dataclass(frozen=True)
class FactorizedChains:
    """One factorized mixture for each chain.

    Parameters
    ----------
    chains
        The mixtures, all of the same shape.
    """

    chains: tuple[FactorizedMixture, ...]

    def arrays(self) -> dict[str, np.ndarray]:
        """Means and variances, (c, k, d)."""
        return {
            "means": np.stack([mixture.means for mixture in self.chains]),
            "variances": np.stack([mixture.variances for mixture in self.chains]),
        }

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "FactorizedChains":
        """The mixtures of stored arrays."""
        pairs = zip(np.asarray(arrays["means"]), np.asarray(arrays["variances"]), strict=True)
        return cls(tuple(FactorizedMixture(means, variances) for means, variances in pairs))

    def tables(self) -> Tables:
        """The arrays for the group ``fit``."""
        axes = ("chain", "component", "coordinate")
        return {name: (axes, array) for name, array in self.arrays().items()}

    def labels(self) -> dict[str, str]:
        """The name of the family."""
        return {"family": "factorized"}

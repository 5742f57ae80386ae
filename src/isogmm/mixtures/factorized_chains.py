"""The factorized mixtures of the chains of a fit, in the form that a result stores."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from isogmm.mixtures.describe import describe
from isogmm.mixtures.factorized import FactorizedMixture
from isogmm.results.building.fit_result import Tables


@dataclass(frozen=True, repr=False)
class FactorizedChains:
    """One factorized mixture for each chain.

    Parameters
    ----------
    chains
        The mixtures, all of the same shape.
    """

    chains: tuple[FactorizedMixture, ...]

    def __repr__(self) -> str:
        means = self.arrays()["means"]
        return describe(type(self).__name__, means, "independent coordinates")

    def arrays(self) -> dict[str, np.ndarray]:
        """Means and variances of all chains, (c, k, d)."""
        return {
            "means": np.stack([mixture.means for mixture in self.chains]),
            "variances": np.stack([mixture.variances for mixture in self.chains]),
        }

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "FactorizedChains":
        """The mixtures with the arrays that :meth:`arrays` returned."""
        pairs = zip(np.asarray(arrays["means"]), np.asarray(arrays["variances"]), strict=True)
        return cls(tuple(FactorizedMixture(means, variances) for means, variances in pairs))

    def tables(self) -> Tables:
        """The arrays for the group ``fit``, with their dimension names."""
        axes = ("chain", "component", "coordinate")
        return {name: (axes, array) for name, array in self.arrays().items()}

    def labels(self) -> dict[str, str]:
        """Attributes of the group ``fit``: the name of the family."""
        return {"family": "factorized"}

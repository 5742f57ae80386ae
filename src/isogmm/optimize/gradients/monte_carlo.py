"""Monte Carlo estimates of the gradients, with independent samples or with antithetic pairs."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from isogmm.errors import OptionError
from isogmm.optimize.gradients.base import AbstractEstimator


@dataclass(frozen=True)
class MonteCarlo(AbstractEstimator):
    """Averages over independent samples of each component.

    Parameters
    ----------
    num_samples
        Samples for each component and iteration, S in the paper.
    antithetic
        Whether samples come in pairs (ε, −ε).  Odd terms of δ then cancel in g_k, and even terms
        in s_k.  For a Gaussian target g_k has no Monte Carlo error.  Requires an even number of
        samples.

    Raises
    ------
    OptionError
        If there is no sample, or an odd number in pairs.
    """

    num_samples: int = 2
    antithetic: bool = True

    def __post_init__(self) -> None:
        if self.num_samples < 1:
            raise OptionError(f"num_samples must be at least 1, not {self.num_samples}")
        if self.antithetic and self.num_samples % 2:
            raise OptionError(
                f"num_samples={self.num_samples} cannot be split into antithetic pairs: give an "
                "even number, or antithetic=False"
            )

    def noise(
        self, generator: np.random.Generator, chains: int, num_components: int, dim: int
    ) -> Float[np.ndarray, "c k s d"]:
        """Independent draws; if antithetic, a first half and its negative."""
        if not self.antithetic:
            return generator.standard_normal((chains, num_components, self.num_samples, dim))
        half = generator.standard_normal((chains, num_components, self.num_samples // 2, dim))
        return np.concatenate([half, -half], axis=2)

    def sample_weights(self, dim: int) -> Float[np.ndarray, " s"]:
        """Equal weights."""
        return np.full(self.num_samples, 1.0 / self.num_samples)

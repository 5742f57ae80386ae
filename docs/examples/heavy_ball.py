"""An update rule of your own: momentum for the means, the mirror step for the variances."""

import math
from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
import numpy as np

import isogmm
from isogmm.optimize.gradients.base import ComponentGradients
from isogmm.optimize.updates.base import (
    MAX_VARIANCE_FACTOR,
    IsotropicRule,
    MixtureArrays,
    RuleState,
    StepSize,
    per_component,
)


@dataclass(frozen=True)
class HeavyBall(IsotropicRule):
    """u ← b u + g, m ← m − γ (1 − b) u, v ← v exp(−γ s)."""

    momentum: float = 0.8
    step_size: float | None = None  # a fixed γ, or None to use the schedule
    is_dimensionless: ClassVar[bool] = False  # γ has the unit of a variance

    def init(self, mixture: MixtureArrays) -> RuleState:
        xp = mixture.means.__array_namespace__()
        return (xp.zeros_like(mixture.means),)

    def step(
        self,
        mixture: MixtureArrays,
        gradients: ComponentGradients,
        state: RuleState,
        step_size: StepSize,
    ) -> tuple[MixtureArrays, RuleState]:
        xp = mixture.means.__array_namespace__()
        gamma = per_component(step_size, mixture.variances)  # one γ for each component
        velocity = self.momentum * state[0] + gradients.means
        means = mixture.means - gamma[..., None] * (1.0 - self.momentum) * velocity
        largest = math.log(MAX_VARIANCE_FACTOR)
        exponent = xp.clip(-gamma * gradients.variances, -largest, largest)
        variances = mixture.variances * xp.exp(exponent)
        return MixtureArrays(means, variances, mixture.log_weights), (velocity,)


model = isogmm.LogDensity(
    lambda x: -0.5 * jnp.sum((x - 3.0) ** 2 / jnp.array([1.0, 0.25])), np.zeros(2), names="x"
)
idata = isogmm.fit_isogmm(model, method=HeavyBall(), num_components=4, random_seed=0)
print(idata.attrs["verdict"], idata["posterior"]["x"].mean(["chain", "draw"]).values)

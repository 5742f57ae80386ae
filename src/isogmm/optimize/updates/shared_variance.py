"""One variance for all components: the variants IBW-s and MD-s of the paper."""

from dataclasses import dataclass

from jaxtyping import Float

from isogmm.arrays import Array
from isogmm.optimize.gradients.base import ComponentGradients
from isogmm.optimize.updates.base import (
    AbstractWrapper,
    MixtureArrays,
    RuleState,
    StepSize,
)


@dataclass(frozen=True)
class SharedVariance(AbstractWrapper):
    """A rule with s_k replaced by its mean over the components.

    Variances that are not equal before the step are replaced by their mean.

    Parameters
    ----------
    rule
        The rule that takes the step.

    References
    ----------
    Petit-Talamon, Lambert, Korba (2025). Variational inference with mixtures of isotropic
    Gaussians. arXiv:2506.13613.
    """

    def step(
        self,
        mixture: MixtureArrays,
        gradients: ComponentGradients,
        state: RuleState,
        step_size: StepSize,
    ) -> tuple[MixtureArrays, RuleState]:
        """One step; see :class:`AbstractUpdateRule`."""
        gradients = gradients._replace(variances=_mean_over_components(gradients.variances))
        mixture = mixture._replace(variances=_mean_over_components(mixture.variances))
        return self.rule.step(mixture, gradients, state, step_size)


def _mean_over_components(values: Float[Array, "*c k"]) -> Float[Array, "*c k"]:
    """The mean over the components, for each of them."""
    xp = values.__array_namespace__()
    return xp.zeros_like(values) + xp.mean(values, axis=-1, keepdims=True)

"""GMMVI as a choice of seven parts, and its iteration for one chain."""

from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float, Int

from isogmm.mixtures.gaussian_density import cholesky
from isogmm.optimize.gmmvi.base import (
    AbstractComponentUpdate,
    AbstractNaturalGradients,
    AbstractNumber,
    AbstractSelection,
    AbstractStepSizes,
    AbstractWeightUpdate,
)
from isogmm.optimize.gmmvi.component_updates import TrustRegion
from isogmm.optimize.gmmvi.components import MIN_RELATIVE_WEIGHT, Components, Samples
from isogmm.optimize.gmmvi.natural_gradients import Stein
from isogmm.optimize.gmmvi.number import AdaptiveNumber
from isogmm.optimize.gmmvi.selection import FromComponents
from isogmm.optimize.gmmvi.step_sizes import ImprovementBased
from isogmm.optimize.gmmvi.weight_updates import TrustRegionWeights


@dataclass(frozen=True)
class Gmmvi:
    """Seven design choices, all exchangeable; the defaults are those of SAMTRON.

    Parameters
    ----------
    gradients
        1. Estimates of the natural gradient: ``Stein``, ``Regression``, ``More``.
    component_update
        2. ``Direct``, ``ImprovedBayesian``, ``TrustRegion``.
    component_steps
        3. ``Fixed``, ``Decaying``, ``ImprovementBased``.
    weight_update
        4. ``DirectWeights``, ``TrustRegionWeights``.
    weight_steps
        5. As for the components.
    selection
        6. ``FromComponents``, ``FromMixture``, with or without reuse of old samples.
    number
        7. ``FixedNumber``, ``AdaptiveNumber``.

    References
    ----------
    Arenz, Dahlinger, Ye, Volpp, Neumann (2023). A unified perspective on natural gradient
    variational inference with Gaussian mixture models. arXiv:2209.11533.
    """

    gradients: AbstractNaturalGradients = field(default_factory=Stein)
    component_update: AbstractComponentUpdate = field(default_factory=TrustRegion)
    component_steps: AbstractStepSizes = field(default_factory=ImprovementBased)
    weight_update: AbstractWeightUpdate = field(default_factory=TrustRegionWeights)
    weight_steps: AbstractStepSizes = field(default_factory=ImprovementBased)
    selection: AbstractSelection = field(default_factory=FromComponents)
    number: AbstractNumber = field(default_factory=AdaptiveNumber)

    def draw(
        self,
        components: Components,
        effective: Float[np.ndarray, " k"],
        generator: np.random.Generator,
    ) -> tuple[Int[np.ndarray, " k"], Float[np.ndarray, "n d"]]:
        """The number of new samples of each component, and the samples."""
        dim = components.means.shape[1]
        wanted = self.gradients.samples_needed(dim, components.is_diagonal)
        counts = self.selection.counts(components.log_weights, effective, wanted, generator)
        owners = np.repeat(np.arange(len(counts)), counts)
        points = generator.standard_normal((len(owners), dim))
        for component in np.flatnonzero(counts):
            members = owners == component
            factor = components.factors[component]
            noise = points[members]
            points[members] = noise * factor if components.is_diagonal else noise @ factor.T
        return counts, points + components.means[owners]

    def advance(
        self, components: Components, samples: Samples, iteration: int, scale: float
    ) -> Components:
        """One step of the components, of the weights and of the number of components.

        Every bound and step size is multiplied by ``scale``.  It is 1 in the main phase and below
        1 in the tail, in which the number of components stays constant.
        """
        rewards = samples.rewards()
        elbo = float(np.exp(components.log_weights) @ rewards)
        # NaN, the value before the first estimate, counts as an improvement.
        improved = ~(rewards <= components.rewards)
        steps = self.component_steps.adapt(components.steps, improved, iteration)
        weight_step = self.weight_steps.adapt(
            np.array([components.weight_step]), ~np.array([elbo <= components.elbo]), iteration
        )[0]
        moved = self._moved(components, samples, scale * steps)
        log_weights = self.weight_update.update(
            components.log_weights, rewards, scale * float(weight_step)
        )
        moved = replace(
            moved,
            log_weights=log_weights,
            steps=steps,
            rewards=rewards,
            weight_step=float(weight_step),
            elbo=elbo,
        )
        if scale < 1.0:
            return moved
        return self.number.adapt(moved, samples, iteration, self.component_steps.initial)

    def _moved(
        self, components: Components, samples: Samples, steps: Float[np.ndarray, " k"]
    ) -> Components:
        """Components after their natural-gradient steps; without a valid step they stay."""
        count, diagonal = len(components.means), components.is_diagonal
        gradients, hessians = self._estimates(components, samples)
        usable = np.isfinite(gradients).all(axis=1)
        usable &= np.isfinite(hessians.reshape(count, -1)).all(axis=1)
        gradients[~usable], hessians[~usable] = 0.0, 0.0
        if diagonal:
            shift, variances, valid = self.component_update.update(gradients, hessians, steps)
            means = components.means + components.factors * shift
            factors = components.factors * np.sqrt(np.where(variances > 0, variances, 1.0))
        else:
            values, vectors = np.linalg.eigh(hessians)
            rotated = (gradients[:, None, :] @ vectors)[:, 0]
            shift, variances, valid = self.component_update.update(rotated, values, steps)
            axes = components.factors @ vectors
            means = components.means + (axes @ np.nan_to_num(shift)[..., None])[..., 0]
            root = axes * np.sqrt(np.where(variances > 0, variances, 1.0))[:, None, :]
            factors = cholesky(root @ np.swapaxes(root, -1, -2))
        valid = valid & usable & np.isfinite(factors.reshape(count, -1)).all(axis=1)
        keep = valid[:, None] if diagonal else valid[:, None, None]
        factors = np.where(keep, factors, components.factors)
        with np.errstate(divide="ignore"):
            inverses = 1.0 / factors if diagonal else np.linalg.inv(factors)
        return replace(
            components,
            means=np.where(valid[:, None], means, components.means),
            factors=factors,
            inverse_factors=inverses,
        )

    def _estimates(
        self, components: Components, samples: Samples
    ) -> tuple[Float[np.ndarray, "k d"], Float[np.ndarray, "k d d"] | Float[np.ndarray, "k d"]]:
        """E[∇ log(q/π)] and E[∇² log(q/π)] in z; NaN for a component with too few samples."""
        diagonal = components.is_diagonal
        gradients = np.full(components.means.shape, np.nan)
        hessians = np.full(components.factors.shape, np.nan)
        log_ratio = samples.log_ratio()
        difference = samples.score - samples.gradients
        for k, factor in enumerate(components.factors):
            # With separated modes most samples are far from the component and have no weight.
            near = samples.weights[k] > MIN_RELATIVE_WEIGHT * samples.weights[k].max()
            if near.sum() < 2:
                continue
            local = difference[near]
            local = local * factor if diagonal else local @ factor
            z, weights = samples.whitened[k, near], samples.weights[k, near]
            gradients[k], hessians[k] = self.gradients.estimate(
                z, weights, log_ratio[near], local, diagonal
            )
        return gradients, hessians

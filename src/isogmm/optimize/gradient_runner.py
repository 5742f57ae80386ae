"""Optimization by an estimator of gradients and an update rule, for all chains together."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from isogmm.mixtures.abstract import AbstractMixture
from isogmm.mixtures.affine_map import PARTS, AffineMap, identity_map
from isogmm.model.target import Target
from isogmm.optimize.backends import AbstractBackend
from isogmm.optimize.gradients.base import AbstractEstimator
from isogmm.optimize.iteration import Evaluation, Iterate, Rules, Step, propose
from isogmm.optimize.runner import AbstractRunner, Collector, WindowPlan
from isogmm.optimize.updates.base import FamilyArrays, RuleState


class GradientRunner(AbstractRunner):
    """The state of one optimization by gradients.

    Parameters
    ----------
    target
        The log density.
    mixture
        The start, means of shape (c, k, d); its type is the type of the arithmetic.
    estimator, rules
        The estimator of the gradients, and the update rules.
    backend
        Where the arithmetic runs.
    generator
        Source of the noise.
    """

    def __init__(
        self,
        target: Target,
        mixture: AbstractMixture,
        estimator: AbstractEstimator,
        rules: Rules,
        backend: AbstractBackend,
        generator: np.random.Generator,
    ) -> None:
        super().__init__(target)
        self.estimator, self.generator, self.backend = estimator, generator, backend
        self.dtype = np.dtype(mixture.means.dtype)
        self.shape = mixture.means.shape
        weights = estimator.sample_weights(self.shape[-1])
        self.sample_weights = backend.put(weights.astype(self.dtype))
        arrays = rules.update.arrays_type.of(mixture)
        self.restart(
            arrays, rules.update.init(arrays), mixture.affine_map or identity_map(mixture.dim)
        )

    def restart(self, arrays: FamilyArrays, rule_state: RuleState, affine_map: AffineMap) -> None:
        """Continue from these arrays in the coordinates of this map."""
        self.affine_map = affine_map
        self.log_det = float(affine_map.log_det())
        typed_map = _cast(affine_map, self.dtype)
        self.map = self.backend.put_map(typed_map)
        offsets, positions = propose(arrays, self.noise(), typed_map)
        self.state = self.backend.put(Iterate(arrays, arrays, rule_state, offsets, positions))

    def noise(self) -> np.ndarray:
        """ε of one iteration, (c, k, s, d)."""
        noise = self.estimator.noise(self.generator, *self.shape)
        return noise.astype(self.dtype, copy=False)

    def iterate(self, plan: WindowPlan, done: int) -> tuple[list[Any], list[Any]]:
        """One iteration; see :meth:`AbstractRunner.iterate`."""
        state = self.state
        log_density, gradient = self._evaluate(np.asarray(state.positions))
        log_density = log_density + self.log_det
        # The second half only: the first half may still depend on the window before.
        if plan.collector is not None and gradient is not None and done >= plan.length // 2:
            flat = self.affine_map.pull_back(gradient.reshape(-1, self.shape[-1]))
            variances = np.asarray(state.mixture.variances)
            plan.collector.add(flat.reshape(gradient.shape), variances, np.isfinite(log_density))
        if gradient is not None:
            gradient = gradient.astype(self.dtype, copy=False)
        evaluation = Evaluation(log_density.astype(self.dtype, copy=False), gradient)
        step = Step(plan.step_sizes[done], plan.averaging[done])
        noise = self.noise()
        with self.backend.context():
            # The only assignment that changes the fit: an interrupt comes before or after it.
            self.state, elbo, num_finite = self.backend.advance(
                state, self.map, self.sample_weights, evaluation, step, noise
            )
        self.iterations += 1
        return [elbo], [num_finite]

    def _evaluate(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Log densities, and the gradients where the estimator uses them."""
        if self.estimator.uses_gradient:
            return self.target.evaluate(positions)
        return self.target.values(positions), None

    def adapt(self, collector: Collector) -> None:
        """Change to the affine map estimated from the collected gradients."""
        arrays = self.arrays()
        affine_map, means = collector.update(self.affine_map, arrays.means)
        carried = arrays.carried(means, self.affine_map, affine_map)
        self.restart(carried, self.rule_state(), affine_map)

    def arrays(self) -> FamilyArrays:
        """The running average, as NumPy arrays."""
        return self.state.average.mapped(np.asarray)

    def rule_state(self) -> RuleState:
        """State of the rule, as NumPy arrays."""
        state = self.state.rule_state
        return state if isinstance(state, tuple) else np.asarray(state)

    def mixture(self) -> AbstractMixture:
        """The fit so far; averaged log weights are normalized again."""
        return self.arrays().to_mixture(self.affine_map)

    def finite_samples(self, counts: Sequence[Any]) -> tuple[bool, np.ndarray]:
        """Whether all components had finite samples in a window, and how many each chain missed."""
        stacked = np.stack(counts)
        missing = (len(self.sample_weights) - stacked).sum(axis=(0, 2))
        return bool(np.all(stacked.sum(axis=0) > 0)), missing

    def is_finite(self) -> bool:
        """Whether the fit so far is a mixture."""
        return self.arrays().is_valid()


def _cast(affine_map: AffineMap, dtype: np.dtype) -> AffineMap:
    """The map with parts of this type."""
    parts = {name: getattr(affine_map, name) for name in PARTS}
    parts = {name: part for name, part in parts.items() if part is not None}
    if all(isinstance(part, np.ndarray) and part.dtype == dtype for part in parts.values()):
        return affine_map
    return AffineMap(**{name: np.asarray(part, dtype=dtype) for name, part in parts.items()})

"""One iteration of the loop: a pure function, the backends that run it, the state it moves."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from isogmm.mixtures.affine_map import PARTS, AffineMap, identity_map
from isogmm.model.target import Target
from isogmm.optimize.gradients.base import AbstractEstimator, evidence_lower_bound
from isogmm.optimize.runner import AbstractRunner
from isogmm.optimize.updates.base import AbstractUpdateRule, MixtureArrays


@runtime_checkable
class WeightsRule(Protocol):
    """Moves the log weights; see :class:`isogmm.updates.LearnedWeights`."""

    @property
    def rate(self) -> float:
        """γ_w in units of the step size of the rule."""

    def step(self, log_weights: Any, gradients: Any, step_size: Any) -> Any:
        """New log weights."""


@runtime_checkable
class WhiteningAdaptation(Protocol):
    """Adapts the map between windows; see :mod:`isogmm.optimize.whitening`."""

    def collector(self) -> Any:
        """An object with ``add(gradients, variances, finite)`` and ``update(map, means)``."""


class Iterate(NamedTuple):
    """Everything an iteration passes to the next."""

    mixture: MixtureArrays
    average: MixtureArrays
    rule_state: Any
    offsets: Any
    positions: Any


def propose(mixture: Any, noise: Any, affine_map: AffineMap) -> tuple[Any, Any]:
    """Offsets of the samples from their means (√v ε), and the samples x = c + L (m + offset)."""
    xp = mixture.means.__array_namespace__()
    offsets = mixture.offsets(noise)
    points = mixture.means[..., None, :] + offsets
    flat = xp.reshape(points, (-1, points.shape[-1]))
    return offsets, xp.reshape(affine_map.forward(flat), points.shape)


def advance(
    rule: AbstractUpdateRule,
    weights: WeightsRule | None,
    iterate: Iterate,
    affine_map: AffineMap,
    sample_weights: Any,
    log_density: Any,
    gradient: Any,
    step_size: Any,
    averaging: Any,
    next_noise: Any,
) -> tuple[Iterate, Any, Any]:
    """One iteration, pure: everything but ``Target.evaluate``.

    Parameters
    ----------
    rule, weights
        The update rule and, where the weights are learned, theirs.
    iterate
        The state; its positions are where the target was evaluated.
    affine_map, sample_weights
        The map and the weights of the samples in the expectations.
    log_density, gradient
        The target at the positions: in the engine's coordinates for the log density (log |det L|
        added), in the user's for the gradient.
    step_size
        γ of this iteration.
    averaging
        Share of the new mixture in the running average; 1 forgets the old ones.
    next_noise
        ε of the next iteration.

    Returns
    -------
    iterate, elbo, num_finite
        The next state; the ELBO estimate of each chain (c,) and the number of finite samples of
        each component (c, k), both of the mixture that came in.
    """
    mixture = iterate.mixture
    xp = mixture.means.__array_namespace__()
    shape = gradient.shape
    gradient = affine_map.pull_back(xp.reshape(gradient, (-1, shape[-1])))
    gradients = mixture.gradients(
        iterate.offsets, log_density, xp.reshape(gradient, shape), sample_weights
    )
    elbo = evidence_lower_bound(gradients, mixture.log_weights)
    updated, rule_state = rule.step(mixture, gradients, iterate.rule_state, step_size)
    if weights is not None:
        updated = updated._replace(
            log_weights=weights.step(mixture.log_weights, gradients, weights.rate * step_size)
        )
    kept = 1.0 - averaging
    average = type(updated)(
        *(kept * a + averaging * b for a, b in zip(iterate.average, updated, strict=True))
    )
    offsets, positions = propose(updated, next_noise, affine_map)
    return (
        Iterate(updated, average, rule_state, offsets, positions),
        elbo,
        gradients.num_finite,
    )


class Runner(AbstractRunner):
    """The moving parts of one fit: where it stands, and how to take an iteration."""

    def __init__(
        self,
        target: Target,
        mixture: Any,
        estimator: AbstractEstimator,
        backend: Any,
        rule: AbstractUpdateRule,
        generator: np.random.Generator,
    ) -> None:
        super().__init__(target)
        self.estimator, self.generator, self.backend = estimator, generator, backend
        self.dtype = np.dtype(mixture.means.dtype)
        self.shape = mixture.means.shape
        weights = estimator.sample_weights(self.shape[-1])
        self.sample_weights = backend.put(weights.astype(self.dtype))
        arrays = rule.arrays_type.of(mixture)
        self.restart(arrays, rule.init(arrays), mixture.affine_map or identity_map(mixture.dim))

    def restart(self, arrays: Any, rule_state: Any, affine_map: AffineMap) -> None:
        """Continue from these arrays in the coordinates of this map."""
        self.affine_map = affine_map
        self.log_det = float(affine_map.log_det())
        typed_map = _cast(affine_map, self.dtype)
        self.backend.set_map(typed_map)
        offsets, positions = propose(arrays, self._noise(), typed_map)
        self.iterate = self.backend.put(Iterate(arrays, arrays, rule_state, offsets, positions))

    def _noise(self) -> np.ndarray:
        noise = self.estimator.noise(self.generator, *self.shape)
        return noise.astype(self.dtype, copy=False)

    def iteration(self, step_size: float, averaging: float, collector: Any) -> tuple[Any, Any]:
        """One iteration; returns its ELBO estimates and finite counts."""
        iterate = self.iterate
        log_density, gradient = self.target.evaluate(np.asarray(iterate.positions))
        log_density = log_density + self.log_det
        if collector is not None:
            flat = self.affine_map.pull_back(gradient.reshape(-1, self.shape[-1]))
            variances = np.asarray(iterate.mixture.variances)
            collector.add(flat.reshape(gradient.shape), variances, np.isfinite(log_density))
        # The one assignment that moves the fit: an interrupt comes before it or after.
        self.iterate, elbo, num_finite = self.backend.advance(
            iterate,
            self.sample_weights,
            log_density.astype(self.dtype, copy=False),
            gradient.astype(self.dtype, copy=False),
            step_size,
            averaging,
            self._noise(),
        )
        self.iterations += 1
        return elbo, num_finite

    def adapt(self, collector: Any) -> None:
        """Move to the coordinates that the collected gradients ask for."""
        arrays = self.arrays()
        affine_map, means = collector.update(self.affine_map, arrays.means)
        carried = arrays.carried(means, self.affine_map, affine_map)
        self.restart(carried, self.rule_state(), affine_map)

    def arrays(self) -> Any:
        """The running average, on the host."""
        average = self.iterate.average
        return type(average)(*(np.asarray(part) for part in average))

    def rule_state(self) -> Any:
        """State of the rule, on the host."""
        state = self.iterate.rule_state
        return state if isinstance(state, tuple) else np.asarray(state)

    def mixture(self) -> Any:
        """The fit so far; averaged log weights are normalized again."""
        return self.arrays().to_mixture(self.affine_map)

    def finite_samples(self, counts: Sequence[Any]) -> tuple[bool, np.ndarray]:
        """Of a window: whether every component had some, and how many each chain lacks."""
        stacked = np.stack(counts)
        missing = (len(self.sample_weights) - stacked).sum(axis=(0, 2))
        return bool(np.all(stacked.sum(axis=0) > 0)), missing

    def is_finite(self) -> bool:
        """Whether the fit so far is a mixture."""
        return self.arrays().is_valid()


def _cast(affine_map: AffineMap, dtype: Any) -> AffineMap:
    parts = {name: getattr(affine_map, name) for name in PARTS}
    parts = {name: part for name, part in parts.items() if part is not None}
    if all(isinstance(part, np.ndarray) and part.dtype == dtype for part in parts.values()):
        return affine_map
    return AffineMap(**{name: np.asarray(part, dtype=dtype) for name, part in parts.items()})

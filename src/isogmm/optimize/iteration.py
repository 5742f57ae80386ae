"""One iteration of the loop as a pure function, and the state that it moves."""

from typing import NamedTuple, Protocol, runtime_checkable

from isogmm.arrays import Array
from isogmm.mixtures.affine_map import AffineMap
from isogmm.optimize.gradients.base import Gradients, evidence_lower_bound
from isogmm.optimize.gradients.score_function import ScoreFunction
from isogmm.optimize.updates.base import (
    AbstractUpdateRule,
    FamilyArrays,
    RuleState,
    StepSize,
)


@runtime_checkable
class WeightsRule(Protocol):
    """Updates the log weights; see :class:`isogmm.updates.LearnedWeights`."""

    @property
    def rate(self) -> float:
        """γ_w in units of the step size of the update rule."""

    def step(self, log_weights: Array, gradients: Gradients, step_size: StepSize) -> Array:
        """New log weights."""


class Rules(NamedTuple):
    """What an iteration does with the target at the samples.

    Parameters
    ----------
    update
        The update rule.
    weights
        The rule of the weights, where these are learned.
    score_function
        The estimator, where the gradients come from values of the log density alone.
    """

    update: AbstractUpdateRule
    weights: WeightsRule | None = None
    score_function: ScoreFunction | None = None


class Iterate(NamedTuple):
    """The state that an iteration passes to the next.

    Parameters
    ----------
    mixture, average
        The arrays of the mixture, and their running average.
    rule_state
        State of the update rule.
    offsets
        Offsets of the samples from their means, in the coordinates of the affine map.
    positions
        The samples, where the target is evaluated next.
    """

    mixture: FamilyArrays
    average: FamilyArrays
    rule_state: RuleState
    offsets: Array
    positions: Array


class Evaluation(NamedTuple):
    """The target at the samples.

    Parameters
    ----------
    log_density
        log π in the coordinates of the affine map: log |det L| is added.
    gradient
        ∇log π in the coordinates of the model; None for the score function.
    """

    log_density: Array
    gradient: Array | None


class Step(NamedTuple):
    """Settings of one iteration.

    Parameters
    ----------
    size
        γ.
    averaging
        Share of the new mixture in the running average; 1 drops the average so far.
    """

    size: StepSize
    averaging: StepSize


def propose(mixture: FamilyArrays, noise: Array, affine_map: AffineMap) -> tuple[Array, Array]:
    """Offsets √v ε of the samples from their means, and the samples x = c + L (m + offset)."""
    xp = mixture.means.__array_namespace__()
    offsets = mixture.offsets(noise)
    points = mixture.means[..., None, :] + offsets
    flat = xp.reshape(points, (-1, points.shape[-1]))
    return offsets, xp.reshape(affine_map.forward(flat), points.shape)


def advance(
    rules: Rules,
    iterate: Iterate,
    affine_map: AffineMap,
    sample_weights: Array,
    evaluation: Evaluation,
    step: Step,
    next_noise: Array,
) -> tuple[Iterate, Array, Array]:
    """One iteration, pure: everything but the evaluation of the target.

    Parameters
    ----------
    rules
        The update rules.
    iterate
        The state; the target was evaluated at its positions.
    affine_map, sample_weights
        The map, and the weights of the samples in the expectations.
    evaluation
        The target at the positions.
    step
        Step size, and share in the running average.
    next_noise
        ε of the next iteration.

    Returns
    -------
    iterate, elbo, num_finite
        The next state; the ELBO estimate of each chain (c,) and the number of finite samples of
        each component (c, k), both of the mixture before the step.
    """
    mixture = iterate.mixture
    gradients = _gradients(rules, iterate, affine_map, sample_weights, evaluation)
    elbo = evidence_lower_bound(gradients, mixture.log_weights)
    updated, rule_state = rules.update.step(mixture, gradients, iterate.rule_state, step.size)
    if rules.weights is not None:
        rate = rules.weights.rate * step.size
        log_weights = rules.weights.step(mixture.log_weights, gradients, rate)
        updated = updated.with_log_weights(log_weights)
    average = iterate.average.averaged(updated, step.averaging)
    offsets, positions = propose(updated, next_noise, affine_map)
    moved = Iterate(updated, average, rule_state, offsets, positions)
    return moved, elbo, gradients.num_finite


def _gradients(
    rules: Rules,
    iterate: Iterate,
    affine_map: AffineMap,
    sample_weights: Array,
    evaluation: Evaluation,
) -> Gradients:
    """The gradients of the KL, by the score function or with the gradient of the target."""
    mixture, offsets = iterate.mixture, iterate.offsets
    if evaluation.gradient is None:
        assert rules.score_function is not None
        return mixture.value_gradients(
            offsets, evaluation.log_density, sample_weights, rules.score_function.average
        )
    xp = mixture.means.__array_namespace__()
    shape = evaluation.gradient.shape
    gradient = affine_map.pull_back(xp.reshape(evaluation.gradient, (-1, shape[-1])))
    return mixture.gradients(
        offsets, evaluation.log_density, xp.reshape(gradient, shape), sample_weights
    )

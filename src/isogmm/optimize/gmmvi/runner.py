"""Optimization by GMMVI for all chains, with one call of the target for each iteration."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from isogmm.mixtures.affine_map import AffineMap
from isogmm.mixtures.gaussian import GaussianMixture
from isogmm.mixtures.gaussian_density import cholesky
from isogmm.model.target import Target
from isogmm.optimize.gmmvi.components import Components
from isogmm.optimize.gmmvi.database import Database
from isogmm.optimize.gmmvi.method import Gmmvi
from isogmm.optimize.runner import AbstractRunner, WindowPlan


class GmmviRunner(AbstractRunner[GaussianMixture]):
    """The state of one optimization; see :class:`isogmm.optimize.runner.AbstractRunner`.

    Parameters
    ----------
    target
        The log density.
    mixture
        The start, means of shape (c, k, d).
    method
        The seven parts of GMMVI.
    generator
        Source of randomness.
    """

    def __init__(
        self,
        target: Target,
        mixture: GaussianMixture,
        method: Gmmvi,
        generator: np.random.Generator,
    ) -> None:
        super().__init__(target)
        self.method, self.generator = method, generator
        self.affine_map = mixture.affine_map
        self.log_det = float(self.affine_map.log_det())
        self.chains = [components_of(mixture[chain], method) for chain in range(len(mixture.means))]
        self.averages = list(self.chains)
        self.databases = [Database(mixture.dim, method.selection.reuse) for _ in self.chains]

    def iterate(self, plan: WindowPlan, done: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """One iteration: the ELBO of each chain (c,), and its samples and finite samples (c, 2).

        The step size of the plan multiplies the step sizes that the method adapts itself.
        """
        step_size, averaging = plan.step_sizes[done], plan.averaging[done]
        drawn = []
        for components, database in zip(self.chains, self.databases, strict=True):
            database.make_room()
            old = components.log_prob(database.points)
            counts, points = self.method.draw(
                components, database.effective(old[0]), self.generator
            )
            drawn.append((counts, points, old))
        every = np.concatenate([points for _, points, _ in drawn])
        log_density, gradients = self.target.evaluate(self.affine_map.forward(every))
        log_density, gradients = log_density + self.log_det, self.affine_map.pull_back(gradients)
        ends = np.cumsum([len(points) for _, points, _ in drawn])
        elbos, tallies, moved = [], [], []
        # After an overflow the estimates are not finite, and the components stay unchanged.
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for chain, (counts, points, old) in enumerate(drawn):
                rows = slice(ends[chain] - len(points), ends[chain])
                components = self.chains[chain]
                samples = self.databases[chain].add(
                    components, counts, points, log_density[rows], gradients[rows], old
                )
                new = self.method.advance(components, samples, self.iterations, step_size)
                moved.append(new)
                elbos.append(new.elbo)
                tallies.append([len(points), int(np.isfinite(log_density[rows]).sum())])
        self.averages = [
            averaged(old, new, averaging) for old, new in zip(self.averages, moved, strict=True)
        ]
        self.chains = moved
        self.iterations += 1
        return [np.array(elbos)], [np.array(tallies)]

    def mixture(self) -> GaussianMixture:
        """The fit so far; all chains have as many components as the largest."""
        return mixture_of(self.averages, self.affine_map)

    def finite_samples(self, counts: Sequence[np.ndarray]) -> tuple[bool, np.ndarray]:
        """Of a window: whether every chain had finite samples, and how many were not finite."""
        drawn, finite = np.sum(counts, axis=0).T
        return bool(np.all(finite > 0)), drawn - finite

    def rule_state(self) -> tuple[np.ndarray, ...]:
        """Number of components of each chain."""
        return (np.array([len(components.means) for components in self.chains]),)

    def is_finite(self) -> bool:
        """Whether the fit so far is a mixture."""
        return all(
            np.all(np.isfinite(part))
            for components in self.averages
            for part in (components.means, components.inverse_factors, components.log_weights)
        )


def averaged(average: Components, new: Components, share: float) -> Components:
    """Average of means, covariances and log weights, in which the new ones have this share."""
    if share >= 1.0 or len(average.means) != len(new.means):
        return new
    kept = 1.0 - share
    covariances = kept * average.covariances() + share * new.covariances()
    factors = np.sqrt(covariances) if new.is_diagonal else cholesky(covariances)
    log_weights = kept * average.log_weights + share * new.log_weights
    return replace(
        new,
        means=kept * average.means + share * new.means,
        factors=factors,
        inverse_factors=1.0 / factors if new.is_diagonal else np.linalg.inv(factors),
        log_weights=log_weights - np.logaddexp.reduce(log_weights),
    )


def components_of(mixture: GaussianMixture, method: Gmmvi) -> Components:
    """The components of one chain; copies that :func:`mixture_of` made are merged."""
    flat = np.concatenate(
        [mixture.means, mixture.covariances.reshape(mixture.num_components, -1)], axis=1
    )
    _, first, owner = np.unique(flat, axis=0, return_index=True, return_inverse=True)
    weights = np.bincount(owner.ravel(), weights=np.exp(mixture.log_weights))
    order = np.argsort(first)
    first, weights = first[order], weights[order]
    count = len(first)
    # Zero is replaced by the smallest number, so that the weight can increase again.
    log_weights = np.log(np.maximum(weights, np.finfo(float).tiny))
    return Components(
        means=np.array(mixture.means[first], np.float64),
        factors=np.array(mixture.factors[first], np.float64),
        inverse_factors=np.array(mixture.inverse_factors[first], np.float64),
        log_weights=log_weights - np.logaddexp.reduce(log_weights),
        steps=np.full(count, method.component_steps.initial),
        rewards=np.full(count, np.nan),
        weak=np.zeros(count, dtype=int),
        weight_step=method.weight_steps.initial,
        elbo=float("nan"),
    )


def mixture_of(chains: Sequence[Components], affine_map: AffineMap) -> GaussianMixture:
    """One mixture for all chains, with the number of components of the largest.

    The other chains repeat their component of largest weight.  The copies share its weight, so
    that the density does not change.
    """
    largest = max(len(components.means) for components in chains)
    means, covariances, log_weights = [], [], []
    for components in chains:
        count = len(components.means)
        index = np.arange(largest)
        heaviest = int(np.argmax(components.log_weights))
        index[count:] = heaviest
        weights = components.log_weights[index]
        weights[index == heaviest] -= np.log(largest - count + 1)
        means.append(components.means[index])
        covariances.append(components.covariances()[index])
        log_weights.append(weights)
    return GaussianMixture(
        np.stack(means), np.stack(covariances), np.stack(log_weights), affine_map
    )

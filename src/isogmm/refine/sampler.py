"""Parallel chains with their tuning: step size, coordinates, second tries of rejections."""

from dataclasses import replace

import numpy as np

from isogmm.refine.hmc import HOPELESS, Chains, hmc_transition
from isogmm.target import Target
from isogmm.whitening.base import AffineMap

#: Transitions after which the coordinates are whitened anew from the chains.
REWHITEN = (3, 6, 12, 24, 48, 96)
#: Acceptance probability the step size aims at.
ACCEPTANCE = 0.8
#: Steps of mixed sizes go down to this share of the step size.
SMALLEST_FACTOR = 0.03
#: With more than this share of proposals all but hopeless, rejections get a second, smaller try.
HOPELESS_SHARE = 0.01
#: With more than this share of chains for which the second try is as hopeless, even once, a third.
NECK_SHARE = 0.002


class Sampler:
    """Chains and what is tuned while they warm up.

    Parameters
    ----------
    target, chains, groups, generator
        As for :func:`isogmm.refine.refine.refine`; one group where modes do not matter.
    retries
        False spares second tries: chains that only look around may leave necks to others.
    """

    def __init__(
        self,
        target: Target,
        chains: Chains,
        groups: np.ndarray,
        generator: np.random.Generator,
        *,
        retries: bool = True,
    ) -> None:
        self.target, self.chains, self.groups, self.generator = target, chains, groups, generator
        self.retries = retries
        self.step_size = min(1.0, 1.5 * chains.points.shape[1] ** -0.25)
        self.retry = 0.0
        self.count = 0
        #: Where chains stood for which even a second try was hopeless; none where there are few.
        self.neck: list[np.ndarray] = []

    def transition(self, *, tune: bool) -> tuple[float, np.ndarray]:
        """One transition of all chains: mean acceptance probability, who moved."""
        is_warmup = tune
        # A quarter turn of a Gaussian; every third is three times as long, for heavy tails.
        length = 0.5 * np.pi * (3.0 if self.count % 3 == 2 else 1.0)
        length *= self.generator.uniform(0.8, 1.2)
        factors = None
        if self.retry and self.count % 3 == 1:
            # Steps of all sizes: a chain deep in a neck moves when its turn for a small one
            # comes.
            low = np.log(SMALLEST_FACTOR)
            factors = np.exp(self.generator.uniform(low, 0.0, len(self.chains.points)))
            tune = False
        is_short = self.count % 3 == 0
        self.chains, probability, moved, hopeless = hmc_transition(
            self.target,
            self.chains,
            self.generator,
            self.step_size,
            length,
            retry=self.retry,
            tries=3 if is_short and self.neck else 2,
            step_factors=factors,
        )
        self.count += 1
        is_seen = self.neck or hopeless.mean() > NECK_SHARE
        if is_warmup and is_short and self.retry and self.count > 4 and is_seen:
            self.neck.append(self.chains.positions[hopeless])
        if tune:
            error = probability.mean() - ACCEPTANCE
            rate = 2.0 if self.count < 6 else 0.7
            self.step_size *= float(np.exp(np.clip(rate * error, -1.0, 0.3)))
            if self.count >= 3 and self.retries:
                share = float((probability < HOPELESS).mean())
                self.retry = 4.0 if share > HOPELESS_SHARE else 0.0
        if is_warmup and self.count in REWHITEN:
            self._whiten()
        return float(probability.mean()), moved

    def _whiten(self) -> None:
        """Coordinates in which the chains, within their modes, have unit covariance.

        The sample covariance of m chains is shrunk to the identity (the old coordinates) by
        2d/m, about the relative error of its eigenvalues.
        """
        points = self.chains.points
        count, dim = points.shape
        old = self.chains.affine_map
        centered = points.copy()
        for group in np.unique(self.groups):
            members = self.groups == group
            centered[members] -= points[members].mean(axis=0)
        if old.kind == "dense":
            shrinkage = min(1.0, 2.0 * dim / count)
            covariance = (1.0 - shrinkage) * centered.T @ centered / count
            covariance[np.diag_indices(dim)] += shrinkage
            new = AffineMap(old.center, old.scale, old.factor @ np.linalg.cholesky(covariance))
        else:
            spread = np.sqrt((centered**2).mean(axis=0) + 1e-12)
            if old.kind == "low_rank":
                return
            new = replace(old, scale=old.scale * spread)
        self.chains = self.chains.moved_to(new)

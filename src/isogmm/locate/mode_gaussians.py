"""A Gaussian for every mode: batch and match from each local maximum, equal ones merged."""

import numpy as np

from isogmm.locate.batch_and_match import Gaussians, batch_and_match_step, batch_size_for
from isogmm.locate.modes import LocalMaximum, are_separate
from isogmm.model.target import Target


def fit_modes(
    target: Target, generator: np.random.Generator, best: Gaussians, maxima: list[LocalMaximum]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Batch and match from every local maximum; those that stay separate are the modes."""
    if len(maxima) < 2:
        return best.means, best.factors, best.elbo, 0
    local = Gaussians.start(
        np.stack([maximum.position for maximum in maxima]),
        np.stack([maximum.factor for maximum in maxima]),
    )
    batch_size = batch_size_for(target.dim)
    # Averaging steps from the first on: each must stay with its own mode.
    for iteration in range(24):
        local = batch_and_match_step(
            target, local, generator, batch_size, min(10.0, 20.0 / (iteration + 1.0))
        )
    num_diverged = int((~local.alive).sum())
    means = np.concatenate([best.means, local.means])
    factors = np.concatenate([best.factors, local.factors])
    elbo = np.concatenate([best.elbo, local.elbo])
    kept: list[int] = []
    for index in np.argsort(-elbo):
        if not np.isfinite(elbo[index]) or elbo[index] < elbo.max() - 9.0:
            continue
        mine = (means[index], factors[index])
        if all(are_separate(target, mine, (means[other], factors[other])) for other in kept):
            kept.append(int(index))
    return means[kept], factors[kept], elbo[kept], num_diverged

"""A start and settings of the optimization loop."""

import numpy as np

from isogmm.mixtures.affine_map import identity_map
from isogmm.mixtures.initialization import UniformMeans
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.optimize import optimize
from isogmm.optimize.gradients import MonteCarlo
from isogmm.optimize.schedules import ConstantThenLinearDecay
from isogmm.optimize.stopping import MaxIterations
from isogmm.optimize.updates import BuresWasserstein, RelativeStep, TrustRegion

DEFAULT_RULE = RelativeStep(TrustRegion(BuresWasserstein()))


def start(dim, k=3, chains=2, seed=0, dtype=np.float64, affine_map=None):
    affine_map = identity_map(dim) if affine_map is None else affine_map
    made = UniformMeans(2.0, 0.8).initialize(np.random.default_rng(seed), chains, k, affine_map)
    return IsotropicMixture(
        made.means.astype(dtype),
        made.variances.astype(dtype),
        made.log_weights.astype(dtype),
        affine_map,
    )


def fit(target, mixture, seed=0, **options):
    settings = {
        "estimator": MonteCarlo(2),
        "rule": DEFAULT_RULE,
        "schedule": ConstantThenLinearDecay(0.25),
        "stopping": MaxIterations(60, window=20),
        **options,
    }
    return optimize(target, mixture, generator=np.random.default_rng(seed), **settings)

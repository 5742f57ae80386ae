"""Milliseconds of an iteration of IBW and of BW in the same loop, in turns, against d.

python tests/experiments/covariance_cost.py      # K = 15, ten samples, one processor's BLAS
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("JAX_ENABLE_X64", "1")

from threadpoolctl import threadpool_limits

from experiments import methods, studies
from isogmm.mixtures.gaussian import GaussianMixture
from isogmm.optimize import optimize
from isogmm.optimize.gaussian.bures_wasserstein import FullBuresWasserstein
from isogmm.optimize.gradients import MonteCarlo
from isogmm.optimize.schedules import Constant
from isogmm.optimize.stopping import MaxIterations
from isogmm.optimize.updates import BuresWasserstein

COMPONENTS, SAMPLES, ROUNDS = 15, 10, 3


def milliseconds(dim: int) -> tuple[float, float]:
    """IBW and BW at the settings of the experiment ``dimension``: the best of some rounds."""
    problem, setting = studies.dimension_setting(dim)
    target = problem.model(batch_size=COMPONENTS * SAMPLES).to_target()
    start = methods.start(problem.dim, setting, COMPONENTS, [0])
    step = setting.step_size
    cases: list[tuple[Any, Any]] = [
        (start, BuresWasserstein(step)),
        (GaussianMixture.from_isotropic(start), FullBuresWasserstein(step)),
    ]
    best = [np.inf, np.inf]
    for length in [3] + [20 if dim > 50 else 60] * ROUNDS:
        for index, (mixture, rule) in enumerate(cases):
            begin = time.perf_counter()
            optimize(
                target,
                mixture,
                estimator=MonteCarlo(SAMPLES, antithetic=False),
                rule=rule,
                schedule=Constant(step),
                stopping=MaxIterations(length, window=length),
                generator=np.random.default_rng(0),
            )
            best[index] = min(best[index], 1e3 * (time.perf_counter() - begin) / length)
    return best[0], best[1]


if __name__ == "__main__":
    with threadpool_limits(1, user_api="blas"):
        for dim in studies.DIMENSIONS:
            isotropic, full = milliseconds(dim)
            print(f"d {dim:4}: IBW {isotropic:.3f}, BW {full:.3f}, ratio {full / isotropic:.1f}")

"""One Gaussian for each chain where it is accurate enough: no mixture is optimized then."""

import time
from collections.abc import Sequence

import numpy as np

from isogmm.draws.pool import Pool, draw_pool
from isogmm.draws.weigh import weigh
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.model.fit_target import FitTarget
from isogmm.optimize.check import HISTORY, Check, asks_to_end
from isogmm.optimize.loop import Observer, OptimizeResult
from isogmm.recipe.options import When
from isogmm.recipe.thresholds import FLAT_RELATIVE_ESS, MAX_REWEIGHT_K
from isogmm.results.stop_reason import StopReason

#: Relative ESS above which importance weights correct one Gaussian: KL(q|π) is then about 0.05
#: nats, and the weights cost a tenth more draws.
MIN_RELATIVE_ESS = 0.9
#: Draws of each chain for a first test, and the relative ESS that the test asks for.
NUM_TEST_DRAWS, MIN_TEST_RELATIVE_ESS = 32, 0.8
#: Coordinates of all draws of a final Gaussian, and draws of each chain at least.  The draws are
#: those of HMC chains in nearly all fits; others are added where they are not.
MAX_FINAL_NUMBERS, MIN_FINAL_DRAWS = 40_000_000, 100


def one_gaussian(
    target: FitTarget,
    mixture: IsotropicMixture,
    generator: np.random.Generator,
    num_draws: int,
    importance: When,
    observers: Sequence[Observer],
    *,
    is_final: bool = False,
) -> tuple[OptimizeResult, Pool] | None:
    """Fresh draws of one Gaussian for each chain; None where a mixture may gain.

    Parameters
    ----------
    target, mixture, generator
        The target, one component for each chain, and the source of the draws.
    num_draws
        Draws of each chain.
    importance
        Whether draws may be chosen by importance weights.
    observers
        They see one check.
    is_final
        Whether to return the Gaussian however accurate it is.
    """
    started, evaluations = time.perf_counter(), target.num_gradient_evaluations
    pool = draw_pool(target, mixture, generator, NUM_TEST_DRAWS)
    if not is_final and pool.importance_ess() < MIN_TEST_RELATIVE_ESS * pool.log_ratios.size:
        return None
    if is_final:
        affordable = MAX_FINAL_NUMBERS // (len(mixture.means) * target.dim)
        num_draws = min(num_draws, max(affordable, MIN_FINAL_DRAWS))
    pool = pool.joined(draw_pool(target, mixture, generator, num_draws - NUM_TEST_DRAWS))
    weighted = weigh(pool)
    is_enough = weighted.relative_ess > MIN_RELATIVE_ESS and weighted.pareto_k < MAX_REWEIGHT_K
    is_enough = is_enough and importance is not When.NEVER
    if not (is_final or is_enough or weighted.relative_ess > FLAT_RELATIVE_ESS):
        return None
    elbo, elbo_se = pool.elbos()
    check = Check(
        iteration=0,
        elbo=elbo,
        elbo_se=elbo_se,
        step_size=0.0,
        gradient_evaluations=target.num_gradient_evaluations - evaluations,
        seconds=time.perf_counter() - started,
        nonfinite=(~np.isfinite(pool.log_density)).sum(axis=1),
        mixture=mixture,
        in_tail=True,
    )
    ends = [asks_to_end(observer, check) for observer in observers]
    reason = StopReason.CALLBACK if any(ends) else StopReason.CONVERGED
    history = {name: np.array([getattr(check, name)]) for name in HISTORY}
    return OptimizeResult(mixture, history, reason, 0, None), pool

"""Where the Gaussian of the search is enough: no mixture could gain what it costs to fit."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from isogmm.draws.pool import Pool, draw_pool
from isogmm.model.target import Target
from isogmm.optimize.check import HISTORY, Check, asks_to_end
from isogmm.optimize.loop import OptimizeResult
from isogmm.optimize.schedules import Constant
from isogmm.recipe.deliver import weigh
from isogmm.recipe.options import Options
from isogmm.recipe.start import Start, mixture_over
from isogmm.recipe.verdict import FLAT_ESS, REWEIGHT_K
from isogmm.results.stop_reason import StopReason

#: Share of the draws that importance weights must leave: KL(q|π) is then about 0.05 nats, and
#: weights mend it for a tenth more draws.
ENOUGH = 0.9
#: Draws of every chain for a first look, and the share that weights must leave of them.
FIRST_LOOK, PROMISING = 32, 0.8


def one_gaussian(
    target: Target,
    options: Options,
    start: Start,
    generator: np.random.Generator,
    num_draws: int,
    observers: Sequence[Callable[[Check], Any]],
) -> tuple[OptimizeResult, Pool] | None:
    """A mixture of one component for every chain, with fresh draws; None where more may gain.

    Only where the number of components is ours to choose, and the search found one mode.  The
    noise is a stream of its own: a fit that goes on sees the numbers it would have seen.
    The observers see one check.
    """
    is_ours = options.num_components is None and not isinstance(options.schedule, Constant)
    if not is_ours or not options.family.grows_by_splitting:
        return None
    if start.located is None or start.has_several_modes:
        return None
    begin, evaluations = time.perf_counter(), target.num_gradient_evaluations
    (generator,) = generator.spawn(1)
    mixture = mixture_over(start.located, options, 1, start.mixture.affine_map, generator)
    pool = draw_pool(target, mixture, generator, FIRST_LOOK)
    if pool.importance_ess() < PROMISING * pool.log_ratios.size:
        return None
    pool = pool.joined(draw_pool(target, mixture, generator, num_draws - FIRST_LOOK))
    _, k, share = weigh(pool)
    mends = options.importance is not False and share > ENOUGH and k < REWEIGHT_K
    if not (mends or share > FLAT_ESS):
        return None
    elbo, elbo_se = pool.elbos()
    check = Check(
        iteration=0,
        elbo=elbo,
        elbo_se=elbo_se,
        step_size=0.0,
        gradient_evaluations=target.num_gradient_evaluations - evaluations,
        seconds=time.perf_counter() - begin,
        nonfinite=(~np.isfinite(pool.log_density)).sum(axis=1),
        mixture=mixture,
        in_tail=True,
    )
    ends = [asks_to_end(observer, check) for observer in observers]
    reason = StopReason.INTERRUPTED if any(ends) else StopReason.CONVERGED
    history = {name: np.array([getattr(check, name)]) for name in HISTORY}
    return OptimizeResult(mixture, history, reason, 0, None), pool

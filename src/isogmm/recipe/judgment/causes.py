"""Causes of wrong draws in the log density itself, for which other remedies do not help."""

from dataclasses import replace

import numpy as np

from isogmm.draws.blocks import medians, sds
from isogmm.draws.pool import Pool
from isogmm.model.checks import improper
from isogmm.model.checks.jumps import coordinate_with_jumps
from isogmm.model.checks.rounding_error import rounding_error
from isogmm.model.fit_target import FitTarget
from isogmm.recipe.delivery.deliver import Delivery
from isogmm.recipe.judgment.findings import Findings
from isogmm.recipe.judgment.missing_gradients import missing_gradients
from isogmm.recipe.thresholds import MAX_NONFINITE_SHARE, MAX_STUCK_SHARE
from isogmm.results.interruption import interruptible
from isogmm.results.stop_reason import StopReason


def with_tests(
    target: FitTarget, pool: Pool, delivery: Delivery, findings: Findings
) -> tuple[Findings, StopReason | None]:
    """The findings with two tests, and the stop reason of an interrupted computation, or None.

    The posterior is tested for a direction in which it is improper if the chains drift, hardly
    move or stay correlated with their starting points.  They may be moving away from a Gaussian of
    ordinary width.  The gradient is tested in every fit.

    Parameters
    ----------
    target, pool, delivery, findings
        The target, draws of the mixture, the delivered draws, and what is known about them.
    """
    refined, draws = delivery.refined, delivery.selection.positions
    with interruptible(target, has_result=True) as interruption:
        findings = replace(findings, missing_gradients=missing_gradients(target, pool))
        if refined:
            is_moving = refined.still_drifting or not refined.is_independent
            if is_moving or refined.stuck_share > MAX_STUCK_SHARE:
                direction = improper.improper_direction(
                    target, medians(draws), sds(draws), min_width=0.0
                )
                findings = replace(findings, improper_direction=direction or "")
    return findings, interruption.reason


def with_causes(
    target: FitTarget, pool: Pool, delivery: Delivery, findings: Findings
) -> tuple[Findings, StopReason | None]:
    """The findings with further causes, and the stop reason of an interruption, or None.

    The causes are the terms that are not finite, and the rounding error and the jumps of the log
    density near the draws.  A fit whose verdict is trusted, or whose time is over, does not call
    this function.

    Parameters
    ----------
    target, pool, delivery, findings
        The target, draws of the mixture, the delivered draws, and what is known about them.
    """
    positions = delivery.selection.positions
    positions = positions.reshape(-1, positions.shape[-1])
    with interruptible(target, has_result=True) as interruption:
        if findings.nonfinite_share > MAX_NONFINITE_SHARE:
            outside = np.isneginf(pool.log_density)
            terms = target.explain(pool.positions[outside])
            findings = replace(findings, nonfinite_terms=terms or "")
        if target.has_gradient:
            jumps = coordinate_with_jumps(target, positions, sds(positions))
            error = rounding_error(target, positions)
            findings = replace(findings, jumps_along=jumps or "", rounding_error=error)
    return findings, interruption.reason

"""Causes of unreliable draws in the log density itself, for which other remedies do not help."""

from dataclasses import replace

from isogmm.draws.blocks import sds
from isogmm.model.checks.jumps import coordinate_with_jumps
from isogmm.model.checks.rounding_error import rounding_error
from isogmm.model.fit_target import FitTarget
from isogmm.recipe.delivery.deliver import Delivery
from isogmm.recipe.judgment.findings import Findings
from isogmm.results.interruption import interruptible
from isogmm.results.stop_reason import StopReason


def with_causes(
    target: FitTarget, delivery: Delivery, findings: Findings
) -> tuple[Findings, StopReason | None]:
    """The findings with these causes, and the stop reason of an interrupted computation, or None.

    The causes are the rounding error and the jumps of the log density near the draws.  A fit whose
    verdict is trusted, or whose time is over, does not call this function.

    Parameters
    ----------
    target, delivery, findings
        The target, the delivered draws, and what is known about them.
    """
    if not target.has_gradient:
        return findings, None
    positions = delivery.selection.positions
    positions = positions.reshape(-1, positions.shape[-1])
    with interruptible(target, has_result=True) as interruption:
        jumps = coordinate_with_jumps(target, positions, sds(positions))
        error = rounding_error(target, positions)
        findings = replace(findings, jumps_along=jumps or "", rounding_error=error)
    return findings, interruption.reason

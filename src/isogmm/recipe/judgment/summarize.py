"""From the stages of a fit to its result: verdict, attributes and tables."""

import json
from dataclasses import dataclass, replace

import numpy as np

from isogmm.draws.blocks import means, sds
from isogmm.draws.pool import Pool
from isogmm.errors import FitWarning, in_words, warn_user
from isogmm.locate.located import Located
from isogmm.model.fit_target import FitTarget
from isogmm.optimize.loop import OptimizeResult
from isogmm.optimize.stopping import MaxIterations
from isogmm.recipe.delivery.deliver import Delivery
from isogmm.recipe.judgment.causes import with_causes, with_tests
from isogmm.recipe.judgment.findings import findings_of
from isogmm.recipe.judgment.lost_modes import lost_mass
from isogmm.recipe.judgment.verdict import decide
from isogmm.recipe.options import Options
from isogmm.recipe.stage_costs import StageCosts
from isogmm.recipe.thresholds import (
    FLAT_RELATIVE_ESS,
    MAX_EVIDENCE_SE,
    MAX_MISSED_SHARE,
    MAX_PARETO_K,
)
from isogmm.results.building.fit_result import Attributes, FitResult, Tables
from isogmm.results.labeling.labels import DrawSource, Verdict
from isogmm.results.stop_reason import StopReason


@dataclass
class Fitted:
    """The results of the stages of a fit.

    Parameters
    ----------
    located
        The result of the search, or None.
    optimized, pool
        The mixture, and fresh draws of it.
    delivery
        The delivered draws.
    costs
        Costs by stage.
    """

    located: Located | None
    optimized: OptimizeResult
    pool: Pool
    delivery: Delivery
    costs: StageCosts

    @property
    def stop_reason(self) -> StopReason:
        """Why the fit ended: an interruption of the delivery, or what ended the optimization."""
        return self.delivery.stop_reason or self.optimized.stop_reason


def summarize(target: FitTarget, options: Options, fitted: Fitted) -> FitResult:
    """Judge the delivered draws and collect what the result stores.

    Warns
    -----
    FitWarning
        If the verdict is ``unreliable``, the fit ended before it converged, or the draws could not
        be judged.
    """
    try:
        return _judged(target, options, fitted)
    except FitWarning:  # the user made errors of warnings
        raise
    except Exception as error:  # the draws are returned whatever fails
        return _not_judged(target, fitted, error)


def _not_judged(target: FitTarget, fitted: Fitted, error: Exception) -> FitResult:
    """The draws, with the error in place of what judges them."""
    advice = (
        f"The draws could not be checked, because of an error: {in_words(error)}. Do not use them. "
        "Correct the cause, and fit the model again."
    )
    warn_user(f"isogmm: {advice}")
    draws = fitted.delivery.selection
    return FitResult(
        target=target,
        mixture=fitted.optimized.mixture,
        positions=draws.positions,
        log_density=draws.log_density,
        log_q=np.full(draws.log_density.shape, np.nan),
        log_weights=draws.log_weights,
        components=draws.components,
        modes=fitted.delivery.modes,
        history=fitted.optimized.history,
        attributes={
            "verdict": Verdict.UNRELIABLE.value,
            "advice": advice,
            "draws_from": draws.source.value,
            "stop_reason": fitted.stop_reason.value,
            "num_gradient_evaluations": fitted.costs.num_gradients,
            "iterations": fitted.optimized.iterations,
        },
    )


def _judged(target: FitTarget, options: Options, fitted: Fitted) -> FitResult:
    mixture, pool, draws = fitted.optimized.mixture, fitted.pool, fitted.delivery.selection
    log_q = np.stack(
        [mixture[chain].log_prob(draws.positions[chain]) for chain in range(len(mixture.means))]
    )
    has_fixed_length = isinstance(options.algorithm.stopping, MaxIterations)
    findings = findings_of(target, pool, fitted.delivery, fitted.located)
    for test in (with_tests, with_causes):
        findings, reason = test(target, pool, fitted.delivery, findings)
        if reason is not None:
            fitted = replace(fitted, delivery=replace(fitted.delivery, stop_reason=reason))
        findings = replace(findings, stopped_early=_early_end(fitted, has_fixed_length))
        verdict, advice = decide(findings)
        if verdict is not Verdict.UNRELIABLE or fitted.stop_reason.is_early:
            break
    _warn(fitted.stop_reason, verdict, advice, has_fixed_length)
    attributes: Attributes = {
        **_of_fit(target, fitted, verdict),
        "verdict": verdict.value,
        "advice": " ".join([*target.notes, advice]),
        "draws_from": draws.source.value,
        "rhat_max": findings.rhat,
        "rhat_max_name": findings.rhat_name,
        "num_modes": findings.num_modes,
        **_of_search(fitted),
        **_of_chains(target, fitted),
    }
    return FitResult(
        target=target,
        mixture=mixture,
        positions=draws.positions,
        log_density=draws.log_density,
        log_q=log_q,
        log_weights=draws.log_weights,
        components=draws.components,
        modes=fitted.delivery.modes,
        history=fitted.optimized.history,
        tables=_tables(fitted),
        constrained=fitted.delivery.constrained,
        attributes=attributes,
    )


def _early_end(fitted: Fitted, has_fixed_length: bool) -> str | None:
    """The sentence about what makes draws unreliable whatever their weights say, or None."""
    reason = fitted.stop_reason
    early = reason is StopReason.NON_FINITE or reason.is_early
    if reason is StopReason.MAX_ITERATIONS:
        # A number of iterations that the user fixed together with the step is not a budget.
        is_own = fitted.delivery.selection.source is DrawSource.MIXTURE
        early = is_own and not has_fixed_length
    if not early and fitted.optimized.missed_share > MAX_MISSED_SHARE:
        return (
            f"Random walks show that the mixture misses {fitted.optimized.missed_share:.1%} of the "
            "posterior. HMC chains cannot correct it, because the log density has no gradient. Use "
            "more components and samples: isogmm.fit_isogmm(model, num_components=48, "
            "num_samples=64)."
        )
    if early:
        return reason.sentence
    delivery = fitted.delivery
    lost = lost_mass(
        fitted.located, delivery.refined, fitted.optimized.mixture, delivery.component_modes
    )
    if lost > 0.0:
        return (
            f"The mixture does not contain a mode with about {lost:.0%} of the mass, which the "
            "search found. Fit full covariances: isogmm.fit_gmmvi(model)."
        )
    return None


def _warn(reason: StopReason, verdict: Verdict, advice: str, has_fixed_length: bool) -> None:
    as_planned = reason is StopReason.CONVERGED or (
        reason is StopReason.MAX_ITERATIONS and has_fixed_length
    )
    if verdict is Verdict.UNRELIABLE or not as_planned:
        if not as_planned and reason.sentence not in advice:
            advice = f"{reason.sentence} {advice}"
        warn_user(f"isogmm: {advice}")


def _of_fit(target: FitTarget, fitted: Fitted, verdict: Verdict) -> Attributes:
    """Attributes of the mixture and its importance weights."""
    pool, delivery = fitted.pool, fitted.delivery
    elbo, elbo_se = pool.pooled_elbo()
    evidence, weights = delivery.evidence, delivery.weights
    is_trusted = (
        delivery.selection.source is DrawSource.CHAINS
        or weights.pareto_k < MAX_PARETO_K
        or weights.relative_ess > FLAT_RELATIVE_ESS
    )
    is_trusted = is_trusted and verdict is not Verdict.UNRELIABLE
    # The error is that of the draws, plus the rounding error of the log density.
    dtype = np.float32 if target.single_precision else np.float64
    rounding = float(np.finfo(dtype).eps) * abs(evidence.log_evidence)
    evidence_se = float(np.hypot(evidence.log_evidence_se, rounding))
    is_trusted = is_trusted and evidence_se < MAX_EVIDENCE_SE
    return {
        "converged": int(fitted.stop_reason is StopReason.CONVERGED),
        "stop_reason": fitted.stop_reason.value,
        "elbo": elbo,
        "elbo_se": elbo_se,
        "pareto_k": float(weights.pareto_k),
        "importance_ess": float(pool.importance_ess()),
        "log_evidence": evidence.log_evidence if is_trusted else float("nan"),
        "log_evidence_se": evidence_se if is_trusted else float("nan"),
        "num_gradient_evaluations": fitted.costs.num_gradients,
        "num_value_evaluations": target.num_value_evaluations,
        "num_components": int(fitted.optimized.mixture.num_components),
        "iterations": fitted.optimized.iterations,
        "num_nonfinite": int(pool.num_nonfinite),
        **({} if target.has_gradient else {"has_gradient": 0}),
    }


def _of_search(fitted: Fitted) -> Attributes:
    """Attributes of the search."""
    located = fitted.located
    if located is None:
        return {}
    return {
        "num_starts": sum(located.num_starts.values()),
        "starts_by_source": json.dumps(located.num_starts),
        "num_screened_points": located.num_screened,
        "num_starts_since_new_mode": located.num_since_new,
        "paths_by_mode": json.dumps(located.mode_counts.tolist()),
        "search_end": located.end.value,
        "num_diverged_candidates": located.num_diverged,
        "located_from": located.origin,
        "unseen_mode_probability": float(located.unseen),
        "unseen_mode_bound": located.unseen_bound,
    }


def _of_chains(target: FitTarget, fitted: Fitted) -> Attributes:
    """Attributes of the HMC chains."""
    refined = fitted.delivery.refined
    if refined is None:
        return {}
    return {
        "refine_transitions": refined.num_transitions,
        "refine_acceptance": refined.acceptance,
        "refine_step_size": refined.step_size,
        "refine_memory": float(refined.start_correlation.max()),
        "refine_scales": ", ".join(target.coordinate_labels[i] for i in refined.scales),
    }


def _tables(fitted: Fitted) -> Tables:
    """Entries of the group ``fit`` beside the mixture."""
    delivery = fitted.delivery
    elbos, elbo_ses = fitted.pool.elbos()
    masses, masses_se = delivery.evidence.shares, delivery.evidence.shares_se
    positions = delivery.selection.positions
    dim = positions.shape[-1]
    mode_means = np.full((len(masses), dim), np.nan)
    for mode in range(len(masses)):
        is_member = delivery.modes == mode
        if is_member.any():
            members = positions if is_member.all() else positions[is_member]
            mode_means[mode] = means(members)
    pool, sd = fitted.pool.positions, sds(positions)
    with np.errstate(divide="ignore"):
        log_sd_shift = np.log(sd / sds(pool))
    tables: Tables = {
        "component_mode": (("chain", "component"), delivery.component_modes),
        "mode_mass": (("mode",), masses),
        "mode_mass_se": (("mode",), masses_se),
        "chain_elbo": (("chain",), elbos),
        "chain_elbo_se": (("chain",), elbo_ses),
        "mode_mean": (("mode", "coordinate"), mode_means),
        # Difference between the delivered draws and those of the mixture, which shows where the
        # mixture is inaccurate.
        "mean_shift": (("coordinate",), (means(positions) - means(pool)) / sd),
        "log_sd_shift": (("coordinate",), log_sd_shift),
    }
    if delivery.refined is not None:
        refined = delivery.refined
        tables["refine_memory"] = (("coordinate",), refined.start_correlation)
        tables["refine_drift"] = (("coordinate",), refined.drift.location)
        tables["refine_drift_se"] = (("coordinate",), refined.drift.location_se)
    return tables

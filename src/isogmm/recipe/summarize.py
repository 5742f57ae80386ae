"""From the stages of a fit to its result: statistics, findings, verdict, attributes."""

import json
from typing import Any

import numpy as np

from isogmm.errors import warn_user
from isogmm.model.improper import improper_direction
from isogmm.model.target import Target
from isogmm.optimize.stopping import MaxIterations
from isogmm.recipe.deliver import Delivery
from isogmm.recipe.options import Options
from isogmm.recipe.stages import Fitted
from isogmm.recipe.verdict import (
    EVIDENCE_SE,
    FLAT_ESS,
    PARETO_K,
    STUCK,
    Findings,
    decide,
)
from isogmm.results.arviz_versions import rhat
from isogmm.results.fit_result import FitResult
from isogmm.results.stop_reason import StopReason, stop_reason_of


def summarize(target: Target, options: Options, fitted: Fitted) -> FitResult:
    """Judge the delivered draws and write everything down; warns where the verdict is bad."""
    optimized, pool, delivery = fitted.optimized, fitted.pool, fitted.delivery
    mixture = optimized.mixture
    elbos, elbo_ses = pool.elbos()
    elbo, elbo_se = pool.pooled_elbo()
    log_q = np.stack(
        [mixture[chain].log_prob(delivery.positions[chain]) for chain in range(len(mixture.means))]
    )
    fixed = isinstance(options.stopping, MaxIterations)
    findings = _findings(target, fitted, elbos, elbo_ses, fixed)
    verdict, advice = decide(findings)
    reason = _stop_reason(fitted)
    located = fitted.located
    stages = fitted.stages
    stages.done("deliver")
    is_flat = delivery.relative_ess > FLAT_ESS
    trusted = delivery.source == "chains" or delivery.pareto_k < PARETO_K or is_flat
    evidence = delivery.evidence
    trusted = trusted and verdict != "unreliable" and evidence.log_evidence_se < EVIDENCE_SE
    attributes: dict[str, str | int | float] = {
        "converged": int(reason is StopReason.CONVERGED),
        "stop_reason": reason.value,
        "elbo": elbo,
        "elbo_se": elbo_se,
        "pareto_k": float(delivery.pareto_k),
        "importance_ess": float(pool.importance_ess()),
        "log_evidence": evidence.log_evidence if trusted else float("nan"),
        "log_evidence_se": evidence.log_evidence_se if trusted else float("nan"),
        "num_gradient_evaluations": int(sum(stages.gradients.values())),
        "verdict": verdict,
        "advice": advice,
        "draws_from": delivery.source,
        "num_modes": findings.num_modes,
        "num_components": int(mixture.num_components),
        "iterations": optimized.iterations,
        "num_nonfinite": int(pool.nonfinite),
        "stage_seconds": json.dumps({k: round(v, 4) for k, v in stages.seconds.items()}),
        "stage_gradient_evaluations": json.dumps(stages.gradients),
    }
    if located is not None:
        attributes |= {
            "num_starts": located.num_starts,
            "num_diverged_candidates": located.num_diverged,
            "located_from": located.origin,
            "unseen_mode_probability": float(located.unseen),
        }
    if delivery.refined is not None:
        refined = delivery.refined
        attributes |= {
            "refine_transitions": refined.num_transitions,
            "refine_acceptance": refined.acceptance,
            "refine_step_size": refined.step_size,
            "refine_memory": float(refined.memory.max()),
            "refine_scales": ", ".join(target.coordinate_names[i] for i in refined.scales),
        }
    as_planned = reason is StopReason.CONVERGED or (reason is StopReason.MAX_ITERATIONS and fixed)
    if verdict == "unreliable" or not as_planned:
        if not as_planned and not advice.startswith(reason.sentence):
            advice = f"{reason.sentence} {advice}"
        warn_user(f"isogmm: {advice}")
    return FitResult(
        target=target,
        mixture=mixture,
        positions=delivery.positions,
        log_density=delivery.log_density,
        log_q=log_q,
        log_weights=delivery.log_weights,
        components=delivery.components,
        modes=delivery.modes,
        history=optimized.history,
        tables=_tables(fitted, elbos, elbo_ses),
        attributes=attributes,
    )


def _stop_reason(fitted: Fitted) -> StopReason:
    """That of the mixture, unless something cut the refinement off."""
    interruption = fitted.delivery.interruption
    if interruption is None:
        return fitted.optimized.stop_reason
    return stop_reason_of(interruption)


def _findings(
    target: Target, fitted: Fitted, elbos: np.ndarray, elbo_ses: np.ndarray, fixed: bool
) -> Findings:
    pool, delivery, located = fitted.pool, fitted.delivery, fitted.located
    names = target.coordinate_names
    draws = delivery.positions
    rhats = np.nan_to_num(np.atleast_1d(rhat(draws)), nan=1.0) if len(draws) > 1 else np.ones(1)
    worst = int(np.argmax(rhats))
    gap = 0.0
    if len(elbos) > 1:
        best = int(np.argmax(elbos))
        behind = elbos[best] - elbos - 3.0 * np.hypot(elbo_ses, elbo_ses[best])
        gap = float(max(behind.max(), 0.0))
    num_modes = len(np.unique(delivery.component_modes))
    refined = delivery.refined
    extra: dict[str, Any] = {}
    if refined is not None:
        sd = draws.std(axis=(0, 1)) + 1e-300
        means = refined.draws.mean(axis=1)
        for mode in np.unique(refined.groups):
            members = refined.groups == mode
            means[members] -= means[members].mean(axis=0)
        mcse = means.std(axis=0) / np.sqrt(len(means)) / sd
        drifting = np.abs(refined.drift.location) + np.abs(refined.drift.spread)
        extra = {
            "forgotten": refined.forgotten,
            "still_drifting": refined.still_drifting,
            "stuck": refined.stuck,
            "mcse": float(mcse.max()),
            "mcse_name": names[int(mcse.argmax())],
            "drift_name": names[int(drifting.argmax())],
        }
        if len(refined.neck):
            away = (np.median(refined.neck, axis=0) - np.median(draws, axis=(0, 1))) / sd
            farthest = int(np.abs(away).argmax())
            side = "large" if away[farthest] > 0 else "small"
            extra["neck"] = f"{names[farthest]} is {side}"
        if refined.still_drifting or refined.stuck > STUCK:
            # The chains ran away from a Gaussian of common width.
            middle = np.median(draws, axis=(0, 1))
            extra["improper"] = improper_direction(target, middle, sd, wide=0.0) or ""
    reason = _stop_reason(fitted)
    early = reason in (StopReason.NON_FINITE, StopReason.INTERRUPTED, StopReason.MAX_SECONDS)
    if reason is StopReason.MAX_ITERATIONS:
        # A number of iterations that the user fixed together with the step is a plan, no budget.
        early = delivery.source == "mixture" and not fixed
    return Findings(
        source=delivery.source,
        pareto_k=delivery.pareto_k,
        relative_ess=delivery.relative_ess,
        rhat=float(rhats[worst]),
        rhat_name=names[worst],
        num_draws=draws.shape[0] * draws.shape[1],
        num_modes=num_modes,
        unseen=located.unseen if located is not None else 0.0,
        mass_se=float(np.max(_masses(delivery)[1])) if num_modes > 1 else 0.0,
        elbo_gap=gap if delivery.source == "mixture" else 0.0,
        nonfinite_share=pool.nonfinite / pool.log_ratios.size,
        stopped_early=reason.sentence if early else None,
        single_precision=target.single_precision,
        **extra,
    )


def _masses(delivery: Delivery) -> tuple[np.ndarray, np.ndarray]:
    """Share of every mode in the whole, and its standard error."""
    evidence = delivery.evidence
    masses = np.exp(evidence.log_masses - evidence.log_evidence)
    return masses, masses * evidence.log_masses_se


def _tables(
    fitted: Fitted, elbos: np.ndarray, elbo_ses: np.ndarray
) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
    """Entries of the group ``fit`` beside the mixture."""
    delivery: Delivery = fitted.delivery
    masses, masses_se = _masses(delivery)
    tables: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
        "component_mode": (("chain", "component"), delivery.component_modes),
        "mode_mass": (("mode",), masses),
        "mode_mass_se": (("mode",), masses_se),
        "chain_elbo": (("chain",), elbos),
        "chain_elbo_se": (("chain",), elbo_ses),
    }
    modes = delivery.modes
    dim = delivery.positions.shape[-1]
    means = np.full((len(masses), dim), np.nan)
    for mode in range(len(masses)):
        members = delivery.positions[modes == mode]
        if len(members):
            means[mode] = members.mean(axis=0)
    tables["mode_mean"] = (("mode", "coordinate"), means)
    draws = delivery.positions.reshape(-1, dim)
    pool = fitted.pool.positions.reshape(-1, dim)
    sd = draws.std(axis=0) + 1e-300
    # How far the mixture's own draws are from the delivered ones: where q was wrong.
    tables["mean_shift"] = (("coordinate",), (draws.mean(axis=0) - pool.mean(axis=0)) / sd)
    with np.errstate(divide="ignore"):
        tables["log_sd_shift"] = (("coordinate",), np.log(sd / (pool.std(axis=0) + 1e-300)))
    if delivery.refined is not None:
        refined = delivery.refined
        tables["refine_memory"] = (("coordinate",), refined.memory)
        tables["refine_drift"] = (("coordinate",), refined.drift.location)
        tables["refine_drift_se"] = (("coordinate",), refined.drift.location_se)
    return tables

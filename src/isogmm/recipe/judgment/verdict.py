"""The verdict: one word and the advice that goes with it."""

from isogmm.recipe.judgment.findings import Findings
from isogmm.recipe.thresholds import (
    FLAT_RELATIVE_ESS,
    MANY_UNSEEN_PROBABILITY,
    MAX_ELBO_GAP,
    MAX_GOOD_K,
    MAX_MASS_SE,
    MAX_MASS_WITHOUT_GRADIENT,
    MAX_MCSE_SD,
    MAX_NONFINITE_SHARE,
    MAX_PARETO_K,
    MAX_RHAT,
    MAX_ROUNDING_ERROR,
    MAX_ROUNDING_ERROR_OF_SEARCH,
    MAX_STUCK_SHARE,
    MAX_UNSEEN_PROBABILITY,
    MAX_WEIGHT_EFFECT,
    MIN_DIM_OF_MISSED_MODES,
    MIN_RELIABLE_IMPORTANCE_ESS,
    MIN_RELIABLE_MIXTURE_ESS,
    MIN_UNCONFIRMED_ESS,
    RHAT_NOISE,
)
from isogmm.results.labeling.labels import DrawSource, Verdict

#: Coordinates that a sentence names.
MAX_NAMED = 5


def decide(findings: Findings) -> tuple[Verdict, str]:
    """The verdict and the advice."""
    if problems := _problems(findings):
        return Verdict.UNRELIABLE, " ".join(problems)
    if findings.source is DrawSource.CHAINS:
        return Verdict.REFINED, (
            "The draws come from HMC chains that became independent of their starting points. "
            + _use(findings)
        )
    if findings.source is DrawSource.IMPORTANCE:
        return Verdict.REWEIGHTED, (
            f"The draws were selected by importance weights ({_why_weighted(findings)}). "
            + _use(findings)
        )
    why = (
        f"Pareto k {findings.pareto_k:.2f}"
        if findings.relative_ess <= FLAT_RELATIVE_ESS
        else f"importance weights are nearly equal: {findings.relative_ess:.1%} effective"
    )
    return Verdict.GOOD, (f"The mixture describes the posterior well ({why}). " + _use(findings))


def _why_weighted(findings: Findings) -> str:
    """Why the draws were weighted: Pareto k, or the effect of weights that are nearly equal."""
    if findings.relative_ess <= FLAT_RELATIVE_ESS or findings.weight_effect is None:
        return f"Pareto k {findings.pareto_k:.2f}"
    return f"without them {findings.weight_effect.describe()}"


def _use(findings: Findings) -> str:
    """What the draws can be used for, with the exceptions."""
    use = "Use the draws like those of MCMC."
    if findings.neck:
        use = (
            f"Use the draws like those of MCMC, except in the tail where {findings.neck} "
            "(unconstrained). The chains needed much smaller steps there, and draws may be "
            "missing. To sample this tail, run isogmm.fit_gmmvi(model)."
        )
    if findings.num_modes < 2:
        return use
    use += (
        f" There are {findings.num_modes} modes, and a mean can lie between them: run "
        "isogmm.plot_modes(idata)."
    )
    if findings.dim < MIN_DIM_OF_MISSED_MODES:
        return use
    return (
        f"{use} A further mode may be missing: in tests with several modes in 10 to 30 dimensions, "
        "one fit in five missed a narrow mode."
    )


def _problems(f: Findings) -> list[str]:
    """What is wrong, one sentence for each problem, with a remedy."""
    found = [f.stopped_early] if f.stopped_early else []
    if f.improper_direction:  # other problems follow from it, and their remedies do not help
        return [
            "The posterior is improper: the log density decreases too slowly along "
            f"{f.improper_direction} to have a finite integral. Give these parameters proper "
            "priors.",
            *found,
        ]
    if f.jumps_along:
        return [
            f"The log density jumps along {f.jumps_along} (unconstrained). Gradients do not show "
            "jumps, so that neither the search nor HMC can follow them. The usual cause is a "
            "continuous switch point in a comparison. Use a discrete switch point and sum it out "
            "(NumPyro sums out discrete sites), or a smooth switch such as a sigmoid.",
            *found,
        ]
    if f.missing_gradients.mass > MAX_MASS_WITHOUT_GRADIENT:
        return [_missing_gradients(f), *found]
    is_rounding = f.rounding_error > MAX_ROUNDING_ERROR or (
        f.unseen_probability > MAX_UNSEEN_PROBABILITY
        and f.rounding_error > MAX_ROUNDING_ERROR_OF_SEARCH
    )
    is_outside = f.nonfinite_share > MAX_NONFINITE_SHARE
    lost_precision = f.stuck_share > MAX_STUCK_SHARE or is_outside
    if f.single_precision and (is_rounding or lost_precision):
        found.append(
            "The model computes in single precision, in which its log density is inaccurate or "
            "not finite. Use double precision: numpyro.enable_x64(), or floatX=float64 in PyMC."
        )
        if is_rounding:  # further starting points or longer chains do not help
            return found
    of_source = _of_chains(f) if f.source is DrawSource.CHAINS else _of_weights(f)
    return found + of_source + _of_draws(f) + _of_modes(f)


def _of_chains(f: Findings) -> list[str]:
    """Problems of the HMC chains."""
    found = []
    if f.still_drifting:
        found.append(
            f"The HMC chains still move away from the mixture (most in {f.drift_name}), so the "
            "draws are not yet draws of the posterior. Continue with "
            "isogmm.nuts_from(idata, model)."
        )
    elif not f.independent_of_start:
        found.append(
            "The HMC chains are still correlated with their starting points. The slowest "
            f"coordinate is {f.slow_name}. Run longer chains: "
            "isogmm.fit_isogmm(model, resume=idata, "
            "refine=isogmm.Refine(max_gradients=3_000_000))."
        )
    elif f.narrow_start:
        found.append(
            f"The starting points of the HMC chains are much too narrow in {f.narrow_start}, so "
            "parts of its tails may be missing. Write the model in a non-centered form."
        )
    if f.stuck_share > MAX_STUCK_SHARE:
        found.append(
            f"{f.stuck_share:.0%} of the HMC chains hardly moved: some regions need much smaller "
            "steps. Write the model in a non-centered form."
        )
    return found


def _of_weights(f: Findings) -> list[str]:
    """Problems of the importance weights."""
    is_reweighted = f.source is DrawSource.IMPORTANCE
    largest_k = MAX_PARETO_K if is_reweighted else MAX_GOOD_K
    smallest_ess = MIN_RELIABLE_IMPORTANCE_ESS if is_reweighted else MIN_RELIABLE_MIXTURE_ESS
    if f.relative_ess < FLAT_RELATIVE_ESS and not f.pareto_k <= largest_k:
        if not f.has_gradient:
            return [
                f"Pareto k is {f.pareto_k:.2f}: the mixture misses part of the posterior. HMC "
                "chains cannot correct it, because the log density has no gradient. Use more "
                "components and samples: isogmm.fit_isogmm(model, num_components=48, "
                "num_samples=64)."
            ]
        return [
            f"Pareto k is {f.pareto_k:.2f}: the mixture misses part of the posterior. Add HMC "
            'chains: isogmm.fit_isogmm(model, resume=idata, refine="auto").'
        ]
    if f.relative_ess < smallest_ess:
        if not f.has_gradient:
            return [
                f"The effective sample size of the importance weights is {f.relative_ess:.0%} of "
                "the draws: the mixture is only a rough approximation. HMC chains cannot correct "
                "it, because the log density has no gradient. Use more components and samples: "
                "isogmm.fit_isogmm(model, num_components=48, num_samples=64)."
            ]
        return [
            f"The effective sample size of the importance weights is {f.relative_ess:.0%} of the "
            "draws: the mixture is only a rough approximation. Add HMC chains: "
            'isogmm.fit_isogmm(model, resume=idata, refine="auto").'
        ]
    if f.has_gradient and f.without_chains and f.relative_ess < MIN_UNCONFIRMED_ESS:
        return [
            f"The effective sample size of the importance weights is {f.relative_ess:.0%}, and no "
            "HMC chains have confirmed them: the mixture may miss a tail. Add HMC chains: "
            'isogmm.fit_isogmm(model, resume=idata, refine="auto").'
        ]
    effect = f.weight_effect
    if is_reweighted and effect is not None and effect.pareto_k > MAX_PARETO_K:
        if not f.has_gradient:
            return [
                f"The estimate of the sd of {effect.tail_name} by importance weights is not "
                f"reliable: its Pareto k is {effect.pareto_k:.2f}. HMC chains cannot correct it, "
                "because the log density has no gradient. Use more components and samples: "
                "isogmm.fit_isogmm(model, num_components=48, num_samples=64)."
            ]
        return [
            f"The estimate of the sd of {effect.tail_name} by importance weights is not reliable: "
            f"its Pareto k is {effect.pareto_k:.2f}. Add HMC chains: "
            'isogmm.fit_isogmm(model, resume=idata, refine="auto").'
        ]
    if not is_reweighted and effect is not None and effect.shift > MAX_WEIGHT_EFFECT:
        return [
            "The draws of the mixture need importance weights: without them the mean or the log "
            f"sd of {effect.name} is wrong by {effect.shift:.2f}. Use them: "
            'isogmm.fit_isogmm(model, resume=idata, importance="auto").'
        ]
    return []


def _of_draws(f: Findings) -> list[str]:
    """Problems of the delivered draws."""
    found = []
    if f.mcse > MAX_MCSE_SD:
        found.append(
            f"The mean of {f.mcse_name} has a Monte Carlo error of {f.mcse:.2f} sd: the chains "
            "move slowly in it. Run longer chains: isogmm.fit_isogmm(model, resume=idata, "
            "refine=isogmm.Refine(max_gradients=3_000_000))."
        )
    chains_disagree = f.rhat > MAX_RHAT + RHAT_NOISE / f.num_draws and f.num_modes < 2
    if chains_disagree and f.has_gradient:
        found.append(
            f"The chains disagree (R-hat {f.rhat:.2f} for {f.rhat_name}): some of them miss part "
            "of the posterior. Continue with isogmm.nuts_from(idata, model)."
        )
    elif chains_disagree:
        found.append(
            f"The chains disagree (R-hat {f.rhat:.2f} for {f.rhat_name}): some of them miss part "
            "of the posterior. HMC chains cannot correct it, because the log density has no "
            "gradient. Use more components and samples: isogmm.fit_isogmm(model, "
            "num_components=48, num_samples=64)."
        )
    return found


def _of_modes(f: Findings) -> list[str]:
    """Problems of the modes, of the mixtures of the chains, and of the support."""
    found = []
    unseen = f.unseen_probability
    if f.num_modes == 1 and unseen > MAX_UNSEEN_PROBABILITY:
        found.append(
            f"One mode was found, and {unseen:.0%} of further starting points may lead to a new "
            "one. Use more starting points: "
            "isogmm.fit_isogmm(model, init=isogmm.Locate(num_starts=64))."
        )
    elif unseen > MANY_UNSEEN_PROBABILITY:
        found.append(
            f"{f.num_modes} modes were found, and {unseen:.0%} of further starting points may lead "
            "to a new one. Posteriors with very many modes often have a symmetry, such as labels "
            "that can be exchanged or signs that can be changed. Remove it by constraints, such as "
            "an order of the labels."
        )
    elif unseen > MAX_UNSEEN_PROBABILITY:
        found.append(
            f"{f.num_modes} modes were found, and {unseen:.0%} of further starting points may lead "
            "to a new one. Raise the limits of the search: isogmm.fit_isogmm(model, "
            "init=isogmm.Locate(max_starts=8192, max_evaluations=1_000_000))."
        )
    if f.num_modes > 1 and f.mass_se > MAX_MASS_SE:
        found.append(
            f"The masses of the {f.num_modes} modes are uncertain by up to {f.mass_se:.2f}. "
            "Summarize each mode separately. To plot the modes, run isogmm.plot_modes(idata)."
        )
    if f.elbo_gap > MAX_ELBO_GAP:
        found.append(
            f"The ELBOs of the chains differ by {f.elbo_gap:.1f} nats beyond their noise: some "
            "chains are in a local optimum. Use more starting points: isogmm.fit_isogmm(model, "
            "init=isogmm.Locate(num_starts=64))."
        )
    if f.nonfinite_share > MAX_NONFINITE_SHARE:
        why = f.nonfinite_terms or "The posterior density drops to zero at a boundary."
        found.append(
            f"{f.nonfinite_share:.0%} of the mixture's draws have no finite log density. {why} "
            "Choose priors that exclude this region."
        )
    return found


def _missing_gradients(f: Findings) -> str:
    """The problem of a gradient that is not finite, with the remedy."""
    names = ", ".join(f.missing_gradients.names[:MAX_NAMED])
    names += ", ..." if len(f.missing_gradients.names) > MAX_NAMED else ""
    remedy = (
        "The draws lack this part. A where or switch differentiates both of its branches: replace "
        "invalid arguments first, where(valid, f(where(valid, x, 1.0)), 0.0)."
    )
    if f.single_precision:
        remedy += (
            " If there is none, use double precision: numpyro.enable_x64(), or floatX=float64 in "
            "PyMC."
        )
    return (
        f"In {f.missing_gradients.mass:.1%} of the posterior the log density is finite, but its "
        f"derivative with respect to {names} is not. {remedy}"
    )

"""Faults of the recipe and of studies."""

from fault import Fault

RECIPE, STUDIES = "src/isogmm/recipe/", "src/isogmm/studies/"
DELIVERY, FAMILIES, JUDGMENT = RECIPE + "delivery/", RECIPE + "families/", RECIPE + "judgment/"
AUTO = ("tests/recipe/families/auto/test_rounds.py",)
CALIBRATE = ("tests/studies/test_calibrate.py",)
CHAIN_MODES = ("tests/recipe/delivery/test_chain_modes.py",)
DELIVER = ("tests/recipe/delivery/test_deliver.py",)
FACTORIZED = ("tests/recipe/families/factorized/test_family.py",)
FINDINGS = ("tests/recipe/judgment/test_findings.py",)
GMMVI = ("tests/recipe/families/gaussian/test_fit_gmmvi.py",)
GROWTH = ("tests/recipe/families/isotropic/test_growth.py",)
LOST_MODES = ("tests/recipe/judgment/test_lost_modes.py",)
MIXTURE_FAMILY = ("tests/recipe/families/test_mixture_family.py",)
ONE_GAUSSIAN = ("tests/recipe/families/isotropic/test_one_gaussian.py",)
OPTIONS = ("tests/recipe/test_options.py",)
PIT = ("tests/studies/test_pit.py",)
RESUME = ("tests/recipe/resuming/test_resume.py",)
RUN_CHAINS = ("tests/recipe/delivery/test_run_chains.py",)
SELECT = ("tests/recipe/delivery/test_select_draws.py",)
STUDY = ("tests/studies/test_study.py",)
SUMMARIZE = ("tests/recipe/judgment/test_summarize.py",)
TAILS = ("tests/recipe/families/isotropic/test_tails.py",)
UNIFORM = ("tests/studies/test_uniformity.py",)
VALUES_ONLY = ("tests/recipe/test_values_only.py",)

RECIPE_FAULTS: list[Fault] = [
    # --- findings and verdict -----------------------------------------------------------------
    Fault(
        "findings: chains that do not move agree",
        JUDGMENT + "findings.py",
        "nan=1.0, posinf=np.inf)",
        "nan=1.0, posinf=1.0)",
        FINDINGS,
    ),
    Fault(
        "findings: a limit of the search leaves no unseen modes",
        JUDGMENT + "findings.py",
        "return max(located.unseen, located.unseen_bound) if is_limited else located.unseen",
        "return located.unseen",
        FINDINGS,
    ),
    Fault(
        "findings: the gap of the ELBOs has the wrong sign",
        JUDGMENT + "findings.py",
        "behind = elbos[best] - elbos - ",
        "behind = elbos - elbos[best] - ",
        FINDINGS,
    ),
    Fault(
        "findings: the smallest error of a mass",
        JUDGMENT + "findings.py",
        "np.max(delivery.evidence.shares_se)",
        "np.min(delivery.evidence.shares_se)",
        FINDINGS,
    ),
    Fault(
        "findings: the Monte Carlo error is divided by the number of chains",
        JUDGMENT + "findings.py",
        "means.std(axis=0) / np.sqrt(len(means))",
        "means.std(axis=0) / len(means)",
        FINDINGS,
    ),
    Fault(
        "findings: the neck is on the other side",
        JUDGMENT + "findings.py",
        '"large" if away[farthest] > 0 else "small"',
        '"large" if away[farthest] < 0 else "small"',
        FINDINGS,
    ),
    Fault(
        "findings: chains that hardly move are not tested for an improper posterior",
        JUDGMENT + "findings.py",
        "if refined.still_drifting or refined.stuck_share > MAX_STUCK_SHARE:",
        "if refined.still_drifting:",
        FINDINGS,
    ),
    Fault(
        "findings: draws outside the support are not counted",
        JUDGMENT + "findings.py",
        "pool.num_nonfinite / pool.log_ratios.size",
        "0.0 / pool.log_ratios.size",
        FINDINGS,
    ),
    Fault(
        "findings: the effect of the weights is dropped",
        JUDGMENT + "findings.py",
        "weight_effect=delivery.weight_effect",
        "weight_effect=None",
        FINDINGS,
    ),
    Fault(
        "findings: weights without chains count as confirmed",
        JUDGMENT + "findings.py",
        "without_chains=delivery.without_chains",
        "without_chains=False",
        FINDINGS,
    ),
    Fault(
        "verdict: chains are recommended without a gradient (few effective draws)",
        JUDGMENT + "verdict.py",
        "if f.relative_ess < smallest_ess:\n        if not f.has_gradient:",
        "if f.relative_ess < smallest_ess:\n        if False:",
        VALUES_ONLY,
    ),
    Fault(
        "verdict: chains are recommended without a gradient (R-hat)",
        JUDGMENT + "verdict.py",
        "if chains_disagree and f.has_gradient:",
        "if chains_disagree:",
        VALUES_ONLY,
    ),
    Fault(
        "causes: jumps are not reported",
        JUDGMENT + "causes.py",
        'jumps_along=jumps or ""',
        'jumps_along=""',
        FINDINGS,
    ),
    Fault(
        "lost modes: the mode of a draw without the width of the modes",
        JUDGMENT + "lost_modes.py",
        "log_mass - own.log_det() - ",
        "log_mass - ",
        LOST_MODES,
    ),
    Fault(
        "summary: unreliable fits have an evidence",
        JUDGMENT + "summarize.py",
        "is_trusted = is_trusted and verdict is not Verdict.UNRELIABLE",
        "is_trusted = is_trusted and True",
        SUMMARIZE,
    ),
    Fault(
        "summary: the log q of another chain",
        JUDGMENT + "summarize.py",
        "mixture[chain].log_prob(draws.positions[chain])",
        "mixture[0].log_prob(draws.positions[chain])",
        SUMMARIZE,
    ),
    Fault(
        "summary: mass that the mixture misses is not reported",
        JUDGMENT + "summarize.py",
        "fitted.optimized.missed_share > MAX_MISSED_SHARE",
        "fitted.optimized.missed_share > 1.0",
        SUMMARIZE,
    ),
    Fault(
        "summary: a limit on iterations leaves draws of the mixture trusted",
        JUDGMENT + "summarize.py",
        "early = is_own and not has_fixed_length",
        "early = False",
        SUMMARIZE,
    ),
    Fault(
        "summary: the shift of the mean has the wrong sign",
        JUDGMENT + "summarize.py",
        "(means(positions) - means(pool)) / sd",
        "(means(pool) - means(positions)) / sd",
        SUMMARIZE,
    ),
    # --- delivery -----------------------------------------------------------------------------
    Fault(
        "delivery: draws without a log density are chosen by weights",
        DELIVERY + "deliver.py",
        "if not state.pool.is_evaluated.all():",
        "if False:",
        DELIVER,
    ),
    Fault(
        "delivery: weights with a small effective sample size need no chains",
        DELIVERY + "deliver.py",
        "return is_reliable and weights.relative_ess > MIN_REWEIGHT_RELATIVE_ESS",
        "return is_reliable",
        DELIVER,
    ),
    Fault(
        "delivery: chains confirm weights that do not determine a moment",
        DELIVERY + "deliver.py",
        "is_reliable = effect is None or effect.pareto_k <= MAX_PARETO_K",
        "is_reliable = True",
        DELIVER,
    ),
    Fault(
        "delivery: draws that nothing corrects have the variables of other draws",
        DELIVERY + "deliver.py",
        "constrained=state.constrained.groups if is_pool else None",
        "constrained=state.constrained.groups",
        DELIVER,
    ),
    Fault(
        "delivery: importance=False is ignored where chains may confirm the weights",
        DELIVERY + "deliver.py",
        "return options.refinement.is_optional and options.importance is not When.NEVER",
        "return options.refinement.is_optional",
        DELIVER,
    ),
    Fault(
        "chains start from the draws of the first fit only",
        DELIVERY + "run_chains.py",
        "per_chain, generator) + chain * size",
        "per_chain, generator) + 0 * chain * size",
        RUN_CHAINS,
    ),
    Fault(
        "selection: draws outside the support are delivered",
        DELIVERY + "select_draws.py",
        "usable = ~np.isneginf(pool.log_density)",
        "usable = pool.log_density < np.inf",
        SELECT,
    ),
    Fault(
        "selection: the first draws instead of strata",
        DELIVERY + "select_draws.py",
        "return np.sort(by_component[levels.astype(int)])",
        "return good[:draws]",
        SELECT,
    ),
    Fault(
        "chains that reach a new mode are not followed",
        DELIVERY + "chain_modes.py",
        "return new_maxima(target, ends",
        "return [][:0] and new_maxima(target, ends",
        CHAIN_MODES,
    ),
    Fault(
        "pool: random variables of the model have another seed than in the result",
        DELIVERY + "constrained_pool.py",
        'seed_of_model({"random_seed": random_seed})',
        'seed_of_model({"random_seed": 0})',
        DELIVER,
    ),
    # --- families -----------------------------------------------------------------------------
    Fault(
        "history: evaluations of a second optimization start at zero",
        FAMILIES + "histories.py",
        '("iteration", "gradient_evaluations", "seconds")',
        '("iteration", "seconds")',
        MIXTURE_FAMILY,
    ),
    Fault(
        "rounds: the time limit in a dropped optimization does not end the fit",
        FAMILIES + "mixture_family.py",
        "if optimized.stop_reason.is_early:\n            # The smaller",
        "if False:\n            # The smaller",
        MIXTURE_FAMILY,
    ),
    Fault(
        "checkpoint: the mixture is continued without its matrix",
        FAMILIES + "mixture_family.py",
        'for part in PARTS if f"map_{part}" in arrays',
        'for part in PARTS[:2] if f"map_{part}" in arrays',
        MIXTURE_FAMILY,
    ),
    Fault(
        "one Gaussian: importance=False is ignored",
        FAMILIES + "isotropic/one_gaussian.py",
        "is_enough = is_enough and importance is not When.NEVER",
        "is_enough = bool(is_enough)",
        ONE_GAUSSIAN,
    ),
    Fault(
        "tails: what random walks find is not reported",
        FAMILIES + "isotropic/family.py",
        "missed_share=found.missed_share",
        "missed_share=0.0",
        TAILS,
    ),
    Fault(
        "probe: missed tails do not count",
        FAMILIES + "isotropic/probe.py",
        "return max(everywhere, tails * float(self.missed[self.in_tail].mean()))",
        "return everywhere",
        TAILS,
    ),
    Fault(
        "growth: the halves of a component have twice its weight",
        FAMILIES + "isotropic/growth.py",
        "log_weights[chain, worst] -= np.log(2.0)",
        "log_weights[chain, worst] -= 0.0",
        GROWTH,
    ),
    Fault(
        "auto: a limit of full covariances ends the fit",
        FAMILIES + "auto/rounds.py",
        "if is_full and optimized.stop_reason is StopReason.MAX_ITERATIONS:",
        "if False:",
        AUTO,
    ),
    Fault(
        "auto: the checkpoint lacks the Gaussians of the modes",
        FAMILIES + "auto/rounds.py",
        "            if context.save is not None:",
        "            if False:",
        AUTO,
    ),
    Fault(
        "gaussian: diagonal covariances become those of standard deviations",
        FAMILIES + "gaussian/family.py",
        "mixture.covariances[..., None] * np.eye",
        "np.sqrt(mixture.covariances)[..., None] * np.eye",
        GMMVI,
    ),
    Fault(
        "factorized: each chain has the whole time",
        FAMILIES + "factorized/family.py",
        "left = max_seconds - spent",
        "left = max_seconds + 0.0 * spent",
        FACTORIZED,
    ),
    Fault(
        "factorized: all chains have the same random numbers",
        RECIPE + "context.py",
        "np.random.default_rng([self.seed, chain])",
        "np.random.default_rng(self.seed)",
        OPTIONS,
    ),
    # --- options and resuming -----------------------------------------------------------------
    Fault(
        "options: max_seconds is ignored with a fixed number of iterations",
        RECIPE + "options.py",
        "return MaxIterations(max_iterations, max_seconds=limit)",
        "return MaxIterations(max_iterations)",
        OPTIONS,
    ),
    Fault(
        "options: tolerance is ignored",
        RECIPE + "options.py",
        "tolerance=default_tolerance if gain is None else gain",
        "tolerance=default_tolerance",
        OPTIONS,
    ),
    Fault(
        "options: the tolerances with and without chains are exchanged",
        RECIPE + "options.py",
        "return TOLERANCE if refinement(refine, 0).settings is None else TOLERANCE_WITH_CHAINS",
        "return TOLERANCE_WITH_CHAINS if refinement(refine, 0).settings is None else TOLERANCE",
        OPTIONS,
    ),
    Fault(
        "run: chains that are fitted one after another do not depend on the seed",
        RECIPE + "run.py",
        "            seed=seed,\n            costs=progress.costs",
        "            costs=progress.costs",
        FACTORIZED,
    ),
    Fault(
        "resume: the modes of the earlier fit are forgotten",
        RECIPE + "resuming/resume.py",
        "return Start(mixture, centers[known] if known.any() else None)",
        "return Start(mixture)",
        RESUME,
    ),
    Fault(
        "checkpoint: the modes of the stored fit are forgotten",
        RECIPE + "resuming/resume.py",
        "return Start(self._mixture(stored), centers)",
        "return Start(self._mixture(stored))",
        RESUME,
    ),
    Fault(
        "checkpoint: other variables of equal number are accepted",
        RECIPE + "resuming/resume.py",
        "if names != self.names:",
        "if len(names) != len(self.names):",
        RESUME,
    ),
    # --- studies ------------------------------------------------------------------------------
    Fault(
        "study: all data sets have the same seed",
        STUDIES + "datasets.py",
        "np.random.SeedSequence([seed, index])",
        "np.random.SeedSequence([seed])",
        STUDY,
    ),
    Fault(
        "study: results in the order in which they were fitted",
        STUDIES + "study.py",
        "outcomes = [self._outcomes[job.index] for job in jobs]",
        "outcomes = list(self._outcomes.values())",
        STUDY,
    ),
    Fault(
        "study: an option that fails for one data set ends the study",
        STUDIES + "study.py",
        "if invalid is not None and not self._has_result():",
        "if invalid is not None:",
        STUDY,
    ),
    Fault(
        "study: unreliable fits are not named",
        STUDIES + "summary.py",
        '.get("verdict") == Verdict.UNRELIABLE.value',
        '.get("verdict") is None',
        STUDY,
    ),
    Fault(
        "folder: the data of earlier calls are forgotten",
        STUDIES + "folder.py",
        '"datasets": old | digests',
        '"datasets": digests',
        STUDY,
    ),
    Fault(
        "folder: results of another function that fits are accepted",
        STUDIES + "folder.py",
        '{"fit": _name_of(work.fit)}',
        '{"fit": "fit"}',
        STUDY,
    ),
    Fault(
        "PIT: draws that are equal to the true value count as lower",
        STUDIES + "pit.py",
        "(flat < true).mean(axis=0)",
        "(flat <= true).mean(axis=0)",
        PIT,
    ),
    Fault(
        "PIT: ties are broken in the same way in all data sets",
        STUDIES + "pit.py",
        "np.random.default_rng(job.seed)",
        "np.random.default_rng(0)",
        PIT,
    ),
    Fault(
        "PIT: the truth of the first data set",
        STUDIES + "pit.py",
        "np.asarray(truth[job.index])",
        "np.asarray(truth[0])",
        PIT,
    ),
    Fault(
        "uniformity: two tests count as one",
        STUDIES + "uniformity.py",
        "return min(1.0, 2.0 * min(self.p_location, self.p_scale))",
        "return min(self.p_location, self.p_scale)",
        UNIFORM,
    ),
    Fault(
        "uniformity: one tail of the PIT values shows the scale",
        STUDIES + "uniformity.py",
        "folded = np.abs(2.0 * pit - 1.0)",
        "folded = np.maximum(2.0 * pit - 1.0, 0.0)",
        UNIFORM,
    ),
    Fault(
        "calibration: the level is not divided by the number of quantities",
        STUDIES + "calibrate.py",
        "each.p_value < LEVEL / len(tests)",
        "each.p_value < LEVEL",
        CALIBRATE,
    ),
    Fault(
        "calibration: posterior draws are repeated",
        STUDIES + "calibrate.py",
        "n, replace=False)",
        "n, replace=True)",
        CALIBRATE,
    ),
    Fault(
        "cross-validation: the rows that were left out are fitted",
        STUDIES + "sampling_wrapper.py",
        "return self._others(held_out), held_out",
        "return held_out, held_out",
        ("tests/studies/test_sampling_wrapper.py",),
    ),
]

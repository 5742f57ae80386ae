"""The list of faults: a change of one place in the sources, and the tests that must notice it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """A text in a file, the text that replaces it, and the tests that must fail then."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def applied_to(self, source: str) -> str:
        """The source with the fault; the old text must occur exactly once."""
        if source.count(self.old) != 1:
            count = source.count(self.old)
            raise ValueError(f"{self.name}: {self.file} has the text {count} times, not once")
        return source.replace(self.old, self.new)


LOCATE, DRAWS, CHAINS = "src/isogmm/locate/", "src/isogmm/draws/", "src/isogmm/draws/chains/"
RECIPE, OPTIMIZE = "src/isogmm/recipe/", "src/isogmm/optimize/"
MATCH = ("tests/locate/gaussian/test_batch_and_match.py",)
REJECTION = ("tests/draws/chains/test_delayed_rejection.py",)
MASSES = ("tests/draws/test_masses.py",)
WARMUP = ("tests/draws/chains/test_warmup.py",)
CONVERGENCE = ("tests/draws/chains/test_convergence.py",)
REMAINING_BIAS = ("tests/draws/chains/test_remaining_bias.py",)
ESTIMATES = ("tests/locate/modes/test_estimates.py",)
RECORDING = ("tests/draws/chains/test_recording.py",)
REPEATS = ("tests/draws/test_refine_repeats.py",)
AGREEMENT = ("tests/draws/test_agreement.py",)
VERDICT = ("tests/recipe/judgment/test_verdict.py",)
HMC_MIDDLES = ("tests/draws/chains/test_hmc.py",)
STEIN = ("tests/draws/test_stein.py",)
SUBSET = ("tests/draws/test_balanced_subset.py",)
RULES = ("tests/optimize/updates/test_rules.py",)
SPHERES = ("tests/locate/spheres/test_spheres.py",)
POOLED = ("tests/draws/chains/test_learn_pooled.py",)
UNIFORM = ("tests/studies/test_uniformity.py",)
ROWS = "src/isogmm/rows/"
IMPORTANCE = ("tests/draws/test_importance.py", "tests/draws/test_masses.py")

FAULTS = [
    Fault(
        "roughness: curvature taken for rounding errors",
        LOCATE + "roughness.py",
        "0.5 * (gradients + others)",
        "gradients",
        ("tests/locate/test_roughness.py",),
    ),
    Fault(
        "batch and match: weight of the mean term is 1",
        LOCATE + "gaussian/batch_and_match.py",
        "weight = damping_factor / (1.0 + damping_factor)\n    draws, draw_mean",
        "weight = 1.0\n    draws, draw_mean",
        MATCH,
    ),
    Fault(
        "batch and match: no term of the mean gradient",
        LOCATE + "gaussian/batch_and_match.py",
        "np.sqrt(weight) * scores.gradient_mean[:, None]",
        "0.0 * scores.gradient_mean[:, None]",
        MATCH,
    ),
    Fault(
        "batch and match: constant late damping",
        LOCATE + "gaussian/batch_and_match.py",
        "return CONSTANT_DAMPING / max(1.0, float(iteration - CONSTANT_UNTIL))",
        "return CONSTANT_DAMPING",
        MATCH,
    ),
    Fault(
        "batch and match: width kept outside the support",
        LOCATE + "gaussian/batch_and_match.py",
        "SHRINKAGE * candidates.factors[is_too_wide]",
        "candidates.factors[is_too_wide]",
        MATCH,
    ),
    Fault(
        "batch and match: diagonal covariance halved",
        LOCATE + "gaussian/batch_and_match.py",
        "covariance = 2.0 * v / (1.0 + np.sqrt(1.0 + 4.0 * u * v))",
        "covariance = v / (1.0 + np.sqrt(1.0 + 4.0 * u * v))",
        MATCH,
    ),
    Fault(
        "batch and match: undamped mean",
        LOCATE + "gaussian/batch_and_match.py",
        "shift = weight * (pulled + scores.draw_mean)",
        "shift = pulled + scores.draw_mean",
        MATCH,
    ),
    Fault(
        "batch and match: variances for standard deviations",
        LOCATE + "gaussian/batch_and_match.py",
        "candidates.factors * np.sqrt(covariance)",
        "candidates.factors * covariance",
        MATCH,
    ),
    Fault(
        "HMC: the third try without the rejections of the reverse path",
        CHAINS + "delayed_rejection.py",
        "decrease[inside] + reverse - log_rejected[inside]",
        "decrease[inside] - log_rejected[inside]",
        REJECTION,
    ),
    Fault(
        "HMC: the second rejection does not count in the third try",
        CHAINS + "hmc.py",
        "log_rejected = log_rejected + log_rejection_probability(proposal.log_ratio)",
        "pass",
        REJECTION,
    ),
    Fault(
        "HMC: momentum not reversed on the way back",
        CHAINS + "delayed_rejection.py",
        "-end_momenta[inside]",
        "end_momenta[inside]",
        REJECTION,
    ),
    Fault(
        "HMC: mixed step sizes are tried again",
        CHAINS + "hmc.py",
        "has_retries = self.retry_factor and self.step_factors is None",
        "has_retries = bool(self.retry_factor)",
        REJECTION,
    ),
    Fault(
        "HMC: full last step of the momentum",
        CHAINS + "leapfrog.py",
        "now = momenta + 0.5 * step * gradients",
        "now = momenta + 1.0 * step * gradients",
        REJECTION,
    ),
    Fault(
        "HMC: middle states are accepted like the ends",
        CHAINS + "hmc.py",
        "chains.accept(middle, np.log(uniforms[0]) < middle_decrease)",
        "chains.accept(middle, moved)",
        HMC_MIDDLES,
    ),
    Fault(
        "Stein: identity without the derivative of the position",
        DRAWS + "stein.py",
        "points * gradients + 1.0",
        "points * gradients",
        STEIN,
    ),
    Fault(
        "Stein: weights in the wrong direction",
        DRAWS + "stein.py",
        "1.0 - (flat - means) @ solution",
        "1.0 + (flat - means) @ solution",
        STEIN,
    ),
    Fault(
        "subset: candidates with equal probabilities",
        DRAWS + "balanced_subset.py",
        "own = weights[members]",
        "own = np.ones(len(members))",
        SUBSET,
    ),
    Fault(
        "chains outside the support all become the same chain",
        CHAINS + "state.py",
        "finite[np.arange(is_bad.sum()) % len(finite)]",
        "finite[0]",
        REJECTION,
    ),
    Fault(
        "systematic resampling in order",
        DRAWS + "importance.py",
        "return generator.permutation(systematic_indices(weights, count, generator))",
        "return systematic_indices(weights, count, generator)",
        IMPORTANCE,
    ),
    Fault(
        "effective sample size without the square",
        DRAWS + "importance.py",
        "weights.sum() ** 2 / (weights**2).sum()",
        "weights.sum() / (weights**2).sum()",
        IMPORTANCE,
    ),
    Fault(
        "tempering stops at once",
        DRAWS + "importance.py",
        "power *= TEMPERING_FACTOR",
        "power = 0.0",
        IMPORTANCE,
    ),
    Fault(
        "shortage counts all weights",
        DRAWS + "importance.py",
        "np.maximum(weights / weights.mean() - factor, 0.0)",
        "np.abs(weights / weights.mean() - factor)",
        IMPORTANCE,
    ),
    Fault(
        "bridge: inefficiency ignored",
        DRAWS + "evidence.py",
        "max(len(log_chains) / inefficiency, 1.0)",
        "max(len(log_chains), 1.0)",
        MASSES,
    ),
    Fault(
        "bridge: no error of the chains",
        DRAWS + "evidence.py",
        "covariance_of_means(values) + of_chains(residuals)",
        "covariance_of_means(values)",
        MASSES,
    ),
    Fault(
        "bridge: one iteration",
        DRAWS + "evidence.py",
        "if abs(new - log_r) < BRIDGE_TOLERANCE:",
        "if True:",
        MASSES,
    ),
    Fault(
        "bridge: shares of the mixture ignored",
        DRAWS + "evidence.py",
        "log_masses[region] = log_r + np.log(share)",
        "log_masses[region] = log_r",
        ("tests/draws/test_evidence.py",),
    ),
    Fault(
        "evidence: draws outside the support ignored",
        DRAWS + "evidence.py",
        "known = pool.is_evaluated",
        "known = np.isfinite(pool.log_ratios)",
        ("tests/draws/test_masses.py", "tests/draws/test_evidence.py"),
    ),
    Fault(
        "delivered chains are not weighted by the masses of their modes",
        RECIPE + "delivery/select_draws.py",
        "masses[region] / share",
        "1.0",
        MASSES,
    ),
    Fault(
        "uncertain masses are used",
        RECIPE + "delivery/select_draws.py",
        "<= MAX_USABLE_MASS_SE",
        "<= np.inf",
        MASSES,
    ),
    Fault(
        "tempering equalizes the masses of the starts",
        RECIPE + "delivery/run_chains.py",
        "weights[members] *= full[members].sum() / full.sum() / weights[members].sum()",
        "weights[members] *= 1.0",
        MASSES,
    ),
    Fault(
        "agreement: the tails always agree",
        DRAWS + "agreement.py",
        "return bool(np.all(shares < max_share))",
        "return True",
        AGREEMENT,
    ),
    Fault(
        "agreement: spread not compared",
        DRAWS + "agreement.py",
        "((draws, chains), (np.abs(draws), np.abs(chains)))",
        "((draws, chains),)",
        AGREEMENT,
    ),
    Fault(
        "agreement: draws not weighted",
        DRAWS + "agreement.py",
        "of_chains.mean(axis=0) - self.weights @ of_draws",
        "of_chains.mean(axis=0) - of_draws.mean(axis=0)",
        AGREEMENT,
    ),
    Fault(
        "agreement: error of the chains alone",
        DRAWS + "agreement.py",
        "np.sqrt(1.0 / len(positions) + 1.0 / self.ess)",
        "np.sqrt(1.0 / len(positions) + 0.0 / self.ess)",
        AGREEMENT,
    ),
    Fault(
        "agreement: only the upper tail",
        DRAWS + "agreement.py",
        "np.maximum((chains < low).mean(axis=0), (chains > high).mean(axis=0))",
        "(chains > high).mean(axis=0)",
        AGREEMENT,
    ),
    Fault(
        "warm-up not doubled after independence",
        CHAINS + "warmup.py",
        "max(self._length, self.independent_at + self.age)",
        "max(self._length, self.independent_at)",
        WARMUP,
    ),
    Fault(
        "warm-up: new coordinates keep the old starting points",
        CHAINS + "warmup.py",
        "if self.age == 0:",
        "if False:",
        WARMUP,
    ),
    Fault(
        "warm-up: settling of the coordinates ignored",
        CHAINS + "warmup.py",
        "max(self._length, coordinates.settled_at)",
        "self._length",
        WARMUP,
    ),
    Fault(
        "warm-up: no budget",
        CHAINS + "warmup.py",
        "if num_gradients > MAX_WARMUP_SHARE * self.max_gradients:",
        "if num_gradients > self.max_gradients:",
        WARMUP,
    ),
    Fault(
        "correlation with the start between modes",
        CHAINS + "convergence.py",
        "first, second = without_group_means(first, groups), without_group_means(second, groups)",
        "first, second = first - first.mean(0), second - second.mean(0)",
        CONVERGENCE,
    ),
    Fault(
        "threshold of independence without the number of coordinates",
        CHAINS + "convergence.py",
        "np.sqrt(2.0 * np.log(2.0 * dim) / num_chains)",
        "np.sqrt(2.0 * np.log(2.0) / num_chains)",
        CONVERGENCE,
    ),
    Fault(
        "drift: halves exchanged with the whole",
        CHAINS + "convergence.py",
        "part[:, half:].mean(axis=1) - part[:, :half].mean(axis=1)",
        "part[:, half:].mean(axis=1) - part.mean(axis=1)",
        CONVERGENCE,
    ),
    Fault(
        "tail error: density of the normal distribution at the median",
        CHAINS + "convergence.py",
        "TAIL_DENSITY = 0.103",
        "TAIL_DENSITY = 0.399",
        CONVERGENCE,
    ),
    Fault(
        "error of a log sd: that of the log variance",
        CHAINS + "convergence.py",
        "errors.append(0.5 * spread / np.sqrt(len(draws)))",
        "errors.append(spread / np.sqrt(len(draws)))",
        CONVERGENCE,
    ),
    Fault(
        "search: an ELBO that still rises counts as final",
        LOCATE + "modes/estimates.py",
        "fitted.elbo + MAX_RISE_FACTOR * np.maximum(rise, 0.0)",
        "fitted.elbo + 0.0 * rise",
        ESTIMATES,
    ),
    Fault(
        "search: all ELBOs below the limit have all iterations",
        LOCATE + "modes/estimates.py",
        "np.flatnonzero((fitted.elbo <= limit) & (limit < reach))",
        "np.flatnonzero(fitted.elbo <= limit)",
        ESTIMATES,
    ),
    Fault(
        "search: modes whose ELBO still rises are dropped",
        LOCATE + "modes/mode_search.py",
        "max(one.log_mass, one.reach) > lowest",
        "one.log_mass > lowest",
        ESTIMATES,
    ),
    Fault(
        "remaining bias: autocorrelation at half of the recording",
        CHAINS + "remaining_bias.py",
        "powers = (age + 1.0 + np.arange(length)) / lag - 2.0",
        "powers = np.zeros(length)",
        REMAINING_BIAS,
    ),
    Fault(
        "remaining bias: the recording counts as unbiased",
        CHAINS + "remaining_bias.py",
        "share / (1.0 - share) * difference",
        "share * difference",
        REMAINING_BIAS,
    ),
    Fault(
        "remaining bias: modes compared with each other",
        CHAINS + "remaining_bias.py",
        "center = _group_means(values.mean(axis=1), groups)",
        "center = 0.0 * values[:, 0] + values.mean(axis=(0, 1))",
        REMAINING_BIAS,
    ),
    Fault(
        "remaining bias: slopes of early values on late ones",
        CHAINS + "remaining_bias.py",
        'np.einsum("mnb,mnb->b", early, early)',
        'np.einsum("mnb,mnb->b", late, late)',
        REMAINING_BIAS,
    ),
    Fault(
        "a recording with slow coordinates is delivered",
        DRAWS + "refine.py",
        "is_complete = not depends_on_start and error.max() <= MAX_LOG_SD_ERROR",
        "is_complete = not change.is_significant(MAX_DRIFT_SD)",
        REPEATS,
    ),
    Fault(
        "the part of a recording that depends on the starting points is delivered",
        DRAWS + "refine.py",
        "if depends_on_start:",
        "if False:",
        REPEATS,
    ),
    Fault(
        "recording: thinned positions keep the age of the first one",
        CHAINS + "recording.py",
        "self.num_before += num_transitions",
        "self.num_before += num_stored",
        RECORDING,
    ),
    Fault(
        "recording: moves of the discarded half count",
        CHAINS + "recording.py",
        "del self.acceptance[:num_transitions], self.moved[:num_transitions]",
        "del self.acceptance[:num_transitions]",
        RECORDING,
    ),
    Fault(
        "recording: middle states out of step with the ends after thinning",
        CHAINS + "recording.py",
        "self.recycled = self.recycled[::factor]",
        "pass",
        RECORDING,
    ),
    Fault(
        "standard error of the log sd does not change the verdict",
        DRAWS + "refine.py",
        "np.maximum(bias / MAX_TRUSTED_BIAS, error / MAX_TRUSTED_LOG_SD_ERROR)",
        "bias / MAX_TRUSTED_BIAS",
        REPEATS,
    ),
    Fault(
        "slow coordinates do not change the verdict",
        DRAWS + "refine.py",
        "is_low and slowness.max() <= 1.0",
        "is_low",
        REPEATS,
    ),
    Fault(
        "recording: inaccurate sds accepted",
        CHAINS + "extension.py",
        "spread_error(recording).max() > MAX_LOG_SD_ERROR",
        "spread_error(recording).max() < 0.0",
        REPEATS,
    ),
    Fault(
        "necks: squares limited in their tails",
        CHAINS + "extension.py",
        "error[is_tail] = log_sd_error(draws[:, :, is_tail], sampler.groups, np.inf)",
        "error[is_tail] = log_sd_error(draws[:, :, is_tail], sampler.groups)",
        REPEATS,
    ),
    Fault(
        "tail average with equal weights",
        OPTIMIZE + "loop.py",
        "[2.0 / (place + 2.0) for place in places]",
        "[1.0 / (place + 1.0) for place in places]",
        ("tests/optimize/test_loop.py",),
    ),
    Fault(
        "tail with a constant step size",
        OPTIMIZE + "loop.py",
        "[largest * (1.0 - place / total) for place in places]",
        "[largest for place in places]",
        ("tests/optimize/test_loop.py",),
    ),
    Fault(
        "trust region without the root of the dimension",
        OPTIMIZE + "updates/trust_region.py",
        "xp.sqrt(move.shape[-1] * mixture.variances)",
        "xp.sqrt(mixture.variances)",
        RULES,
    ),
    Fault(
        "trust region: variances may fall without bound",
        OPTIMIZE + "updates/trust_region.py",
        "xp.clip(ratio, math.exp(-bound), math.exp(bound))",
        "xp.clip(ratio, 0.0, math.exp(bound))",
        RULES,
    ),
    Fault(
        "chunks of the points ignore the chains",
        OPTIMIZE + "gradients/base.py",
        "math.prod(variances.shape)",
        "variances.shape[-1]",
        ("tests/optimize/gradients/test_chunks.py",),
    ),
    Fault(
        "samples outside the support count",
        OPTIMIZE + "gradients/base.py",
        "weights = normalized_weights(finite, sample_weights)",
        "weights = normalized_weights(finite | True, sample_weights)",
        ("tests/optimize/gradients/test_component_gradients.py",),
    ),
    Fault(
        "variance gradients without the dimension",
        OPTIMIZE + "gradients/base.py",
        "/ (d * variances)",
        "/ variances",
        ("tests/optimize/gradients/test_component_gradients.py",),
    ),
    Fault(
        "standard error of a window from its variance",
        OPTIMIZE + "stopping.py",
        "variance = (np.diff(elbos, axis=0) ** 2).mean(axis=0) / 2.0",
        "variance = elbos.var(axis=0)",
        ("tests/optimize/test_stopping.py",),
    ),
    Fault(
        "a shortened window decides",
        OPTIMIZE + "stopping.py",
        "if last.iterations < before.iterations:",
        "if False:",
        ("tests/optimize/test_stopping.py",),
    ),
    Fault(
        "one chain cannot prolong the fit",
        OPTIMIZE + "stopping.py",
        "if on_average or by_chain.any() or not",
        "if on_average or not",
        ("tests/optimize/test_stopping.py",),
    ),
    Fault(
        "seed of later chunks not advanced",
        "src/isogmm/model/programs/chunks.py",
        "np.uint32((seed + begin) % 2**32)",
        "np.uint32(seed % 2**32)",
        ("tests/model/programs/test_chunks.py",),
    ),
    Fault(
        "PSIS of ArviZ 0.x with half the relative efficiency",  # detected on Python 3.11
        "src/isogmm/results/arviz/versions.py",
        "arviz.psislw(flat, reff=1.0)",
        "arviz.psislw(flat, reff=0.5)",
        ("tests/results/arviz/test_versions.py",),
    ),
    Fault(
        "PSIS with half the relative efficiency",
        "src/isogmm/results/arviz/versions.py",
        "array_stats.psislw(-flat, r_eff=1.0)",
        "array_stats.psislw(-flat, r_eff=0.5)",
        ("tests/results/arviz/test_versions.py",),
    ),
    Fault(
        "R-hat without the noise of few draws",
        RECIPE + "judgment/verdict.py",
        "f.rhat > MAX_RHAT + RHAT_NOISE / f.num_draws",
        "f.rhat > MAX_RHAT",
        VERDICT,
    ),
    Fault(
        RECIPE + "judgment/verdict.py",
        "findings.dim < MIN_DIM_OF_MISSED_MODES",
        "findings.dim <= MIN_DIM_OF_MISSED_MODES",
        VERDICT,
    ),
    Fault(
        "blocks: rows are not divided evenly",
        "src/isogmm/rows/blocks.py",
        "self.block_rows = _even_size(count, self.block_rows)",
        "_even_size(count, self.block_rows)",
        ("tests/rows/test_blocks.py",),
    ),
    Fault(
        "spheres: no trend along a direction",
        LOCATE + "spheres/excess.py",
        "rest = _without_trend(units @ slope / length, rest)",
        "pass",
        SPHERES,
    ),
    Fault(
        "spheres: slope of the local fit ignored",
        LOCATE + "spheres/excess.py",
        "y - level - slope * (x - center)",
        "y - level",
        SPHERES,
    ),
    Fault(
        "spheres: known modes explain nothing",
        LOCATE + "spheres/excess.py",
        "finite &= others < log_density - MIN_UNEXPLAINED",
        "pass",
        SPHERES,
    ),
    Fault(
        "spheres: excess not in units of its spread",
        LOCATE + "spheres/excess.py",
        "scores.append(excess[top] / scale)",
        "scores.append(excess[top])",
        SPHERES,
    ),
    Fault(
        "sphere search: gradient not made tangential",
        LOCATE + "spheres/sphere_search.py",
        "scores - (scores * units).sum(axis=1, keepdims=True) * units",
        "scores",
        SPHERES,
    ),
    Fault(
        "sphere search: the Laplace approximation is never chosen",
        LOCATE + "spheres/sphere_centers.py",
        "if spreads[1] >= MAX_SPREAD_RATIO * spreads[0]:",
        "if True:",
        SPHERES,
    ),
    Fault(
        "sphere search: radii in the units of the Laplace approximation",
        LOCATE + "spheres/sphere_search.py",
        "center.size * RADII",
        "RADII",
        SPHERES,
    ),
    Fault(
        "sphere search: the volume of a sphere is left out of its share",
        LOCATE + "spheres/sphere_centers.py",
        "on_spheres + target.dim * np.log(radii)",
        "on_spheres",
        SPHERES,
    ),
    Fault(
        "sphere search: Laplace approximations in place of fitted Gaussians",
        LOCATE + "modes/local_gaussians.py",
        "if fitted.alive[index]:",
        "if False:",
        SPHERES,
    ),
    Fault(
        "open cone: no directions beside that of the maximum",
        LOCATE + "modes/open_cone.py",
        "noise = TANGENT * directions(",
        "noise = 0.0 * directions(",
        ("tests/locate/modes/test_open_cone.py",),
    ),
    Fault(
        "open cone: directions far beside that of the maximum",
        LOCATE + "open_cone.py",
        "TANGENT = 8, 1e-4",
        "TANGENT = 8, 1e-2",
        ("tests/locate/test_open_cone.py",),
    ),
    Fault(
        "PyMC: the form of softplus whose gradient is NaN for large values",
        "adapters/isogmm_pymc/_jax_operations.py",
        "    dispatcher.register(Softplus)(lambda op, **_: jax.nn.softplus)\n",
        "",
        ("tests/adapters/test_pymc_gradients.py",),
    ),
    Fault(
        "open cone: opposite directions have a mean",
        LOCATE + "modes/open_cone.py",
        "if np.linalg.norm(mean) >= MIN_MEAN_LENGTH:",
        "if True:",
        ("tests/locate/modes/test_open_cone.py",),
    ),
    Fault(
        "open cone: the nearest maxima",
        LOCATE + "modes/open_cone.py",
        "np.argsort(-distances)",
        "np.argsort(distances)",
        ("tests/locate/modes/test_open_cone.py",),
    ),
    Fault(
        "open cone: one pair of distances decides",
        LOCATE + "modes/open_cone.py",
        "< np.log(10.0)).all(axis=(1, 2))",
        "< np.log(10.0)).any(axis=2).all(axis=1)",
        ("tests/locate/modes/test_open_cone.py",),
    ),
    Fault(
        "mode shape: no axes",
        LOCATE + "paths/mode_shape.py",
        "full_matrices=False)[2][:NUM_AXES]",
        "full_matrices=False)[2][:0]",
        ("tests/locate/paths/test_mode_shape.py",),
    ),
    Fault(
        "mode shape: the part toward the center counts as an axis",
        LOCATE + "paths/mode_shape.py",
        "scores - (scores * units).sum(axis=1, keepdims=True) * units",
        "scores",
        ("tests/locate/paths/test_mode_shape.py",),
    ),
    Fault(
        "mode shape: the axes do not explain anything",
        LOCATE + "paths/mode_shape.py",
        "(along_axes**2).sum(axis=1) + inward * np.abs(inward)",
        "inward * np.abs(inward)",
        ("tests/locate/paths/test_mode_shape.py",),
    ),
    Fault(
        "sphere search: the narrowest modes in place of the widest",
        LOCATE + "spheres/sphere_centers.py",
        "-float(center.own.log_det())",
        "float(center.own.log_det())",
        SPHERES,
    ),
    Fault(
        "sphere search: starting points may repeat",
        LOCATE + "spheres/sphere_search.py",
        "np.all(units[kept] @ units[index] < MAX_COSINE)",
        "True",
        SPHERES,
    ),
    Fault(
        "sphere search: a ray without a maximum gives a start",
        LOCATE + "spheres/sphere_search.py",
        "rises & (inner >= values[:, 2:])",
        "inner > -np.inf",
        SPHERES,
    ),
    Fault(
        "pooled scales: exponents not shrunk",
        CHAINS + "learn_pooled.py",
        "values.mean() + between / (between + error) * (values - values.mean())",
        "values",
        POOLED,
    ),
    Fault(
        "pooled scales: correlation of transitions ignored",
        CHAINS + "learn_pooled.py",
        "len(values) * (1.0 - correlation) / (1.0 + correlation)",
        "len(values)",
        POOLED,
    ),
    Fault(
        "pooled scales: the location may depend on the own scale",
        CHAINS + "learn_pooled.py",
        "allowed[:, column] = ~has_scale[:, scales.index(parent)]",
        "pass",
        POOLED,
    ),
    Fault(
        "pooled scales: slopes of children never common",
        CHAINS + "learn_pooled.py",
        "coefficients[rows, column] = _common(coefficients[rows, column], num_independent)",
        "pass",
        POOLED,
    ),
    Fault(
        "rows: padding counts",
        ROWS + "density.py",
        " - padding * of_first_row",
        "",
        ("tests/rows/test_density.py",),
    ),
    Fault(
        "rows: evidence without the mean of the ratios",
        ROWS + "judge.py",
        "value + weights.log_mean",
        "value",
        ("tests/rows/test_judge.py",),
    ),
    Fault(
        "calibration: scale and location exchanged in words",
        "src/isogmm/studies/uniformity.py",
        'return "too narrow" if scale > 0',
        'return "too narrow" if scale < 0',
        UNIFORM,
    ),
    *(
        Fault(
            f"threshold {name} times {factor}",
            RECIPE + "thresholds.py",
            f"{name} = {value}",
            f"{name} = {value * factor}",
            VERDICT,
        )
        for name, value in {
            "MAX_PARETO_K": 0.7,
            "MAX_GOOD_K": 0.5,
            "MAX_WEIGHT_EFFECT": 0.05,
            "RHAT_NOISE": 10.0,
            "MAX_MCSE_SD": 0.1,
            "MAX_STUCK_SHARE": 0.02,
            "MAX_NONFINITE_SHARE": 0.05,
            "MAX_UNSEEN_PROBABILITY": 0.02,
            "MAX_MASS_SE": 0.05,
            "MAX_ELBO_GAP": 1.0,
        }.items()
        for factor in (1.5,)
    ),
]

"""One example of each part: optimization, rules, gradients, GMMVI, factorized mixtures, targets.

    python docs/examples/parts.py

The target is a Gaussian in two dimensions with the mean (3, 3).
"""

import jax.numpy as jnp
import numpy as np
from isogmm.adapter import find_adapter
from isogmm.jax_target import JaxPrograms, jax_target

import isogmm
from isogmm import gmmvi, gradients, initialization, schedules, stopping, updates
from isogmm.optimize import OptimizeResult, optimize
from isogmm.optimize.check import Check
from isogmm.optimize.factorized.curvature import CollectiveCurvature
from isogmm.optimize.factorized.gradients import factorized_gradients, propose


def log_density(x):
    return -0.5 * jnp.sum((x - 3.0) ** 2 / jnp.array([1.0, 0.25]))


model = isogmm.LogDensity(log_density, np.zeros(2), names="x")
target: isogmm.Target = model.to_target()

# --- The optimization loop ------------------------------------------------------------------------

start = isogmm.IsotropicMixture(  # one chain, two components, two dimensions
    means=np.array([[[0.0, 0.0], [1.0, 1.0]]]),
    variances=np.ones((1, 2)),
    log_weights=np.log([[0.5, 0.5]]),
)


def show(check: Check):
    print(check.iteration, check.elbo)


parts = {
    "estimator": gradients.MonteCarlo(num_samples=4),
    "rule": updates.BuresWasserstein(step_size=0.1),
    "schedule": schedules.Constant(0.1),
    "stopping": stopping.MaxIterations(200),
}
generator = np.random.default_rng(0)
result: OptimizeResult = optimize(target, start, generator=generator, callback=show, **parts)
print(result.mixture.mean(), result.stop_reason)
fused = isogmm.optimize_fused(target, start, generator=generator, **parts)  # one compiled program

# --- Parts as options of a fit --------------------------------------------------------------------

rules = [
    updates.BuresWasserstein(0.05),
    updates.EntropicMirror(0.05),
    updates.NaturalGradient(0.05),
    updates.MeansOnly(0.05),
    updates.find_rule("ibw_s"),
    updates.SharedVariance(updates.EntropicMirror(0.05)),
    updates.VarianceFloor(updates.EntropicMirror(0.05)),
    updates.RelativeStep(updates.TrustRegion(updates.BuresWasserstein())),
]
options = {"num_components": 2, "random_seed": 0}
for rule in rules:
    fit = isogmm.fit_isogmm(
        model,
        method=rule,
        weights=updates.LearnedWeights(rate=0.05),
        init=initialization.UniformMeans(half_width=3.0),
        max_iterations=50,
        refine=0,
        **options,
    )

at = initialization.GivenMixture(np.full((2, 2), 3.0), 0.5)
given = isogmm.fit_isogmm(model, init=at, **options)
spread = isogmm.fit_isogmm(model, init=initialization.GaussianSpread(share=0.25), **options)

# --- Schedules and stopping rules -----------------------------------------------------------------

kinds = schedules.Constant(0.1), schedules.Polynomial(0.1), schedules.ConstantThenLinearDecay(0.1)
sizes = [schedule.step_size(10) for schedule in kinds]
plateau = stopping.ElboPlateau(tolerance=0.1, max_iterations=500)
window: stopping.Window = stopping.summarize_window(np.array([[-2.0], [-1.0], [-1.1]]))

# --- The gradients of one step --------------------------------------------------------------------

estimator = gradients.GaussHermite(order=5)
offsets = estimator.noise(np.random.default_rng(0), chains=1, num_components=2, dim=2)
points = start.means[:, :, None] + np.sqrt(start.variances)[..., None, None] * offsets
values, slopes = target.evaluate(points.reshape(-1, 2))
found: gradients.Gradients = gradients.component_gradients(
    offsets,
    values.reshape(points.shape[:-1]),
    slopes.reshape(points.shape),
    start.means,
    start.variances,
    start.log_weights,
    estimator.sample_weights(2),
)
assert isinstance(found, gradients.ComponentGradients)
print(gradients.evidence_lower_bound(found, start.log_weights))
arrays: updates.FamilyArrays = updates.MixtureArrays(
    start.means, start.variances, start.log_weights
)
rule = updates.BuresWasserstein(0.1)
arrays, state = rule.step(arrays, found, rule.init(arrays), 0.1)

# --- Without gradients of the log density: the score function, with a larger variance -------------

by_values = gradients.ScoreFunction(num_samples=32)
offsets = np.sqrt(start.variances)[..., None, None] * by_values.noise(
    np.random.default_rng(0), chains=1, num_components=2, dim=2
)
noisy = gradients.score_function_gradients(
    offsets,
    target.values(start.means[:, :, None] + offsets),
    start.means,
    start.variances,
    start.log_weights,
    by_values.sample_weights(2),
    by_values.average,
)
without = isogmm.LogDensity(lambda x: float(log_density(x)), np.zeros(2), gradient=False)
by_score = optimize(
    without.to_target(), start, generator=generator, **parts | {"estimator": by_values}
)

# --- GMMVI ----------------------------------------------------------------------------------------

mine = gmmvi.Gmmvi(
    gradients=gmmvi.Stein(),  # or Regression(), More()
    component_update=gmmvi.TrustRegion(),  # or Direct(), ImprovedBayesian()
    component_steps=gmmvi.ImprovementBased(0.1),  # or Fixed(0.1), Decaying(0.1)
    weight_update=gmmvi.TrustRegionWeights(),  # or DirectWeights()
    weight_steps=gmmvi.Decaying(0.1),
    selection=gmmvi.FromComponents(num_samples=20),  # or FromMixture()
    number=gmmvi.FixedNumber(),  # or AdaptiveNumber()
)
own = isogmm.fit_gmmvi(model, method=mine, **options)
named = isogmm.fit_gmmvi(model, method=gmmvi.find_method("vips"), **options)
simple = gmmvi.ibayes(selection=gmmvi.FromMixture(), number=gmmvi.AdaptiveNumber(max_components=4))
other = gmmvi.vips(component_update=gmmvi.Direct(), weight_update=gmmvi.DirectWeights())

# The runner keeps gmmvi.Components (the mixture with its step sizes) and gmmvi.Samples.
full = isogmm.GaussianMixture.from_isotropic(start)
runner = gmmvi.GmmviRunner(target, full, mine, generator)

# --- Bures-Wasserstein steps of full covariances, with isogmm.gaussian.GaussianGradients ----------

rule = isogmm.gaussian.FullBuresWasserstein()
gaussians = isogmm.gaussian.GaussianArrays(full.means, full.covariances, full.log_weights)

# --- Factorized mixtures: each coordinate has its own mixture in one dimension --------------------

factorized = isogmm.fit_factorized(model, num_components=3, random_seed=0)
mixture = isogmm.FactorizedMixture(np.array([[0.0, 0.0], [1.0, 1.0]]), np.ones((2, 2)))
optimized = isogmm.optimize_factorized(
    target,
    mixture,
    rule=updates.BuresWasserstein(0.1),
    schedule=schedules.Constant(0.1),
    stopping=stopping.MaxIterations(100),
    generator=generator,
    curvature=CollectiveCurvature(generator, dim=2),
)
points = propose(generator, mixture.means, mixture.variances, num_groups=2)
log_densities, slopes = target.evaluate(points.positions)
step = factorized_gradients(points, log_densities, slopes, mixture.means, mixture.variances)

# --- A target from JAX functions, and errors ------------------------------------------------------

programs = JaxPrograms(
    lambda x, data: -0.5 * jnp.sum((x - data) ** 2),
    lambda x, key, data: {"posterior": {"x": x}},
    dim=2,
    data=np.ones(2, np.float32),
)
from_programs = jax_target(
    programs,
    np.ones(2, np.float32),
    variables={"x": (2,)},
    initial_positions=lambda generator, k: generator.uniform(-2, 2, (k, 2)),
)
# isogmm.inference_data.to_inference_data makes the ArviZ object from the FitResult of a family.
print(isogmm.fit_isogmm(from_programs, random_seed=0).attrs["verdict"])

try:
    find_adapter("a model")
except isogmm.ModelError as error:
    print(error)

try:
    idata = isogmm.smc_from(own, model)
except isogmm.MissingPackageError as error:
    print(error)  # names the command that installs BlackJAX

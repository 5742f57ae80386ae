"""Every update rule: equal to its transcription, and the properties that all rules share."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers import rules, transcription
from helpers.targets import gaussian, isotropic_mixture, rotation
from isogmm.errors import OptionError
from isogmm.optimize.gradients import (
    ComponentGradients,
    GaussHermite,
    MonteCarlo,
    component_gradients,
)
from isogmm.optimize.updates import (
    RULES,
    BuresWasserstein,
    EntropicMirror,
    LearnedWeights,
    MixtureArrays,
    NaturalGradient,
    RelativeStep,
    SharedVariance,
    TrustRegion,
    VarianceFloor,
    find_rule,
)

K = 3


def mixture_arrays(dim, k=K, chains=2, seed=0, dtype=np.float64, shared=False):
    generator = np.random.default_rng(seed)
    variances = generator.uniform(0.5, 2.0, (chains, k))
    if shared:
        variances[:] = 0.8
    return MixtureArrays(
        generator.normal(size=(chains, k, dim)).astype(dtype),
        variances.astype(dtype),
        np.log(generator.dirichlet(np.full(k, 5.0), chains)).astype(dtype),
    )


def gradients_of(truth, mixture, estimator, seed=0):
    """The library's gradients for a truth of ``helpers.targets``."""
    chains, k, d = mixture.means.shape
    noise = estimator.noise(np.random.default_rng(seed), chains, k, d)
    offsets = np.sqrt(mixture.variances)[..., None, None] * noise
    points = mixture.means[..., None, :] + offsets
    values, gradients = truth.log_density_and_gradient(points.reshape(-1, d))
    return component_gradients(
        offsets,
        values.reshape(points.shape[:-1]),
        gradients.reshape(points.shape),
        *mixture,
        estimator.sample_weights(d),
    )


def random_gradients(mixture, scale=1.0, seed=1):
    generator = np.random.default_rng(seed)
    dtype = mixture.means.dtype
    shape = mixture.variances.shape
    return ComponentGradients(
        (scale * generator.normal(size=mixture.means.shape)).astype(dtype),
        (scale * generator.normal(size=shape)).astype(dtype),
        (scale * generator.normal(size=shape)).astype(dtype),
        np.full(shape, 4),
    )


def take_step(rule, mixture, gradients, step_size):
    return rule.step(mixture, gradients, rule.init(mixture), step_size)[0]


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("dim", [1, 2, 6])
def test_ten_steps_equal_the_transcription(name, dim):
    generator = np.random.default_rng(dim)
    truth = isotropic_mixture(generator.normal(size=(2, dim)), [0.7, 1.4])
    mixture = mixture_arrays(dim, chains=1, shared=name.endswith("_s"))
    means, variances = mixture.means[0].copy(), mixture.variances[0].copy()
    weights = np.exp(mixture.log_weights[0])
    rule, gamma = find_rule(name), 0.1
    state = rule.init(mixture)
    for iteration in range(10):
        noise = MonteCarlo(4).noise(np.random.default_rng(iteration), 1, K, dim)[0]
        g, s, _ = transcription.gradients(
            noise, truth.log_density, truth.gradient, means, variances, weights
        )
        means, variances = transcription.step(name, means, variances, g, s, gamma)
        gradients = gradients_of(truth, mixture, MonteCarlo(4), seed=iteration)
        mixture, state = rule.step(mixture, gradients, state, gamma)
    np.testing.assert_allclose(mixture.means[0], means, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(mixture.variances[0], variances, rtol=1e-12)


def test_the_transcription_rejects_the_components_own_score():
    mixture = mixture_arrays(2, chains=1)
    truth = gaussian([0.0, 0.0], np.eye(2))
    noise = MonteCarlo(4).noise(np.random.default_rng(0), 1, K, 2)[0]
    g, _, _ = transcription.gradients(
        noise,
        truth.log_density,
        truth.gradient,
        mixture.means[0],
        mixture.variances[0],
        np.exp(mixture.log_weights[0]),
        own_score=True,
    )
    ours = gradients_of(truth, mixture, MonteCarlo(4)).means[0]
    assert np.abs(g - ours).max() > 1e-2


def test_ngd_guards_a_negative_precision_and_counts_it():
    mixture = mixture_arrays(2)
    gradients = random_gradients(mixture)
    gradients.variances[:] = 0.1
    gradients.variances[0, 1] = -10.0 / mixture.variances[0, 1]
    rule = NaturalGradient()
    state = rule.init(mixture)
    moved, state = rule.step(mixture, gradients, state, 0.5)
    _, state = rule.step(mixture, gradients, state, 0.5)
    expected = np.zeros((2, K))
    expected[0, 1] = 2
    np.testing.assert_array_equal(state, expected)
    np.testing.assert_allclose(moved.variances[0, 1], 1e3 * mixture.variances[0, 1])
    _, variance = transcription.ngd(0.0, mixture.variances[0, 1], 0.0, -10 / mixture[1][0, 1], 0.5)
    np.testing.assert_allclose(moved.variances[0, 1], variance, rtol=1e-12)


@pytest.mark.parametrize("name", rules.ALL)
@pytest.mark.parametrize("scale", [1.0, 1e3, 1e8])
@pytest.mark.parametrize("step_size", [0.1, 1e3])
def test_variances_stay_positive_and_a_huge_step_finite(name, scale, step_size):
    mixture = mixture_arrays(4)
    moved = take_step(rules.ALL[name], mixture, random_gradients(mixture, scale), step_size)
    assert np.all(moved.variances > 0)
    assert all(np.all(np.isfinite(part)) for part in moved)


@pytest.mark.parametrize("name", rules.ALL)
@pytest.mark.parametrize("dim", [1, 3])
@pytest.mark.parametrize("k", [1, 3])
def test_fixed_at_the_exact_optimum(name, dim, k):
    mixture = mixture_arrays(dim, k=k, chains=1, shared=True)
    truth = isotropic_mixture(
        mixture.means[0], mixture.variances[0], np.exp(mixture.log_weights[0])
    )
    # At the optimum δ is 0 at every sample, for any noise.
    moved = take_step(rules.ALL[name], mixture, gradients_of(truth, mixture, MonteCarlo(4)), 0.3)
    for before, after in zip(mixture, moved, strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", rules.ALL)
def test_equivariant_under_rotation_shift_and_relabeling(name):
    generator = np.random.default_rng(5)
    dim = 2
    truth = gaussian([0.4, -0.3], [[1.0, 0.3], [0.3, 0.7]])
    axes, shift = rotation(generator, dim), generator.normal(size=dim)
    order = np.array([2, 0, 1])
    mixture = mixture_arrays(dim, chains=1)
    turned_truth = gaussian(truth.means[0] @ axes.T + shift, axes @ truth.covariances[0] @ axes.T)
    turned = MixtureArrays(
        (mixture.means @ axes.T + shift)[:, order],
        mixture.variances[:, order],
        mixture.log_weights[:, order],
    )
    # Exact gradients: an order at which the rotated nodes integrate equally well.
    rule, estimator = rules.ALL[name], GaussHermite(80)
    moved = take_step(rule, mixture, gradients_of(truth, mixture, estimator), 0.2)
    after = take_step(rule, turned, gradients_of(turned_truth, turned, estimator), 0.2)
    np.testing.assert_allclose(after.means, (moved.means @ axes.T + shift)[:, order], atol=1e-8)
    np.testing.assert_allclose(after.variances, moved.variances[:, order], atol=1e-8)


@pytest.mark.parametrize("name", rules.ALL)
def test_the_objective_falls_on_a_quadratic(name):
    truth = gaussian([0.5, -1.0], [[1.0, 0.4], [0.4, 0.6]])
    mixture = mixture_arrays(2, chains=1, shared=True)
    rule = rules.ALL[name]
    state, objectives = rule.init(mixture), []
    for _ in range(30):
        gradients = gradients_of(truth, mixture, GaussHermite(30))
        objectives.append(float((np.exp(mixture.log_weights) * gradients.local_kl).sum()))
        mixture, state = rule.step(mixture, gradients, state, 0.05)
    assert np.all(np.diff(objectives) < 0)


@pytest.mark.parametrize("name", rules.ALL)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_numpy_and_jax_agree_and_keep_the_type(name, dtype):
    rule = rules.ALL[name]
    mixture = mixture_arrays(4, dtype=dtype)
    gradients = random_gradients(mixture)
    ours, our_state = rule.step(mixture, gradients, rule.init(mixture), 0.1)
    on_device = jax.tree.map(jnp.asarray, (mixture, gradients, rule.init(mixture)))
    with jax.numpy_rank_promotion("allow"):
        theirs, their_state = jax.jit(lambda m, g, s: rule.step(m, g, s, 0.1))(*on_device)
    tolerance = 1e-10 if dtype == np.float64 else 1e-5
    for a, b in zip((*ours, *our_state), (*theirs, *their_state), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
        assert a.dtype == b.dtype == dtype


@pytest.mark.parametrize("name", rules.ALL)
def test_inputs_are_left_alone_and_one_step_size_a_component_is_accepted(name):
    rule, mixture = rules.ALL[name], mixture_arrays(3)
    gradients = random_gradients(mixture)
    copies = [part.copy() for part in (*mixture, *gradients)]
    moved = take_step(rule, mixture, gradients, 0.1)
    for before, now in zip(copies, (*mixture, *gradients), strict=True):
        np.testing.assert_array_equal(before, now)
    same = take_step(rule, mixture, gradients, np.full((2, K), 0.1))
    np.testing.assert_array_equal(same.means, moved.means)
    np.testing.assert_array_equal(moved.log_weights, mixture.log_weights)


@pytest.mark.parametrize("name", rules.ALL)
def test_chains_are_independent(name):
    rule, mixture = rules.ALL[name], mixture_arrays(3)
    gradients = random_gradients(mixture)
    together = take_step(rule, mixture, gradients, 0.1)
    alone = take_step(
        rule,
        MixtureArrays(*(part[1:] for part in mixture)),
        ComponentGradients(*(part[1:] for part in gradients)),
        0.1,
    )
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_array_equal(a[1:], b)


@pytest.mark.parametrize("name", rules.OWN_VARIANCES)
def test_relative_steps_do_not_depend_on_the_scale_of_the_model(name):
    rule = rules.ALL[name]
    rule = rule if isinstance(rule, RelativeStep) else RelativeStep(rule)
    mixture = mixture_arrays(3)
    gradients = random_gradients(mixture)
    moved = take_step(rule, mixture, gradients, 0.2)
    c = 1000.0  # x -> c x: means by c, variances by c², g by 1/c, s by 1/c²
    scaled = MixtureArrays(c * mixture.means, c**2 * mixture.variances, mixture.log_weights)
    smaller = gradients._replace(means=gradients.means / c, variances=gradients.variances / c**2)
    after = take_step(rule, scaled, smaller, 0.2)
    np.testing.assert_allclose(after.means, c * moved.means, rtol=1e-12)
    np.testing.assert_allclose(after.variances, c**2 * moved.variances, rtol=1e-12)


@pytest.mark.parametrize("inner", [BuresWasserstein(), EntropicMirror(), NaturalGradient()])
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("size", [0.5, 2.0, 1e6])
def test_the_trust_region_bounds_a_step_and_keeps_its_direction(inner, sign, size):
    rule = RelativeStep(TrustRegion(inner))
    mixture = mixture_arrays(4)
    gradients = random_gradients(mixture, 1e4)
    gradients.variances[:] = sign * size / mixture.variances
    moved = take_step(rule, mixture, gradients, 1.0)
    length = np.linalg.norm(moved.means - mixture.means, axis=-1)
    # The gradients are so large that every step reaches the bound of the means.
    np.testing.assert_allclose(length, 0.5 * np.sqrt(4 * mixture.variances), rtol=1e-10)
    cosine = -((moved.means - mixture.means) * gradients.means).sum(-1)
    np.testing.assert_allclose(cosine, length * np.linalg.norm(gradients.means, axis=-1))
    change = np.log(moved.variances / mixture.variances)
    assert np.all(np.abs(change) <= 0.25 + 1e-12)
    if isinstance(inner, EntropicMirror):
        np.testing.assert_allclose(change, -sign * 0.25, rtol=1e-10)
    assert np.all(change * sign < 0)


def test_the_trust_region_leaves_small_steps_alone():
    mixture = mixture_arrays(4)
    gradients = random_gradients(mixture)
    inner = BuresWasserstein()
    plain = take_step(inner, mixture, gradients, 0.01)
    bounded = take_step(TrustRegion(inner), mixture, gradients, 0.01)
    for a, b in zip(plain, bounded, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)


def test_the_floor_bounds_a_component_that_shrinks():
    mixture = mixture_arrays(3)
    gradients = random_gradients(mixture, 0.0)
    rule = VarianceFloor(RelativeStep(EntropicMirror()), ratio=0.1)
    state, free = rule.init(mixture), mixture
    for _ in range(50):
        gradients.variances[0, 1] = 1.0 / mixture.variances[0, 1]
        mixture, state = rule.step(mixture, gradients, state, 0.3)
        gradients.variances[0, 1] = 1.0 / free.variances[0, 1]
        free, _ = rule.rule.step(free, gradients, (), 0.3)
    # The bounded component is part of the geometric mean: the bound is r^(K/(K-1)) of the others.
    others = np.sqrt(mixture.variances[0, 0] * mixture.variances[0, 2])
    assert mixture.variances[0, 1] / others == pytest.approx(0.1 ** (K / (K - 1)), rel=1e-6)
    assert free.variances[0, 1] / others < 1e-5
    np.testing.assert_allclose(mixture.variances[1], free.variances[1])


def test_shared_variance_stays_shared():
    mixture = mixture_arrays(3)
    moved = take_step(find_rule("ibw_s"), mixture, random_gradients(mixture), 0.1)
    assert np.ptp(moved.variances, axis=-1).max() == 0
    assert moved.variances[0, 0] != moved.variances[1, 0]


class TestLearnedWeights:
    def test_equal_to_the_transcription(self):
        mixture = mixture_arrays(2, chains=1)
        gradients = random_gradients(mixture)
        moved = LearnedWeights(largest_change=math.inf).step(mixture.log_weights, gradients, 0.3)
        expected = transcription.weights_step(
            np.exp(mixture.log_weights[0]), gradients.local_kl[0], 0.3
        )
        np.testing.assert_allclose(np.exp(moved[0]), expected, rtol=1e-12)

    def test_fixed_point_has_equal_local_kl(self):
        mixture = mixture_arrays(2)
        gradients = random_gradients(mixture)._replace(local_kl=np.full((2, K), 7.0))
        moved = LearnedWeights().step(mixture.log_weights, gradients, 0.3)
        np.testing.assert_allclose(moved, mixture.log_weights, rtol=1e-13)

    def test_finds_the_weights_of_a_target_in_the_family(self):
        truth = isotropic_mixture([[-3.0], [3.0]], [1.0, 0.5], [0.2, 0.8])
        log_weights = np.log(np.array([[0.5, 0.5]]))
        for _ in range(200):
            mixture = MixtureArrays(truth.means[None], np.array([[1.0, 0.5]]), log_weights)
            gradients = gradients_of(truth, mixture, GaussHermite(40))
            log_weights = LearnedWeights().step(log_weights, gradients, 0.2)
        np.testing.assert_allclose(np.exp(log_weights[0]), truth.weights, atol=1e-6)

    def test_huge_differences_move_by_the_bound_and_unseen_components_stay(self):
        log_weights = np.log(np.array([[0.25, 0.25, 0.25, 0.25]]))
        gradients = ComponentGradients(
            np.zeros((1, 4, 1)),
            np.zeros((1, 4)),
            np.array([[0.0, 1e6, 2e6, 0.0]]),
            np.array([[2, 2, 2, 0]]),
        )
        moved = LearnedWeights(largest_change=0.25).step(log_weights, gradients, 0.1)
        expected = np.array([0.25, 0.0, -0.25, 0.0])
        np.testing.assert_allclose(moved[0] - moved[0, 3], expected, atol=1e-12)
        assert np.exp(moved).sum() == pytest.approx(1.0, abs=1e-14)

    @pytest.mark.parametrize("dtype", [np.float64, np.float32])
    def test_numpy_and_jax_agree(self, dtype):
        mixture = mixture_arrays(2, dtype=dtype)
        gradients = random_gradients(mixture)
        ours = LearnedWeights().step(mixture.log_weights, gradients, 0.3)
        with jax.numpy_rank_promotion("allow"):
            theirs = jax.jit(LearnedWeights().step)(
                *jax.tree.map(jnp.asarray, (mixture.log_weights, gradients)), 0.3
            )
        assert ours.dtype == theirs.dtype == dtype
        tolerance = 1e-10 if dtype == np.float64 else 1e-5
        np.testing.assert_allclose(ours, theirs, rtol=tolerance)


class TestRegistry:
    def test_names_give_rules_and_rules_pass_through(self):
        assert find_rule("ibw") == BuresWasserstein()
        assert find_rule("md_s") == SharedVariance(EntropicMirror())
        rule = BuresWasserstein(step_size=0.1)
        assert find_rule(rule) is rule
        assert RelativeStep(TrustRegion(SharedVariance(rule))).step_size == 0.1

    @pytest.mark.parametrize("method", ["bw", "", "IBW"])
    def test_unknown_names_list_the_known_ones(self, method):
        with pytest.raises(OptionError, match="'ibw', 'md', 'ngd', 'means_only', 'ibw_s', 'md_s'"):
            find_rule(method)

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: BuresWasserstein(step_size=0.0), "step_size must be a positive number"),
            (lambda: EntropicMirror(step_size=math.nan), "step_size must be a positive number"),
            (lambda: NaturalGradient(smallest_ratio=1.5), "smallest_ratio"),
            (lambda: TrustRegion(BuresWasserstein(), mean_radius=0.0), "mean_radius"),
            (lambda: TrustRegion(BuresWasserstein(), log_variance_change=2.0), "in \\(0, 1\\]"),
            (lambda: VarianceFloor(BuresWasserstein(), ratio=0.0), "ratio must be in"),
            (lambda: LearnedWeights(rate=-1.0), "rate must be positive"),
        ],
    )
    def test_impossible_settings_are_refused(self, make, message):
        with pytest.raises(OptionError, match=message):
            make()

    @pytest.mark.parametrize("name", rules.ALL)
    def test_rules_compare_by_value(self, name):
        rule = rules.ALL[name]
        assert hash(rule) == hash(rule)
        if name in RULES:
            assert find_rule(name) == rule


def test_bures_wasserstein_does_not_reach_a_variance_of_zero():
    """The factor (1 - γ s)² is zero for γ s = 1."""
    mixture = mixture_arrays(2)
    gradients = random_gradients(mixture)
    gradients.variances[:] = 2.0
    moved = take_step(BuresWasserstein(), mixture, gradients, 0.5)
    np.testing.assert_allclose(moved.variances, 1e-6 * mixture.variances, rtol=1e-12)

"""The loop: the paper's algorithm exactly, known optima, and numerical failures."""

from types import SimpleNamespace

import numpy as np
import pytest

from helpers import transcription
from helpers.loops import fit, start
from helpers.targets import (
    correlated_gaussian,
    gaussian,
    half_space,
    isotropic_mixture,
    make_target,
    nowhere,
)
from isogmm.errors import OptionError
from isogmm.mixtures.affine_map import diagonal_map
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.model.fit_target import FitTarget
from isogmm.optimize.gradients import GaussHermite, MonteCarlo
from isogmm.optimize.loop import _Windows
from isogmm.optimize.schedules import Constant, ConstantThenLinearDecay, Polynomial
from isogmm.optimize.stopping import ElboPlateau, MaxIterations
from isogmm.optimize.updates import (
    RULES,
    BuresWasserstein,
    LearnedWeights,
    RelativeStep,
    TrustRegion,
    find_rule,
)
from isogmm.optimize.whitening import AdaptDense, AdaptDiagonal
from isogmm.results.stop_reason import StopReason


def kl_from_truth(truth, mixture, order=40):
    """KL(q‖π) by quadrature over each component, for one chain and the identity map."""
    nodes = GaussHermite(order).noise(np.random.default_rng(0), 1, 1, mixture.dim)[0, 0]
    node_weights = GaussHermite(order).sample_weights(mixture.dim)
    total = 0.0
    for mean, variance, log_weight in zip(
        mixture.means, mixture.variances, mixture.log_weights, strict=True
    ):
        points = mean + np.sqrt(variance) * nodes
        difference = mixture.log_prob(points) - truth.log_density_and_gradient(points)[0]
        total += np.exp(log_weight) * node_weights @ difference
    return float(total)


class TestThePaper:
    @pytest.mark.parametrize("name", RULES)
    def test_fixed_steps_equal_the_transcription(self, name):
        dim, k, chains, steps, gamma = 2, 3, 2, 15, 0.05
        truth = isotropic_mixture([[1.0, 0.5], [-1.0, 0.0]], [0.7, 1.3])
        mixture = start(dim, k, chains)
        result = fit(
            truth.target(),
            mixture,
            seed=5,
            rule=find_rule(name),
            schedule=Constant(gamma),
            stopping=MaxIterations(steps, window=4),
            estimator=MonteCarlo(3, antithetic=False),
        )
        generator = np.random.default_rng(5)
        means, variances = mixture.means.copy(), mixture.variances.copy()
        weights = np.full(k, 1 / k)
        for _ in range(steps):
            noise = generator.standard_normal((chains, k, 3, dim))
            for c in range(chains):
                g, s, _ = transcription.gradients(
                    noise[c], truth.log_density, truth.gradient, means[c], variances[c], weights
                )
                means[c], variances[c] = transcription.step(
                    name, means[c], variances[c], g, s, gamma
                )
        np.testing.assert_allclose(result.mixture.means, means, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(result.mixture.variances, variances, rtol=1e-10)
        assert result.iterations == steps
        assert result.stop_reason is StopReason.MAX_ITERATIONS
        assert len(result.history["elbo"]) == 4

    @pytest.mark.usefixtures("unchecked")
    @pytest.mark.parametrize("name", [name for name in RULES if name != "means_only"])
    def test_one_component_on_a_gaussian_has_the_harmonic_mean_of_the_eigenvalues(self, name):
        eigenvalues = np.array([0.5, 1.0, 2.0])
        axes = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
        truth = gaussian([1.0, -1.0, 0.5], (axes * eigenvalues) @ axes.T)
        result = fit(
            truth.target(),
            start(3, k=1),
            rule=find_rule(name),
            estimator=GaussHermite(4),
            schedule=Constant(0.2),
            stopping=MaxIterations(400),
        )
        expected = 3 / (1 / eigenvalues).sum()
        np.testing.assert_allclose(result.mixture.variances, expected, rtol=1e-6)
        np.testing.assert_allclose(result.mixture.means[:, 0], [truth.means[0]] * 2, atol=1e-6)

    @pytest.mark.long
    @pytest.mark.usefixtures("unchecked")
    @pytest.mark.parametrize("name", ["ibw", "md", "ngd"])
    def test_a_target_inside_the_family_is_found_exactly(self, name):
        truth = isotropic_mixture([[-2.0, 0.0], [2.0, 1.0], [0.0, -2.5]], [0.5, 1.0, 0.8])
        result = fit(
            truth.target(512),
            start(2, k=3, chains=1, seed=3),
            rule=RelativeStep(TrustRegion(find_rule(name))),
            estimator=GaussHermite(12),
            schedule=Constant(0.3),
            stopping=MaxIterations(600),
        )
        assert abs(kl_from_truth(truth, result.mixture[0])) < 1e-3

    @pytest.mark.usefixtures("unchecked")
    def test_weights_are_learned(self):
        truth = isotropic_mixture([[-3.0, 0.0], [3.0, 1.0]], [1.0, 0.5], [0.2, 0.8])
        mixture = IsotropicMixture(
            np.array([[[-1.0, 0.0], [1.0, 0.0]]]), np.ones((1, 2)), np.log(np.full((1, 2), 0.5))
        )
        result = fit(
            truth.target(),
            mixture,
            estimator=MonteCarlo(16),
            weights=LearnedWeights(rate=0.25),
            stopping=MaxIterations(1500),
        )
        assert kl_from_truth(truth, result.mixture[0]) < 1e-3
        np.testing.assert_allclose(np.exp(result.mixture.log_weights[0]), [0.2, 0.8], atol=0.01)
        assert np.exp(result.mixture.log_weights[0]).sum() == pytest.approx(1.0, abs=1e-12)


class TestTheLoop:
    def test_the_target_is_evaluated_once_an_iteration(self):
        calls = []
        truth = gaussian(np.zeros(3), np.eye(3))

        def counted(points):
            calls.append(len(points))
            return truth.log_density_and_gradient(points)

        target = make_target(counted, 3, batch_size=24)
        result = fit(target, start(3, k=4, chains=3))
        assert calls == [24] * result.iterations
        assert result.history["gradient_evaluations"][-1] == 24 * result.iterations

    def test_same_seed_same_numbers(self):
        truth, mixture = correlated_gaussian(4), start(4)
        one, two, other = (fit(truth.target(), mixture, seed) for seed in (1, 1, 2))
        np.testing.assert_array_equal(one.mixture.means, two.mixture.means)
        assert np.abs(one.mixture.means - other.mixture.means).max() > 1e-6

    def test_the_start_is_left_alone(self):
        mixture = start(3)
        copies = mixture.means.copy(), mixture.variances.copy()
        fit(gaussian(np.zeros(3), np.eye(3)).target(), mixture)
        np.testing.assert_array_equal(mixture.means, copies[0])
        np.testing.assert_array_equal(mixture.variances, copies[1])

    def test_history_and_checks_tell_the_same(self):
        seen = []
        truth = gaussian(np.zeros(3), np.eye(3))
        result = fit(truth.target(), start(3), callback=seen.append)
        assert [check.iteration for check in seen] == list(result.history["iteration"])
        np.testing.assert_array_equal([check.elbo for check in seen], result.history["elbo"])
        assert seen[0].in_tail is False
        assert seen[-1].in_tail
        np.testing.assert_array_equal(seen[-1].mixture.means, result.mixture.means)
        assert result.history["elbo"].shape == result.history["elbo_se"].shape == (len(seen), 2)
        assert np.all(np.diff(result.history["seconds"]) > 0)
        # Two thirds at the step size of the schedule, then down.
        assert result.iterations == 60
        assert result.history["step_size"][0] == 0.25
        assert 0 < result.history["step_size"][-1] < 0.05

    @pytest.mark.usefixtures("unchecked")
    def test_the_elbo_is_that_of_the_mixture(self):
        truth = correlated_gaussian(2, 5.0)
        affine_map = diagonal_map(np.array([0.5, -0.5]), np.array([2.0, 0.3]))
        result = fit(
            truth.target(),
            start(2, affine_map=affine_map),
            rule=find_rule("means_only"),
            schedule=Constant(1e-12),
            estimator=MonteCarlo(64),
            stopping=MaxIterations(100),
        )
        for chain in range(2):
            mixture = result.mixture[chain]
            draws, _ = mixture.sample(np.random.default_rng(0), 100_000)
            gaps = truth.log_density_and_gradient(draws)[0] - mixture.log_prob(draws)
            error = np.hypot(gaps.std() / np.sqrt(len(gaps)), result.history["elbo_se"][0, chain])
            assert abs(result.history["elbo"][0, chain] - gaps.mean()) < 5 * error
            assert result.history["elbo_se"][0, chain] < 0.1

    @pytest.mark.parametrize("how", ["true", "stop_iteration", "interrupt"])
    def test_a_callback_ends_the_fit(self, how):
        def callback(check):
            if check.iteration < 40:
                return False
            if how == "true":
                return True
            raise {"stop_iteration": StopIteration, "interrupt": KeyboardInterrupt}[how]

        saved = []
        result = fit(
            gaussian(np.zeros(3), np.eye(3)).target(),
            start(3),
            callback=callback,
            checkpoint=saved.append,
            stopping=MaxIterations(1000, window=20),
        )
        is_interrupt = how == "interrupt"
        assert result.stop_reason is (
            StopReason.INTERRUPTED if is_interrupt else StopReason.CALLBACK
        )
        assert result.iterations == 40
        assert len(saved) == 2

    def test_an_interrupt_inside_an_iteration_keeps_the_last_good_mixture(self):
        truth, mixture = gaussian(np.zeros(3), np.eye(3)), start(3)
        calls = []

        def interrupted(points):
            calls.append(1)
            if len(calls) == 31:
                raise KeyboardInterrupt
            return truth.log_density_and_gradient(points)

        options = {"schedule": Constant(0.1), "stopping": MaxIterations(100, window=20)}
        result = fit(make_target(interrupted, 3), mixture, **options)
        assert result.stop_reason is StopReason.INTERRUPTED
        assert result.iterations == 30
        options["stopping"] = MaxIterations(30)
        expected = fit(truth.target(), mixture, **options)
        np.testing.assert_array_equal(result.mixture.means, expected.mixture.means)

    def test_a_time_limit_ends_the_fit_with_its_tail(self, monkeypatch):
        truth, seconds = gaussian(np.zeros(2), np.eye(2)), [0.0]

        def slow(points):
            seconds[0] += 0.002
            return truth.log_density_and_gradient(points)

        # A clock that only the evaluations move: the test does not depend on other processes.
        clock = SimpleNamespace(perf_counter=lambda: seconds[0])
        monkeypatch.setattr("isogmm.optimize.runner.time", clock)
        result = fit(
            make_target(slow, 2),
            start(2),
            stopping=ElboPlateau(max_iterations=None, max_seconds=0.4, first_window=10_000),
        )
        assert result.stop_reason is StopReason.MAX_SECONDS
        # Two thirds of the time for the main phase; the tail is half as long in iterations.
        assert seconds[0] == pytest.approx(0.4, abs=0.01)
        tail = np.asarray(result.history["step_size"])[1:]
        assert result.history["iteration"][0] == pytest.approx(0.4 * 2 / 3 / 0.002, abs=2)
        assert np.all(np.diff(tail) < 0.0)
        assert tail[-1] < 0.01

    @pytest.mark.usefixtures("unchecked")
    def test_a_plateau_ends_the_fit(self):
        truth = correlated_gaussian(4, 5.0)
        result = fit(truth.target(), start(4, k=4, chains=4), stopping=ElboPlateau())
        assert result.stop_reason is StopReason.CONVERGED
        assert result.iterations < 2_000
        assert "no longer improved" in result.stop_reason.sentence

    @pytest.mark.usefixtures("unchecked")
    def test_the_tail_averages_the_noise_away(self):
        truth = gaussian(np.ones(5), np.diag([0.2, 0.5, 1.0, 2.0, 5.0]))
        mixture = start(5, k=2, chains=30)

        def error(schedule):
            result = fit(
                truth.target(),
                mixture,
                rule=RelativeStep(BuresWasserstein()),
                schedule=schedule,
                stopping=MaxIterations(400),
            )
            return np.log(result.mixture.variances).std(axis=0).mean()

        assert error(ConstantThenLinearDecay(0.25, tail=1.0)) < 0.5 * error(Constant(0.25))

    @pytest.mark.usefixtures("unchecked")
    def test_a_polynomial_schedule_converges(self):
        truth = gaussian(np.ones(2), np.eye(2))
        result = fit(
            truth.target(),
            start(2, k=1),
            schedule=Polynomial(0.3, delay=20.0),
            stopping=MaxIterations(2000),
        )
        np.testing.assert_allclose(result.mixture.means[:, 0], 1.0, atol=0.02)
        np.testing.assert_allclose(result.mixture.variances, 1.0, atol=0.02)


@pytest.mark.usefixtures("unchecked")
class TestWhitening:
    @pytest.mark.long
    def test_dense_adaptation_makes_a_gaussian_isotropic(self):
        truth = correlated_gaussian(3, 1e4)
        result = fit(
            truth.target(),
            start(3, k=2),
            whitening=AdaptDense(),
            stopping=ElboPlateau(max_iterations=20_000),
        )
        # The best ELBO is the log evidence, 0.
        assert result.history["elbo"][-1].min() > -0.01
        for chain in range(2):
            np.testing.assert_allclose(
                result.mixture[chain].covariance(), truth.covariances[0], atol=0.02
            )

    def test_diagonal_adaptation_finds_the_scales(self):
        scales = np.array([0.01, 1.0, 50.0, 3.0])
        truth = gaussian(np.zeros(4), np.diag(scales**2))
        affine_map = diagonal_map(np.zeros(4), np.full(4, 0.1))
        result = fit(
            truth.target(),
            start(4, k=2, affine_map=affine_map),
            whitening=AdaptDiagonal(),
            stopping=ElboPlateau(max_iterations=20_000),
        )
        assert result.mixture.affine_map.kind == "diagonal"
        assert result.history["elbo"][-1].min() > -0.01
        found = result.mixture.affine_map.scale / scales
        np.testing.assert_allclose(found / found.mean(), 1.0, atol=0.1)

    def test_one_sample_a_component_cannot_adapt(self):
        with pytest.raises(OptionError, match="at least 2 samples"):
            fit(
                gaussian(np.zeros(2), np.eye(2)).target(),
                start(2),
                whitening=AdaptDense(),
                estimator=MonteCarlo(1, antithetic=False),
            )


class TestNumericalFailures:
    def test_samples_outside_the_support_are_counted_and_left_out(self):
        mixture = IsotropicMixture(
            np.full((2, 2, 3), 1.0) + np.array([[0.0], [0.5]]),
            np.full((2, 2), 0.3),
            np.log(np.full((2, 2), 0.5)),
        )
        result = fit(half_space(3), mixture, estimator=MonteCarlo(8))
        assert result.stop_reason is StopReason.MAX_ITERATIONS
        assert result.history["nonfinite"].shape == (len(result.history["elbo"]), 2)
        assert result.history["nonfinite"].sum() > 0
        assert np.all(np.isfinite(result.mixture.means))
        assert np.all(np.isfinite(result.history["elbo"]))

    @pytest.mark.parametrize("backend", ["numpy", "jax"])
    @pytest.mark.weak_dtypes  # the loop broadcasts ranks as the array API does
    def test_nothing_finite_keeps_the_start(self, backend):
        mixture = start(3)
        result = fit(nowhere(3), mixture, array_backend=backend)
        assert result.stop_reason is StopReason.NON_FINITE
        assert result.iterations == 20
        np.testing.assert_array_equal(result.mixture.means, mixture.means)
        assert "not finite" in result.stop_reason.sentence
        assert np.all(result.history["nonfinite"] == 20 * 3 * 2)

    def test_a_target_that_breaks_later_keeps_the_last_good_mixture(self):
        truth, mixture = gaussian(np.zeros(3), np.eye(3)), start(3)
        calls = []

        def breaking(points):
            calls.append(1)
            values, gradients = truth.log_density_and_gradient(points)
            return (values, gradients) if len(calls) <= 20 else (values * np.nan, gradients)

        options = {"schedule": Constant(0.1)}
        result = fit(make_target(breaking, 3), mixture, **options)
        assert result.stop_reason is StopReason.NON_FINITE
        assert result.iterations == 40
        expected = fit(truth.target(), mixture, stopping=MaxIterations(20), **options)
        np.testing.assert_array_equal(result.mixture.means, expected.mixture.means)

    def test_one_component_without_support_ends_the_fit(self):
        mixture = IsotropicMixture(
            np.array([[[1.0, 0.0], [-50.0, 0.0]]]),
            np.full((1, 2), 0.1),
            np.log(np.full((1, 2), 0.5)),
        )
        result = fit(half_space(2), mixture)
        assert result.stop_reason is StopReason.NON_FINITE

    @pytest.mark.usefixtures("unchecked")
    def test_steps_that_explode_end_with_finite_parameters(self):
        def quadratic(points):
            with np.errstate(over="ignore", invalid="ignore"):
                return -50.0 * (points**2).sum(-1), -100.0 * points

        result = fit(
            make_target(quadratic, 3),
            start(3),
            rule=BuresWasserstein(),
            schedule=Constant(100.0),
            stopping=MaxIterations(2000, window=10),
        )
        assert result.stop_reason is StopReason.NON_FINITE
        assert np.all(np.isfinite(result.mixture.means))
        assert np.all(np.isfinite(result.mixture.variances))
        assert result.iterations < 2000

    def test_start_and_target_must_agree(self):
        target = gaussian(np.zeros(2), np.eye(2)).target()
        with pytest.raises(OptionError, match="3 coordinates, but the model has 2"):
            fit(target, start(3))
        with pytest.raises(OptionError, match="shape \\(chains, k, d\\)"):
            fit(target, start(2)[0])
        with pytest.raises(OptionError, match="numpy, jax"):
            fit(target, start(2), array_backend="torch")


@pytest.mark.usefixtures("unchecked")
def test_the_average_of_the_tail_has_weights_that_grow_linearly():
    runner = SimpleNamespace(iterations=100, seconds=lambda: 0.0, mixture=lambda: None)
    schedule = ConstantThenLinearDecay(0.3, tail=0.5)
    windows = _Windows(runner, schedule, MaxIterations(10_000), None, [])
    steps, weights = [], np.zeros(0)
    for plan in windows._tail():
        steps += plan.step_sizes
        for share in plan.averaging:
            weights = np.append((1.0 - share) * weights, share)
        runner.iterations += plan.length
    np.testing.assert_allclose(steps, 0.3 * (1.0 - np.arange(50) / 50))
    np.testing.assert_allclose(weights, np.arange(1, 51) / np.arange(1, 51).sum())


def test_gradients_before_the_loop_do_not_count():
    target = FitTarget.of(gaussian([0.0, 0.0], np.eye(2)).target())
    target.values(np.zeros((7, 2)))
    result = fit(target, start(2))
    assert result.history["gradient_evaluations"][-1] == target.num_gradient_evaluations - 7

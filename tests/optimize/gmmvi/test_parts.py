"""The seven parts of GMMVI, each against an independent form of its formula."""

import numpy as np
import pytest

from helpers.targets import correlated_gaussian, rotation
from helpers.tolerances import assert_within_error, standard_error
from isogmm.errors import OptionError
from isogmm.optimize.gmmvi import (
    AdaptiveNumber,
    Components,
    Decaying,
    Direct,
    DirectWeights,
    Fixed,
    FromComponents,
    FromMixture,
    Gmmvi,
    ImprovedBayesian,
    ImprovementBased,
    More,
    Regression,
    Samples,
    Stein,
    TrustRegion,
    TrustRegionWeights,
    find_method,
)
from isogmm.optimize.gmmvi.database import Database

DIM = 3
KINDS = ["full", "diagonal"]


def components(k=3, kind="full", seed=0, dim=DIM):
    generator = np.random.default_rng(seed)
    roots = np.tril(0.4 * generator.normal(size=(k, dim, dim)), -1)
    roots += generator.uniform(0.6, 1.4, (k, dim))[..., None] * np.eye(dim)
    if kind == "diagonal":
        roots = np.diagonal(roots, axis1=1, axis2=2).copy()
    inverses = 1.0 / roots if kind == "diagonal" else np.linalg.inv(roots)
    return Components(
        means=generator.normal(size=(k, dim)),
        factors=roots,
        inverse_factors=inverses,
        log_weights=np.log(generator.dirichlet(np.ones(k))),
        steps=np.full(k, 0.1),
        rewards=np.full(k, np.nan),
        weak=np.zeros(k, dtype=int),
        weight_step=0.1,
        elbo=float("nan"),
    )


def normal_density(points, mean, covariance):
    shifted = points - mean
    squared = np.einsum("nd,de,ne->n", shifted, np.linalg.inv(covariance), shifted)
    return np.exp(-0.5 * squared) / np.sqrt(np.linalg.det(2 * np.pi * covariance))


def densities(mixture, points):
    """N(x; m_k, Σ_k), (n, k), by the definition."""
    every = mixture.covariances()
    every = every[..., None] * np.eye(DIM) if mixture.is_diagonal else every
    return np.stack(
        [normal_density(points, m, s) for m, s in zip(mixture.means, every, strict=True)], 1
    )


class TestNaturalGradients:
    @pytest.mark.parametrize("kind", KINDS)
    def test_more_recovers_a_quadratic(self, kind):
        generator = np.random.default_rng(0)
        z = generator.normal(size=(60, DIM))
        b, root = generator.normal(size=DIM), generator.normal(size=(DIM, DIM))
        h = root + root.T
        h = np.diag(np.diag(h)) if kind == "diagonal" else h
        values = 2.0 + z @ b + 0.5 * np.einsum("nd,de,ne->n", z, h, z)
        weights = generator.dirichlet(np.ones(60))
        none = np.full(z.shape, np.nan)  # the gradient is not used
        g, found = More(ridge=0.0).estimate(z, weights, values, none, kind == "diagonal")
        np.testing.assert_allclose(g, -b, atol=1e-8)
        np.testing.assert_allclose(found, -(np.diag(h) if kind == "diagonal" else h), atol=1e-8)

    @pytest.mark.parametrize("estimator", [Stein(), Regression()])
    @pytest.mark.parametrize("kind", KINDS)
    def test_first_order_estimates_have_the_right_mean(self, estimator, kind):
        """δ linear plus odd cubic: E[∇δ] of A z + z³ is A + 3 I, and E[δ] is b."""
        generator = np.random.default_rng(1)
        a = generator.normal(size=(DIM, DIM))
        a, b = a + a.T, generator.normal(size=DIM)
        found = []
        for _ in range(400):
            z = generator.normal(size=(200, DIM))
            delta = b + z @ a + 0.05 * z**3
            weights = np.full(200, 1 / 200)
            found.append(estimator.estimate(z, weights, z[:, 0], delta, kind == "diagonal"))
        g, h = (np.stack(part) for part in zip(*found, strict=True))
        expected = a + 0.15 * np.eye(DIM)
        expected = np.diag(expected) if kind == "diagonal" else expected
        # Ratios of averages are biased by the order of 1/n, here 1/200 of what they estimate.
        bias = 0.0 if isinstance(estimator, Stein) else 0.02
        assert_within_error(g.mean(0), b, standard_error(g), bias=bias)
        assert_within_error(h.mean(0), expected, standard_error(h), bias=bias)

    @pytest.mark.parametrize("kind", KINDS)
    def test_regression_has_no_noise_on_a_gaussian(self, kind):
        generator = np.random.default_rng(2)
        a = np.diag(generator.normal(size=DIM))
        z = 1.0 + generator.normal(size=(30, DIM))
        weights = generator.dirichlet(np.ones(30))
        estimator = Regression(prior_count=1e-12)
        b = np.arange(3.0)
        g, h = estimator.estimate(z, weights, z[:, 0], b + z @ a, kind == "diagonal")
        if kind == "full":
            np.testing.assert_allclose(g, b, atol=1e-8)
            np.testing.assert_allclose(h, a, atol=1e-8)
        else:
            np.testing.assert_allclose(h, np.diag(a), atol=1e-8)

    def test_needs_grow_with_the_coefficients(self):
        assert More().samples_needed(10, False) == 2 * 66
        assert More().samples_needed(10, True) == 2 * 21
        assert Stein().samples_needed(31, False) == 62


def step_of(update, seed, step):
    """New mean, covariance and flag of one component, in its own coordinates, and g and G."""
    generator = np.random.default_rng(seed)
    turn = rotation(generator, DIM)
    values = generator.normal(size=DIM)
    g = generator.normal(size=DIM)
    means, variances, good = update.update((turn.T @ g)[None], values[None], np.array([step]))
    hessian = (turn * values) @ turn.T
    return turn @ means[0], (turn * variances[0]) @ turn.T, good[0], g, hessian


def divergence_from_standard(mean, covariance):
    """KL(N(m, S) ‖ N(0, I))."""
    trace, log_det = np.trace(covariance), np.linalg.slogdet(covariance)[1]
    return 0.5 * (trace - DIM - log_det + mean @ mean)


class TestComponentUpdates:
    @pytest.mark.parametrize("seed", range(8))
    @pytest.mark.parametrize("step", [1e-3, 0.1, 1.0])
    def test_the_trust_region_holds_and_is_used(self, seed, step):
        mean, covariance, good, g, hessian = step_of(TrustRegion(), seed, step)
        assert good
        found = divergence_from_standard(mean, covariance)
        # The step is one of the family Λ = I + β G, m = −β Λ⁻¹ g: recover β, and check both.
        change = np.linalg.inv(covariance) - np.eye(DIM)
        beta = np.trace(change @ hessian) / np.trace(hessian @ hessian)
        np.testing.assert_allclose(change, beta * hessian, atol=1e-7)
        np.testing.assert_allclose(mean, -beta * covariance @ g, atol=1e-7)
        assert found <= step * (1 + 1e-9)
        if beta < 1 - 1e-9:
            assert found == pytest.approx(step, rel=1e-4)

    def test_one_full_step_solves_a_gaussian(self):
        """With a bound that does not bind β is 1: the exact optimum of a Gaussian target."""
        truth = correlated_gaussian(DIM, 5.0)
        precision, mean = truth.precisions[0], truth.means[0]
        # q is standard normal: g = E[∇ log q − ∇ log π] = −Λ μ, G = Λ − I.
        values, turn = np.linalg.eigh(precision - np.eye(DIM))
        g = turn.T @ (-precision @ mean)
        means, variances, good = TrustRegion().update(g[None], values[None], np.array([1e9]))
        assert good.all()
        np.testing.assert_allclose(turn @ means[0], mean, atol=1e-9)
        np.testing.assert_allclose((turn * variances) @ turn.T, truth.covariances[0], atol=1e-9)

    def test_direct_steps_refuse_what_is_not_positive(self):
        values = np.array([[-3.0, 0.0, 1.0], [-0.5, 0.0, 1.0]])
        g = np.ones((2, DIM))
        means, variances, good = Direct().update(g, values, np.array([0.5, 0.5]))
        np.testing.assert_array_equal(good, [False, True])
        np.testing.assert_allclose(variances[1], 1 / (1 + 0.5 * values[1]))
        np.testing.assert_allclose(means[1], -0.5 * variances[1])

    def test_the_improved_rule_is_always_positive(self):
        generator = np.random.default_rng(0)
        values = 100.0 * generator.normal(size=(50, DIM))
        g = generator.normal(size=(50, DIM))
        means, variances, good = ImprovedBayesian().update(g, values, np.full(50, 0.7))
        assert good.all()
        assert np.all(variances > 0)
        np.testing.assert_allclose(1 / variances, 1 + 0.7 * values + 0.245 * values**2)
        np.testing.assert_allclose(means, -0.7 * g)


class TestStepSizes:
    def test_improvement(self):
        rule = ImprovementBased(initial=0.1, smallest=0.09, largest=0.105)
        steps = rule.adapt(np.full(2, 0.1), np.array([True, False]), 3)
        np.testing.assert_allclose(steps, [0.105, 0.09])

    def test_decay(self):
        rule = Decaying(initial=0.2, delay=10.0, power=0.5)
        np.testing.assert_allclose(rule.adapt(np.ones(2), np.ones(2, bool), 30), [0.1, 0.1])
        np.testing.assert_allclose(Fixed(0.3).adapt(np.full(2, 0.3), np.ones(2, bool), 9), 0.3)


class TestWeights:
    rewards = np.array([3.0, -1.0, 0.5, -4.0])
    before = np.log(np.array([0.1, 0.6, 0.2, 0.1]))

    def test_direct(self):
        after = DirectWeights().update(self.before, self.rewards, 0.3)
        expected = np.exp(self.before) * np.exp(0.3 * self.rewards)
        np.testing.assert_allclose(np.exp(after), expected / expected.sum())

    @pytest.mark.parametrize("bound", [1e-3, 0.1, 0.5])
    def test_the_trust_region_holds_and_is_used(self, bound):
        after = TrustRegionWeights().update(self.before, self.rewards, bound)
        p, q = np.exp(after), np.exp(self.before)
        assert p.sum() == pytest.approx(1.0)
        divergence = (p * np.log(p / q)).sum()
        assert bound * (1 - 1e-5) <= divergence <= bound

    def test_a_wide_trust_region_does_not_bind(self):
        after = TrustRegionWeights().update(self.before, self.rewards, 100.0)
        np.testing.assert_allclose(after, DirectWeights().update(self.before, self.rewards, 1.0))

    def test_rewards_that_are_not_numbers(self):
        rewards = np.array([3.0, np.nan, 0.5, -4.0])
        after = DirectWeights().update(self.before, rewards, 1.0)
        assert np.isfinite(after).all()
        nothing = np.full(4, np.nan)
        np.testing.assert_array_equal(
            DirectWeights().update(self.before, nothing, 1.0), self.before
        )


class TestSelection:
    effective = np.array([0.0, 30.0, 95.0])
    log_weights = np.log(np.array([0.7, 0.2, 0.1]))

    def test_components_get_what_they_lack(self):
        generator = np.random.default_rng(0)
        found = FromComponents().counts(self.log_weights, self.effective, 100, generator)
        np.testing.assert_array_equal(found, [100, 70, 30])
        found = FromComponents(num_samples=40).counts(
            self.log_weights, self.effective, 100, generator
        )
        np.testing.assert_array_equal(found, [40, 12, 12])

    def test_the_mixture_draws_by_weight(self):
        generator = np.random.default_rng(0)
        found = FromMixture().counts(self.log_weights, np.zeros(3), 100, generator)
        assert found.sum() == 300
        np.testing.assert_allclose(found, [210, 60, 30], atol=1)


@pytest.mark.parametrize("kind", KINDS)
class TestDatabase:
    """The density of the samples of several mixtures."""

    def batches(self, kind, generator, reuse=3, number=5):
        database = Database(DIM, reuse)
        sizes = []
        for batch in range(number):
            mixture = components(2 + batch % 2, kind, seed=batch)
            counts = (
                generator.integers(0, 6, len(mixture.means))
                + np.eye(5, dtype=int)[0, : len(mixture.means)] * 4
            )
            database.make_room()
            old = mixture.log_prob(database.points)
            owners = np.repeat(np.arange(len(counts)), counts)
            noise = generator.normal(size=(len(owners), DIM))
            factors = mixture.factors[owners]
            moved = noise * factors if kind == "diagonal" else (factors @ noise[..., None])[..., 0]
            points = mixture.means[owners] + moved
            values = -0.5 * (points**2).sum(1)
            samples = database.add(mixture, counts, points, values, -points, old)
            sizes.append((mixture, counts))
        return database, samples, sizes[-reuse:]

    def test_the_density_they_came_from(self, kind):
        database, samples, kept = self.batches(kind, np.random.default_rng(0))
        total = sum(counts.sum() for _, counts in kept)
        assert len(database.points) == total
        expected = sum(densities(m, database.points) @ (counts / total) for m, counts in kept)
        np.testing.assert_allclose(np.exp(database.log_background()), expected, rtol=1e-9)
        last = kept[-1][0]
        weights = (densities(last, database.points) / expected[:, None]).T
        weights /= weights.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(samples.weights, weights, rtol=1e-9)
        np.testing.assert_allclose(
            database.effective(samples.log_components), 1 / (weights**2).sum(1), rtol=1e-9
        )

    def test_the_score_is_the_mixture_s(self, kind):
        _, samples, kept = self.batches(kind, np.random.default_rng(1))
        weights, last = np.exp(kept[-1][0].log_weights), kept[-1][0]
        step = 1e-5
        for i, move in enumerate(step * np.eye(DIM)):
            up = np.log(densities(last, samples.points + move) @ weights)
            down = np.log(densities(last, samples.points - move) @ weights)
            np.testing.assert_allclose(samples.score[:, i], (up - down) / 2 / step, atol=1e-6)

    @pytest.mark.long
    @pytest.mark.usefixtures("unchecked")
    def test_weights_are_unbiased(self, kind):
        """Σ_i N(x_i; k) / p(x_i) f(x_i) / N has the mean E_k[f], whatever the samples came from."""
        generator = np.random.default_rng(2)
        found = []
        for _ in range(300):
            database, samples, kept = self.batches(kind, generator, number=4)
            ratio = np.exp(samples.log_components - database.log_background()[:, None])
            found.append((ratio[..., None] * samples.points[:, None]).mean(axis=0))
        found = np.stack(found)
        assert_within_error(found.mean(0), kept[-1][0].means, standard_error(found))

    def test_samples_outside_the_support_weigh_nothing(self, kind):
        mixture = components(2, kind)
        database = Database(DIM, 2)
        points = np.random.default_rng(0).normal(size=(8, DIM))
        values = np.where(np.arange(8) < 3, -np.inf, 0.0)
        old = mixture.log_prob(database.points)
        samples = database.add(mixture, np.array([4, 4]), points, values, 0 * points, old)
        assert np.all(samples.weights[:, :3] == 0)
        np.testing.assert_allclose(samples.weights.sum(axis=1), 1.0)
        assert np.isfinite(samples.rewards()).all()


def test_large_batches_are_evaluated_one_component_after_the_other(monkeypatch):
    mixture = components(3)
    points = np.random.default_rng(0).normal(size=(9, DIM))
    small = mixture.log_prob(points)
    monkeypatch.setattr("isogmm.optimize.gmmvi.components.MAX_BROADCAST_NUMBERS", 0)
    for kind in KINDS:
        mixture = components(3, kind)
        values, z = mixture.log_prob(points)
        np.testing.assert_allclose(np.exp(values), densities(mixture, points), rtol=1e-10)
        assert z.shape == small[1].shape


class TestNumber:
    def samples(self, mixture, points, log_density):
        values, z = mixture.log_prob(points)
        log_q = np.log(np.exp(values) @ np.exp(mixture.log_weights))
        nothing = np.zeros_like(points)
        return Samples(
            points, log_density, nothing, values, z, log_q, nothing, np.ones_like(values.T)
        )

    def test_a_new_component_comes_where_the_mixture_is_thin(self):
        mixture = components(2)
        points = np.concatenate([mixture.means, [[4.0, 4.0, 4.0]]])
        samples = self.samples(mixture, points, np.zeros(3))
        rule = AdaptiveNumber(add_every=5)
        assert len(rule.adapt(mixture, samples, 4, 0.2).means) == 2
        grown = rule.adapt(mixture, samples, 5, 0.2)
        np.testing.assert_allclose(grown.means[-1], [4.0, 4.0, 4.0])
        assert grown.steps[-1] == 0.2
        assert np.exp(grown.log_weights).sum() == pytest.approx(1.0)
        assert np.exp(grown.log_weights[-1]) == pytest.approx(rule.new_weight)
        full = AdaptiveNumber(add_every=5, max_components=2)
        assert len(full.adapt(mixture, samples, 5, 0.2).means) == 2

    def test_negligible_components_go(self):
        mixture = components(3)
        weights = np.array([0.6, 1e-9, 0.4 - 1e-9])
        mixture = Components(**{**vars(mixture), "log_weights": np.log(weights)})
        samples = self.samples(mixture, mixture.means, np.zeros(3))
        rule = AdaptiveNumber(add_every=1000, patience=3)
        for iteration in range(1, 3):
            mixture = rule.adapt(mixture, samples, iteration, 0.1)
            assert len(mixture.means) == 3
        mixture = rule.adapt(mixture, samples, 3, 0.1)
        assert len(mixture.means) == 2
        np.testing.assert_allclose(np.exp(mixture.log_weights), [0.6, 0.4], atol=1e-8)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ImprovementBased(initial=2.0), "must lie between"),
        (lambda: ImprovementBased(growth=0.9), "growth above 1"),
        (lambda: Fixed(-1.0), "initial must be"),
        (lambda: FromComponents(num_samples=1), "num_samples must be"),
        (lambda: FromComponents(reuse=0), "reuse must be"),
        (lambda: FromMixture(least_fresh=0.0), "least_fresh must be"),
        (lambda: AdaptiveNumber(add_every=0), "add_every must be"),
        (lambda: AdaptiveNumber(delete_below=0.1), "must be below new_weight"),
        (lambda: AdaptiveNumber(thresholds=()), "thresholds"),
        (lambda: More(ridge=-1.0), "ridge must be at least 0"),
        (lambda: Regression(prior_count=0.0), "prior_count must be"),
        (lambda: find_method("samtrom"), "Did you mean 'samtron'"),
    ],
)
def test_settings_are_checked(make, message):
    with pytest.raises(OptionError, match=message):
        make()


def test_methods_are_values():
    assert Gmmvi() == find_method("samtron")
    assert Gmmvi(gradients=More()) != Gmmvi()


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("kind", KINDS)
def test_a_component_with_an_estimate_that_is_not_finite_stays(kind, monkeypatch):
    before = components(kind=kind)
    shape = (3, DIM) if kind == "diagonal" else (3, DIM, DIM)
    gradients, hessians = np.ones((3, DIM)), np.full(shape, 0.5)
    gradients[1, 2] = np.nan
    hessians[(2, 0) if kind == "diagonal" else (2, 0, 0)] = np.inf
    monkeypatch.setattr(Gmmvi, "_estimates", lambda *args: (gradients, hessians))
    moved = find_method("samtron")._moved(before, None, np.full(3, 0.1))
    np.testing.assert_array_equal(moved.means[1:], before.means[1:])
    np.testing.assert_array_equal(moved.factors[1:], before.factors[1:])
    assert np.all(moved.means[0] != before.means[0])

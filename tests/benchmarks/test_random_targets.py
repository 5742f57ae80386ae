"""The random targets are what they claim, and the judge separates right from wrong draws."""

import numpy as np
import pytest

from benchmarks import metrics, random_targets
from benchmarks.random_targets import Component, is_wrong, random_target, summary

NUM_DRAWS = 20_000


@pytest.mark.long
@pytest.mark.parametrize("shape", sorted(random_targets.SHAPES))
def test_a_component_is_normalized_and_its_draws_follow_it(shape):
    amount = random_targets.SHAPES[shape][1]
    component = Component(np.array([1.0, -2.0]), 0.7, shape, amount)

    # A grid that is dense at the center and reaches to 200 in every direction.
    steps = np.linspace(-6.0, 6.0, 2_001)
    offsets, weights = np.sinh(steps), np.cosh(steps) * (steps[1] - steps[0])
    first, second = np.meshgrid(1.0 + offsets, -2.0 + offsets, indexing="ij")
    density = np.exp(component.log_prob(np.stack([first, second], axis=-1), np))
    by_first = weights * (density @ weights)
    shares = by_first[steps < 0].sum(), by_first[steps >= 0].sum()
    assert sum(shares) == pytest.approx(1.0, abs=1e-4)
    draws = component.draw(np.random.default_rng(0), NUM_DRAWS)
    standard_error = np.sqrt(shares[0] * shares[1] / NUM_DRAWS)
    # The grid assigns the cell of its middle point to one side.
    assert abs(np.mean(draws[:, 0] < 1.0) - shares[0]) < 5 * standard_error + by_first[1_000]


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 8))]
)
def test_scores_have_mean_zero_under_the_exact_draws(seed):
    """E[∇ log π] = 0 and E[x_i ∂_i log π] = -1: draws and density belong together."""
    case = random_target(seed)
    x = case.draw(np.random.default_rng(1), NUM_DRAWS)
    log_density, gradients = case.target(batch_size=1_000).evaluate(x)
    assert np.isfinite(log_density).all()
    products = (x - x.mean(0)) * gradients
    for values, truth in ((gradients, 0.0), (products, -1.0)):
        standard_error = values.std(0) / np.sqrt(NUM_DRAWS)
        assert np.all(np.abs(values.mean(0) - truth) <= 6.0 * standard_error)


@pytest.mark.long  # forty targets of the benchmarks
def test_all_kinds_of_targets_occur():
    cases = [random_target(seed) for seed in range(40)]
    assert set().union(*(case.tags for case in cases)) == set(random_targets.SHAPES)
    assert {len(case.masses) for case in cases} == set(range(1, 7))
    assert max(case.dim for case in cases) > 20
    assert min(case.dim for case in cases) < 4


def test_draws_of_the_components_have_the_masses_of_the_modes():
    case = next(c for c in map(random_target, range(40)) if len(c.masses) == 3)
    generator, count = np.random.default_rng(3), len(case.masses)
    found, variance = np.zeros(count), case.masses * (1 - case.masses) / 100_000
    for mass, draw in case.components:
        shares = np.bincount(case.mode_of(draw(generator, NUM_DRAWS)), minlength=count) / NUM_DRAWS
        found += mass * shares
        variance += mass**2 * shares * (1 - shares) / NUM_DRAWS
    assert np.all(np.abs(found - case.masses) < 5 * np.sqrt(variance))


def test_the_judge_accepts_exact_draws_and_refuses_draws_without_a_mode():
    case = next(c for c in map(random_target, range(40)) if len(c.masses) == 2)
    draws = case.draw(np.random.default_rng(2), 16_000)
    right = metrics.compare({"x": draws[None, :4_000]}, case.reference)
    one_mode = draws[case.mode_of(draws) == np.argmax(case.masses)]
    wrong = metrics.compare({"x": one_mode[None, :2_000]}, case.reference)
    assert not is_wrong(right)
    assert is_wrong(wrong)
    assert is_wrong({"verdict": "good"})
    rows = [
        {**scores, "verdict": verdict, "seconds": 1.0, "mass_error": 0.01, "modes": 2}
        | {"evidence_error": 0.02, "log_evidence_se": 0.01, "num_gradient_evaluations": 1000}
        for scores, verdict in ((right, "good"), (wrong, "refined"), (right, "unreliable"))
    ]
    counts = summary(rows)
    assert (counts["trusted"], counts["wrong_trusted"], counts["correct_unreliable"]) == (2, 1, 1)

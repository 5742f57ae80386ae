"""The effect of importance weights on variables: false alarms, heavy draws, heavy tails."""

import numpy as np
import pytest
from scipy import stats

from isogmm.draws.differences import MAX_ENTRIES
from isogmm.draws.weight_effect import FALSE_ALARM_PROBABILITY, weight_effect
from isogmm.recipe.thresholds import MAX_PARETO_K


def normalized(log_weights):
    return log_weights - np.logaddexp.reduce(log_weights)


def effect_of(variables, log_ratios):
    return weight_effect(variables, normalized(log_ratios), log_ratios)


@pytest.mark.long
def test_false_alarms_are_rarer_than_the_stated_probability():
    """Weights that do not depend on the variables, relative ESS 80 %: the limit is above one."""
    generator, repetitions = np.random.default_rng(0), 400
    alarms = 0
    for _ in range(repetitions):
        log_ratios = 0.47 * generator.standard_normal(1000)
        normal = generator.standard_normal((1000, 6))
        alarms += effect_of({"x": normal, "y": np.exp(normal), "z": normal**2}, log_ratios) is None
    alarms = repetitions - alarms
    expected = repetitions * FALSE_ALARM_PROBABILITY
    assert alarms <= expected + 5 * np.sqrt(expected)


@pytest.mark.parametrize("num_scalars", [1, 300])
def test_nearly_equal_weights_are_no_alarm(num_scalars):
    generator = np.random.default_rng(1)
    log_ratios = 0.1 * generator.standard_normal(4000)  # relative ESS 99 %
    draws = generator.standard_normal((4000, num_scalars))
    assert effect_of({"x": draws, "square": draws**2}, log_ratios) is None


def test_one_draw_without_weight_is_found_and_named():
    """One draw at 32 sds changes neither the ESS nor the tail of the weights."""
    generator = np.random.default_rng(2)
    x = generator.exponential(size=(4000, 2, 2))
    x[17, 1, 0] = 33.0
    log_ratios = np.zeros(4000)
    log_ratios[17] = -30.0
    effect = effect_of({"y": x[:, 0], "x": x}, log_ratios)
    assert effect.name == "x[1, 0]"
    assert effect.statistic == "sd"
    rest = np.delete(x[:, 1, 0], 17)
    assert effect.log_sd_shift == pytest.approx(np.log(x[:, 1, 0].std() / rest.std()), rel=1e-6)
    assert effect.mean_shift == pytest.approx((x[:, 1, 0].mean() - rest.mean()) / rest.std())
    change = np.expm1(effect.log_sd_shift)
    assert effect.describe() == f"the sd of x[1, 0] would be {change:.0%} too large"
    assert effect.pareto_k == 0.0  # the weights make the tail lighter


def test_differences_in_standard_errors_are_those_of_the_formulas():
    generator = np.random.default_rng(3)
    x = generator.normal(5.0, 2.0, size=4000)
    log_ratios = 0.08 * (x - 5.0) / 2.0  # towards a normal distribution with a larger mean
    effect = effect_of({"x": x}, log_ratios)
    weights = np.exp(normalized(log_ratios))
    mean, sd = weights @ x, np.sqrt(weights @ (x - weights @ x) ** 2)
    assert effect.statistic == "mean"
    assert effect.num_errors == pytest.approx(abs(x.mean() - mean) / sd * np.sqrt(4000))
    assert effect.describe().startswith("the mean of x would be 0.08 sd too small")


def pareto(shape):
    """Quantiles of a Pareto distribution with P(X > x) = x^-shape."""
    return stats.pareto(shape).ppf((np.arange(4000) + 0.5) / 4000)


def test_a_tail_that_the_weights_make_heavier_has_a_large_k():
    x = pareto(3.0)
    effect = effect_of({"x": x}, np.log(x))  # towards P(X > x) = x^-2: k of w x^2 is 1
    assert effect.tail_name == "x"
    assert effect.pareto_k > MAX_PARETO_K


def test_a_tail_that_the_weights_make_lighter_is_no_problem():
    x = pareto(2.0)
    effect = effect_of({"x": x}, -np.log(x))
    assert effect.pareto_k == 0.0
    assert effect.tail_name == ""


def test_values_that_are_not_finite_matter_where_weights_would_remove_them():
    x = np.random.default_rng(4).normal(size=4000)
    x[5] = np.inf
    log_ratios = np.zeros(4000)
    assert effect_of({"x": x}, log_ratios) is None  # the posterior has such values
    log_ratios[5] = -40.0
    effect = effect_of({"x": x}, log_ratios)
    assert np.isinf(effect.num_errors)
    assert np.isinf(effect.shift)
    assert effect.describe() == "the sd of x would not be finite"


@pytest.mark.parametrize(
    "values",
    [
        np.ones(4000),
        1.0 + 2.3e-16 * (np.arange(4000) % 5),
        np.full((4000, 2), np.nan),
        np.arange(4000) % 2 == 0,
        np.arange(4000) % 3,
        np.array(["a", "b"] * 2000),
        np.zeros((4000, 0)),
    ],
    ids=["constant", "rounding", "nan", "bool", "int", "text", "empty"],
)
def test_what_is_no_difference(values):
    log_ratios = np.where(np.arange(4000) < 40, -30.0, 0.0)
    with np.errstate(all="raise"):
        assert effect_of({"x": values}, log_ratios) is None


def test_a_long_variable_is_thinned():
    generator = np.random.default_rng(5)
    x = generator.standard_normal((50, MAX_ENTRIES + 7))
    x[3, -1] = 1e6
    log_ratios = np.zeros(50)
    log_ratios[3] = -50.0
    assert effect_of({"x": x}, log_ratios).name == f"x[{MAX_ENTRIES + 6}]"


def test_large_factors_are_shown_as_multiples():
    x = np.random.default_rng(6).normal(size=4000)
    x[0] = 1e4
    log_ratios = np.zeros(4000)
    log_ratios[0] = -50.0
    text = effect_of({"x": x}, log_ratios).describe()
    assert text == f"the sd of x would be {x.std() / x[1:].std():.3g} times too large"

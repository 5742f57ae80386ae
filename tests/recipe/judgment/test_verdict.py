"""The verdict, row by row: which findings make which word, and what the sentence names."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import norm

from isogmm.draws.weight_effect import WeightEffect
from isogmm.recipe.judgment.findings import Findings, _narrow_start
from isogmm.recipe.judgment.missing_gradients import MissingGradients
from isogmm.recipe.judgment.verdict import decide
from isogmm.recipe.thresholds import (
    MANY_UNSEEN_PROBABILITY,
    MAX_GOOD_K,
    MAX_MASS_SE,
    MAX_MCSE_SD,
    MAX_PARETO_K,
    MAX_RHAT,
    MAX_ROUNDING_ERROR,
    MAX_ROUNDING_ERROR_OF_SEARCH,
    MAX_SPREAD_GROWTH,
    MAX_UNSEEN_PROBABILITY,
    MIN_SKEWNESS,
)
from isogmm.results.labeling.labels import DrawSource, Verdict

MIXTURE = Findings(
    source=DrawSource.MIXTURE,
    pareto_k=0.2,
    relative_ess=0.98,
    rhat=1.0,
    rhat_name="mu",
    mcse_name="mu",
)
IMPORTANCE = replace(MIXTURE, source=DrawSource.IMPORTANCE, pareto_k=0.45, relative_ess=0.7)
EFFECT = WeightEffect("tau", "sd", 5.0, 0.02, 0.2)
TAIL = WeightEffect("tau", "mean", 5.0, -0.03, 0.01, MAX_PARETO_K + 0.1, "rate[1]")
CHAINS = replace(
    MIXTURE,
    source=DrawSource.CHAINS,
    pareto_k=0.9,
    relative_ess=0.1,
    independent_of_start=True,
    still_drifting=False,
    drift_name="tau",
    slow_name="tau",
)


@pytest.mark.parametrize(
    ("findings", "word", "part"),
    [
        (MIXTURE, "good", "describes the posterior well (Pareto k 0.20)"),
        # A k of nothing but rounding is not shown.
        (replace(MIXTURE, pareto_k=1.3, relative_ess=0.9991), "good", "equal: 99.9% effective"),
        (IMPORTANCE, "reweighted", "selected by importance weights (Pareto k 0.45)"),
        (
            replace(IMPORTANCE, relative_ess=0.995, pareto_k=1.3, weight_effect=EFFECT),
            "reweighted",
            "weights (without them the sd of tau would be 22% too large)",
        ),
        # Weights that vary speak for themselves.
        (replace(IMPORTANCE, weight_effect=EFFECT), "reweighted", "(Pareto k 0.45)"),
        (CHAINS, "refined", "independent of their starting points"),
        (replace(MIXTURE, num_modes=3), "good", "There are 3 modes"),
        (replace(CHAINS, num_modes=2), "refined", "There are 2 modes"),
    ],
)
def test_a_fit_without_complaints(findings, word, part):
    verdict, advice = decide(findings)
    assert verdict.value == word
    assert part in advice


@pytest.mark.parametrize(
    ("findings", "part"),
    [
        (replace(MIXTURE, pareto_k=MAX_GOOD_K + 0.01), "Pareto k is 0.51"),
        (replace(MIXTURE, pareto_k=float("inf")), "misses part of the posterior"),
        (replace(MIXTURE, pareto_k=float("nan")), "misses part of the posterior"),
        (replace(IMPORTANCE, pareto_k=MAX_PARETO_K + 0.01), "Pareto k is 0.71"),
        (replace(MIXTURE, relative_ess=0.3), "is 30% of the draws"),
        (replace(IMPORTANCE, relative_ess=0.01), "is 1% of the draws"),
        (
            replace(MIXTURE, weight_effect=EFFECT),
            "without them the mean or the log sd of tau is wrong by 0.20",
        ),
        (
            replace(IMPORTANCE, weight_effect=TAIL),
            "sd of rate[1] by importance weights is not reliable: its Pareto k is 0.80",
        ),
        (replace(CHAINS, still_drifting=True), "still move away from the mixture (most in tau)"),
        (
            replace(CHAINS, independent_of_start=False),
            "still correlated with their starting points. The slowest coordinate is tau.",
        ),
        (replace(CHAINS, narrow_start="tau"), "much too narrow in tau"),
        (replace(CHAINS, stuck_share=0.1), "10% of the HMC chains hardly moved"),
        (
            replace(CHAINS, mcse=2 * MAX_MCSE_SD),
            "The mean of mu has a Monte Carlo error of 0.20 sd",
        ),
        (replace(MIXTURE, rhat=MAX_RHAT + 0.1), "R-hat 1.13 for mu"),
        (
            replace(MIXTURE, num_modes=2, unseen_probability=1.01 * MAX_UNSEEN_PROBABILITY),
            "2 modes were found, and 2% of further starting points may lead to a new one. Raise",
        ),
        (
            replace(MIXTURE, unseen_probability=1.01 * MAX_UNSEEN_PROBABILITY),
            "One mode was found, and 2% of further starting points",
        ),
        (
            replace(MIXTURE, num_modes=9, unseen_probability=1.01 * MANY_UNSEEN_PROBABILITY),
            "may lead to a new one. Posteriors with very many modes often have a symmetry",
        ),
        (
            replace(CHAINS, num_modes=2, mass_se=2 * MAX_MASS_SE),
            "masses of the 2 modes are uncertain",
        ),
        (replace(MIXTURE, elbo_gap=2.5), "differ by 2.5 nats"),
        (replace(MIXTURE, nonfinite_share=0.2), "20% of the mixture's draws"),
        (
            replace(MIXTURE, nonfinite_share=0.2, nonfinite_terms="The factor 'f' is nan."),
            "no finite log density. The factor 'f' is nan. Choose priors",
        ),
        (
            replace(MIXTURE, missing_gradients=MissingGradients(0.031, tuple("abcdef"))),
            "In 3.1% of the posterior the log density is finite, but its derivative with respect "
            "to a, b, c, d, e, ... is not.",
        ),
        (replace(MIXTURE, nonfinite_share=0.2, single_precision=True), "in single precision"),
        (replace(CHAINS, stuck_share=0.5, single_precision=True), "in single precision"),
        (replace(MIXTURE, stopped_early="The budget ran out."), "The budget ran out."),
    ],
)
def test_every_complaint_makes_a_fit_unreliable_and_is_named(findings, part):
    verdict, advice = decide(findings)
    assert verdict is Verdict.UNRELIABLE
    assert part in advice


@pytest.mark.parametrize(
    "findings",
    [
        # Chains repair what the weights say about the mixture.
        replace(CHAINS, pareto_k=3.0, relative_ess=1e-4),
        # R-hat between modes is a matter of masses, not of chains that disagree.
        replace(CHAINS, num_modes=2, rhat=1.5),
        replace(MIXTURE, num_modes=2, unseen_probability=0.99 * MAX_UNSEEN_PROBABILITY),
        replace(MIXTURE, mass_se=1.0),
        replace(IMPORTANCE, pareto_k=MAX_PARETO_K - 0.01),
        # A change of a few hundredths of an sd.
        replace(MIXTURE, weight_effect=WeightEffect("tau", "mean", 1.5, 0.03, -0.04)),
        replace(CHAINS, weight_effect=TAIL),
    ],
)
def test_what_is_no_complaint(findings):
    assert decide(findings)[0] is not Verdict.UNRELIABLE


def test_an_improper_posterior_has_no_other_remedy():
    """Longer chains and more starting points do not make the integral finite."""
    verdict, advice = decide(
        replace(CHAINS, improper_direction="x", still_drifting=True, unseen_probability=1.0)
    )
    assert verdict is Verdict.UNRELIABLE
    assert advice.startswith("The posterior is improper")
    assert advice.endswith("Give these parameters proper priors.")


def test_complaints_add_up():
    verdict, advice = decide(
        replace(CHAINS, stuck_share=0.5, elbo_gap=3.0, stopped_early="Stopped.")
    )
    assert verdict is Verdict.UNRELIABLE
    assert advice.startswith("Stopped.")
    assert "hardly moved" in advice
    assert "3.0 nats" in advice


#: Where each threshold lies: findings as a function of one value, and the value.
BOUNDARIES = {
    "k of the mixture": (lambda x: replace(MIXTURE, pareto_k=x), 0.5),
    "k of weighted draws": (lambda x: replace(IMPORTANCE, pareto_k=x), 0.7),
    "k where weights vary": (lambda x: replace(MIXTURE, pareto_k=1.3, relative_ess=2 - x), 1.01),
    "ESS of the mixture": (lambda x: replace(MIXTURE, relative_ess=1 - x), 0.5),
    "ESS of weighted draws": (lambda x: replace(IMPORTANCE, relative_ess=1 - x), 0.95),
    "ESS without chains": (
        lambda x: replace(IMPORTANCE, without_chains=True, relative_ess=1 - x),
        0.2,
    ),
    "change by weights": (lambda x: replace(MIXTURE, weight_effect=_effect(x)), 0.05),
    "k of a tail": (
        lambda x: replace(IMPORTANCE, weight_effect=replace(TAIL, pareto_k=x)),
        0.7,
    ),
    "R-hat": (lambda x: replace(MIXTURE, rhat=1 + x, num_draws=10**9), 0.03),
    "R-hat of few draws": (lambda x: replace(MIXTURE, rhat=1 + x, num_draws=1000), 0.04),
    "Monte Carlo error": (lambda x: replace(CHAINS, mcse=x), 0.1),
    "stuck chains": (lambda x: replace(CHAINS, stuck_share=x), 0.02),
    "outside the support": (lambda x: replace(MIXTURE, nonfinite_share=x), 0.05),
    "without a gradient": (
        lambda x: replace(MIXTURE, missing_gradients=MissingGradients(x, ("a",))),
        0.005,
    ),
    "unseen modes": (lambda x: replace(MIXTURE, num_modes=2, unseen_probability=x), 0.02),
    "an unseen second mode": (lambda x: replace(MIXTURE, unseen_probability=x), 0.02),
    "error of a mass": (lambda x: replace(CHAINS, num_modes=2, mass_se=x), 0.05),
    "gap of the ELBOs": (lambda x: replace(MIXTURE, elbo_gap=x), 1.0),
}


def _effect(shift):
    return replace(EFFECT, log_sd_shift=shift, mean_shift=0.0)


@pytest.mark.parametrize("name", BOUNDARIES)
def test_every_threshold_is_where_the_documentation_says(name):
    findings, value = BOUNDARIES[name]
    assert decide(findings(value * 0.999))[0] is not Verdict.UNRELIABLE
    assert decide(findings(value * 1.001))[0] is Verdict.UNRELIABLE


def test_the_message_about_symmetries_begins_at_a_tenth():
    messages = [decide(replace(MIXTURE, num_modes=9, unseen_probability=x))[1] for x in (0.1, 0.11)]
    assert ["symmetry" in message for message in messages] == [False, True]


def test_many_dimensions_with_several_modes_are_said_to_hide_further_ones():
    advice = [
        decide(replace(MIXTURE, dim=dim, num_modes=num_modes))[1]
        for dim, num_modes in ((9, 2), (10, 2), (10, 1))
    ]
    assert ["may be missing" in sentences for sentences in advice] == [False, True, False]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("growth", "skewness", "name"), [(0.8, 1.25, ""), (1.25, 1.25, "tau"), (1.25, 0.8, "")]
)
def test_a_skewed_coordinate_with_narrow_starting_points_is_named(growth, skewness, name):
    z = norm.ppf((np.arange(384) + 0.5) / 384)
    start = np.stack([z, z], axis=1)
    draws = np.stack([start, start])
    # To the first order in b, z + b (z² - 1) has the skewness 6 b and the median deviation of z.
    draws[..., 1] += skewness * MIN_SKEWNESS / 6.0 * (z**2 - 1.0)
    draws[..., 1] *= growth * MAX_SPREAD_GROWTH
    assert _narrow_start(["mu", "tau"], SimpleNamespace(starting_points=start), draws) == name


def test_a_missing_gradient_replaces_remedies_that_do_not_help():
    missing = MissingGradients(0.3, ("a",))
    found = replace(CHAINS, nonfinite_share=0.3, missing_gradients=missing)
    advice = [decide(replace(found, single_precision=single))[1] for single in (False, True)]
    assert all("no finite log density" not in text for text in advice)
    assert ["double precision" in text for text in advice] == [False, True]


def test_jumps_replace_remedies_that_do_not_help():
    found = replace(CHAINS, still_drifting=True, unseen_probability=1.0, stopped_early="It ended.")
    _, advice = decide(replace(found, jumps_along="tau"))
    assert "jumps along tau" in advice
    assert "discrete switch point" in advice
    assert "It ended." in advice
    assert "starting points" not in advice
    assert "nuts_from" not in advice


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("error", [0.0, 1.0])
@pytest.mark.parametrize(
    ("change", "least"),
    [
        ({"unseen_probability": 1.0}, MAX_ROUNDING_ERROR_OF_SEARCH),
        ({"still_drifting": True}, MAX_ROUNDING_ERROR),
    ],
)
def test_rounding_errors_in_single_precision_have_one_remedy(change, least, single, error):
    found = replace(CHAINS, single_precision=single, rounding_error=1.01 * error * least, **change)
    _, advice = decide(found)
    is_cause = single and error > 0.0
    assert ("double precision" in advice) is is_cause
    assert ("starting points" in advice or "nuts_from" in advice) is not is_cause

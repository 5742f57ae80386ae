"""The verdict of the importance weights on all rows."""

import numpy as np
import pytest

import isogmm
from helpers.results import fitted
from isogmm.results.building.fit_group import positions_from
from isogmm.results.groups import attributes
from isogmm.rows.judge import _selected, judged

CHAINS, DRAWS = 4, 250
GENERATOR = np.random.default_rng(0)


@pytest.fixture(scope="module")
def make():
    """A new result of a fit of N(0, 1), with its draws."""
    model = isogmm.LogDensity(lambda x: -0.5 * x**2, np.zeros(()), names="x")

    def fit():
        idata = isogmm.fit_isogmm(model, random_seed=0, progressbar=False, draws=DRAWS)
        idata.attrs["sample_rows"] = 1_000
        return idata, idata["posterior"]["x"].values

    return fit


def judge(idata, of_rows, problem=""):
    return judged(idata, of_rows, problem, GENERATOR)


@pytest.mark.long
@pytest.mark.usefixtures("unchecked")
def test_equal_weights_change_only_the_evidence(make):
    idata, draws = make()
    before = attributes(idata)
    of_rows = -0.5 * draws**2 + 0.3
    found = judge(idata, of_rows)
    after = attributes(found)
    assert after["verdict"] == before["verdict"] == "good"
    np.testing.assert_array_equal(found["posterior"]["x"].values, draws)
    np.testing.assert_allclose(found["sample_stats"]["lp"].values, of_rows)
    np.testing.assert_allclose(after["log_evidence"], before["log_evidence"] + 0.3, atol=1e-9)


@pytest.mark.usefixtures("unchecked")
def test_draws_are_selected_by_their_weights(make):
    idata, draws = make()
    before = attributes(idata)
    of_rows = -0.5 * (draws - 0.5) ** 2  # N(0.5, 1) instead of N(0, 1)
    found = judge(idata, of_rows)
    after = attributes(found)
    assert after["verdict"] == "reweighted"
    ratios = np.exp(of_rows + 0.5 * draws**2)
    expected = before["log_evidence"] + np.log(ratios.mean())
    np.testing.assert_allclose(after["log_evidence"], expected, rtol=1e-9)
    error = ratios.std() / (ratios.mean() * np.sqrt(CHAINS * DRAWS))
    np.testing.assert_allclose(
        after["log_evidence_se"], np.hypot(before["log_evidence_se"], error), rtol=1e-9
    )
    chosen = found["posterior"]["x"].values
    # exp(-1/4) is the relative ESS of these weights.
    assert abs(chosen.mean() - 0.5) < 5 / np.sqrt(CHAINS * DRAWS * np.exp(-0.25))
    # The statistics of a draw stay with it.
    np.testing.assert_allclose(found["sample_stats"]["lp"].values, -0.5 * (chosen - 0.5) ** 2)
    np.testing.assert_array_equal(positions_from(found)[..., 0], chosen)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("center", [6.0, np.nan])
def test_weights_that_no_draw_supports_are_unreliable(make, center):
    idata, draws = make()
    of_rows = np.full(draws.shape, -np.inf) if np.isnan(center) else -0.5 * (draws - center) ** 2
    found = attributes(judge(idata, of_rows))
    assert found["verdict"] == "unreliable"
    assert "sample_rows=4_000" in found["advice"]
    assert np.isnan(found["log_evidence"])


@pytest.mark.usefixtures("unchecked")
def test_equal_weights_far_from_zero_are_unreliable(make):
    """The surrogate was not corrected where the draws are."""
    idata, draws = make()
    found = attributes(judge(idata, -0.5 * draws**2 - 30.0))
    assert found["verdict"] == "unreliable"
    assert (
        "by 30.0 nats at the draws: the draws may come from a mode that is unlikely"
        in found["advice"]
    )


@pytest.mark.long
@pytest.mark.usefixtures("unchecked")
def test_another_problem_is_unreliable(make):
    idata, draws = make()
    found = attributes(judge(idata, -0.5 * draws**2, "Too many modes."))
    assert (found["verdict"], found["advice"]) == ("unreliable", "Too many modes.")


@pytest.mark.usefixtures("unchecked")
def test_the_advice_names_the_function_that_was_called(make):
    idata, draws = make()
    idata.attrs["verdict"] = idata["posterior"].attrs["verdict"] = "unreliable"
    advice = "Run longer chains: isogmm.fit_isogmm(model, resume=idata, refine=isogmm.Refine())."
    idata.attrs["advice"] = idata["posterior"].attrs["advice"] = advice
    found = attributes(judge(idata, -0.5 * draws**2))
    assert found["verdict"] == "unreliable"
    expected = "Run longer chains: isogmm.fit_rows(model, rows, refine=isogmm.Refine())."
    assert found["advice"] == expected


@pytest.mark.usefixtures("unchecked")
def test_selected_draws_keep_their_unconstrained_values():
    idata = fitted()
    positions = positions_from(idata).reshape(-1, 4).copy()
    index = np.random.default_rng(0).integers(len(positions), size=len(positions))
    found = _selected(idata, index)
    np.testing.assert_array_equal(positions_from(found).reshape(-1, 4), positions[index])
    tau = found["posterior"]["tau"].values.ravel()
    np.testing.assert_array_equal(tau, np.exp(positions[index, 1]))

"""Leave-one-out cross-validation of draws of the mixture, and of blocks of observations."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from helpers.tolerances import NUM_STANDARD_ERRORS
from isogmm import inference_data as idt
from isogmm.results.arviz.loo import joined_loo, loo_of_rows

#: Observations of y ~ N(mu, 1) with the prior N(0, 1).
Y = np.array([-1.0, 0.2, 0.5, 1.0, 2.0, 0.0])
BATCHES, CHAINS, DRAWS = 12, 2, 1000


def mixture_result(seed):
    """Draws of a mixture that is shifted and wider than the posterior by a factor of two."""
    precision = len(Y) + 1
    exact = stats.norm(Y.sum() / precision, precision**-0.5)
    mixture = stats.norm(exact.mean() + 0.3 * exact.std(), 2 * exact.std())
    mu = mixture.rvs((CHAINS, DRAWS), random_state=np.random.default_rng(seed))
    sample = ("chain", "draw")
    groups = {
        "posterior": xr.Dataset({"mu": (sample, mu)}),
        "log_likelihood": xr.Dataset(
            {"y": ((*sample, "i"), stats.norm.logpdf(Y, loc=mu[..., None]))}
        ),
        "sample_stats": xr.Dataset(
            {"lp": (sample, exact.logpdf(mu) - 40.0), "log_q": (sample, mixture.logpdf(mu))}
        ),
    }
    return idt.from_groups(groups, {"draws_from": "mixture"})


def test_draws_of_the_mixture_are_corrected():
    """Leave-one-out predictions of this model are normal, and so is the posterior prediction."""
    found = [idt.loo(mixture_result(seed)) for seed in range(BATCHES)]
    precision = len(Y)  # of the posterior without one observation
    terms = stats.norm.logpdf(Y, (Y.sum() - Y) / precision, np.sqrt(1 + 1 / precision))
    precision = len(Y) + 1
    posterior = stats.norm.logpdf(Y, Y.sum() / precision, np.sqrt(1 + 1 / precision))
    expected = {
        "elpd": terms.sum(),
        "se": np.sqrt(len(Y) * terms.var(ddof=1)),
        "p": (posterior - terms).sum(),
    }
    for name, value in expected.items():
        numbers = np.array([getattr(one, name) for one in found])
        error = stats.t.isf(stats.norm.sf(NUM_STANDARD_ERRORS), BATCHES - 1) * stats.sem(numbers)
        assert abs(numbers.mean() - value) < error, name
        assert error < 0.1 * abs(value), name
    assert all(one.pareto_k.shape == (len(Y),) for one in found)


@pytest.mark.filterwarnings("ignore:Estimated shape parameter:UserWarning")
def test_blocks_of_observations_give_the_result_of_all():
    generator = np.random.default_rng(0)
    # The weights of the last observation have a heavy tail.
    scales = np.array([0.1, 0.2, 0.3, 0.1, 0.2, 0.1, 3.0])
    rows = -scales * generator.exponential(size=(2, 200, 7))
    whole = loo_of_rows(rows, 0.5)
    blocks = [loo_of_rows(rows[..., :5], 0.5), loo_of_rows(rows[..., 5:], 0.5)]
    assert [block.warning for block in blocks] == [False, True]
    found = joined_loo(blocks, xr.DataArray(np.zeros(7), dims="row"), pointwise=True)
    suffix, each = ("_loo", "loo_i") if idt.is_first_generation() else ("", "elpd_i")
    for name in (f"elpd{suffix}", "se", f"p{suffix}", "n_data_points", each, "pareto_k"):
        expected = np.asarray(getattr(whole, name))
        np.testing.assert_allclose(np.asarray(getattr(found, name)), expected, rtol=1e-8)
    assert found.warning


def test_masked_observations_have_no_tail():
    """Their terms are zero in all draws; the other terms keep their results."""
    rows = -np.random.default_rng(0).exponential(size=(2, 200, 5))
    masked, others = rows.copy(), [0, 2, 3]
    masked[..., [1, 4]] = 0.0
    expected, found = loo_of_rows(rows[..., others], 1.0), loo_of_rows(masked, 1.0)
    suffix, each = ("_loo", "loo_i") if idt.is_first_generation() else ("", "elpd_i")
    for name in (f"elpd{suffix}", f"p{suffix}"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=1e-8), name
    for name, array in {each: getattr(expected, each), "pareto_k": expected.pareto_k}.items():
        values = np.zeros(5)
        values[others] = array
        np.testing.assert_allclose(np.asarray(getattr(found, name)), values, rtol=1e-8)
    assert (found.warning, found.n_data_points) == (expected.warning, 5)
    terms = np.asarray(getattr(found, each))
    ddof = 0 if idt.is_first_generation() else 1
    assert found.se == pytest.approx(np.sqrt(5 * terms.var(ddof=ddof)))


def test_a_result_with_masked_observations():
    values = np.random.default_rng(0).normal(size=(2, 200, 3)) * [0.1, 0.0, 0.2]
    result = idt.from_groups(
        {"log_likelihood": xr.Dataset({"y": (("chain", "draw", "i"), values)})}
    )
    assert idt.loo(result).pareto_k[1] == 0.0

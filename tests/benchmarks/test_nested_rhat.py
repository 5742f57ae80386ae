"""The measurement of nested R-hat: its formula, and the order of the diagnostics."""

import arviz as az
import numpy as np
import pytest

from benchmarks import nested_rhat as module


@pytest.mark.stack
@pytest.mark.skipif(not hasattr(az, "rhat_nested"), reason="ArviZ 1.x")
def test_the_formula_is_that_of_arviz():
    draws = np.random.default_rng(0).standard_t(3, size=(24, 12))
    groups = np.repeat(np.arange(4), 6)
    draws += 0.3 * groups[:, None]
    expected = az.rhat_nested(draws, superchain_ids=groups)
    np.testing.assert_allclose(module.nested_rhat(draws, groups), expected, rtol=1e-10)


@pytest.mark.long
def test_the_pooled_chains_of_a_fit_make_r_hat_nested():
    case = module.CASES["one fit of four shifted"]._replace(warmup=0)
    found = module.repeated(case, 20, seed=1)
    correct = module.repeated(module.CONTROL._replace(warmup=0), 20, seed=2)
    for name in ("R-hat", "nested, fits"):
        assert found[name].min() > correct[name].max()
    excess = {name: found[name] ** 2 - 1 for name in ("R-hat", "nested, fits")}
    # R-hat takes the variance between eight halves of four fits: a factor of 6 / 7 per mean.
    np.testing.assert_allclose(excess["R-hat"], excess["nested, fits"], rtol=0.25)


def test_the_correlation_detects_what_r_hat_does_not():
    case = module.CASES["all starts shifted by 1 sd"]._replace(warmup=10)
    found = module.repeated(case, 10, seed=1)
    assert np.all(found["mean error"] > 0.3)
    assert np.all(module.used(found))
    limit = module.MAX_RHAT + module.RHAT_NOISE / (module.NUM_CHAINS * module.LENGTH)
    assert np.all(found["R-hat"] < limit)

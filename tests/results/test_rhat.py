"""R-hat of all coordinates at once, compared with ArviZ."""

import tracemalloc

import numpy as np
import pytest

from isogmm.inference_data import is_first_generation
from isogmm.results import rhat as module
from isogmm.results.rhat import rhat


def of_arviz(draws):
    """R-hat of each scalar by ArviZ."""
    with np.errstate(all="ignore"):
        if is_first_generation():
            import arviz

            return np.array([arviz.rhat(draws[..., i]) for i in range(draws.shape[-1])])
        from arviz_stats.base import array_stats

        return array_stats.rhat(draws, chain_axis=0, draw_axis=1, method="rank")


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("length", [4, 7, 50, 333])
@pytest.mark.parametrize("chains", [2, 5])
def test_the_values_are_those_of_arviz(chains, length, monkeypatch):
    monkeypatch.setattr(module, "MAX_NUMBERS", 3 * chains * length)  # several blocks
    generator = np.random.default_rng(length)
    draws = generator.standard_t(3.0, size=(chains, length, 8))
    draws[0, :, 1] += 2.0  # means differ
    draws[1, :, 2] *= 10.0  # only the tails differ
    draws[:, :, 3] = np.round(draws[:, :, 3])  # equal draws
    draws[:, :, 4] = 1.0  # constant
    draws[:, :, 5] = np.sign(draws[:, :, 5])  # the deviations from the median are few or constant
    draws[0, 1, 6] = np.nan
    draws[0, 1, 7] = np.inf
    # The same sums in another order: eight digits more than any rounding error.
    np.testing.assert_allclose(rhat(draws), of_arviz(draws), rtol=1e-10, atol=0)


@pytest.mark.parametrize("chains", [2, 3, 5])
def test_constant_chains_that_differ(chains):
    draws = np.broadcast_to(np.arange(chains)[:, None, None] / 3.0, (chains, 50, 1))
    assert rhat(draws) == np.inf


def test_shapes():
    draws = np.random.default_rng(0).normal(size=(4, 100, 2, 3))
    found = rhat(draws)
    assert found.shape == (2, 3)
    assert rhat(draws[..., 1, 2]) == found[1, 2]
    assert rhat(draws[..., :0, 0]).shape == (0,)
    for few in (draws[:1], draws[:, :3]):
        assert np.isnan(rhat(few)).all()
        assert rhat(few).shape == (2, 3)


def test_repeated_draws_of_many_scalars_are_ranked_together(monkeypatch):
    """Draws of few chains are repeated: with 20,000 parameters every scalar has ties."""
    draws = np.random.default_rng(1).integers(0, 40, (4, 30, 7)) / 8.0
    expected = of_arviz(draws)

    def fail(*_):
        raise AssertionError("one scalar after the other")

    monkeypatch.setattr("scipy.stats.rankdata", fail)
    np.testing.assert_allclose(rhat(draws), expected, rtol=1e-10)


def test_the_draws_are_not_copied_as_a_whole(monkeypatch):
    """With 100,000 parameters a copy of the draws has 3.2 GB."""
    monkeypatch.setattr(module, "MAX_NUMBERS", 2**14)
    draws = np.random.default_rng(2).normal(size=(4, 50, 20_000))
    tracemalloc.start()
    rhat(draws)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < draws.nbytes / 4

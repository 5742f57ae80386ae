"""Gradients of large mixtures are computed in chunks, which do not change the result."""

import numpy as np
import pytest

from helpers.tolerances import assert_close
from isogmm.mixtures import chunks
from isogmm.optimize.gradients import base


def arguments(generator, chains, k, d, s):
    return (
        0.5 * generator.normal(size=(chains, k, s, d)),
        generator.normal(size=(chains, k, s)),
        generator.normal(size=(chains, k, s, d)),
        generator.normal(size=(chains, k, d)),
        generator.uniform(0.2, 1.0, (chains, k)),
        np.full((chains, k), -np.log(k)),
        np.full(s, 1.0 / s),
    )


@pytest.mark.parametrize("bound", [1, 50, 64, 1_000])
def test_chunks_give_the_same_gradients(monkeypatch, bound):
    given = arguments(np.random.default_rng(0), 2, 7, 3, 4)
    whole = base.component_gradients(*given)
    monkeypatch.setattr(chunks, "MAX_CHUNK_NUMBERS", bound)
    parts = base.component_gradients(*given)
    for found, expected in zip(parts, whole, strict=True):
        assert_close(found.astype(float), expected.astype(float))


def test_a_large_mixture_takes_little_memory():
    tracemalloc = pytest.importorskip("tracemalloc")
    k, d = 1_500, 2
    given = arguments(np.random.default_rng(0), 1, k, d, 2)
    tracemalloc.start()
    base.component_gradients(*given)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # A few arrays of one chunk; without chunks there would be several arrays of 2 k² numbers.
    assert peak < 8 * chunks.MAX_CHUNK_NUMBERS * 8
    assert 2 * k**2 > 4 * chunks.MAX_CHUNK_NUMBERS


@pytest.mark.parametrize("chains", [1, 4])
def test_the_bound_holds_for_all_chains_together(monkeypatch, chains):
    given = arguments(np.random.default_rng(0), chains, 8, 3, 25)
    monkeypatch.setattr(chunks, "MAX_CHUNK_NUMBERS", 2048)
    evaluate, sizes = base.log_prob_and_score, []

    def recorded(points, means, variances, log_weights):
        sizes.append(points.shape[-2] * variances.size)
        return evaluate(points, means, variances, log_weights)

    monkeypatch.setattr(base, "log_prob_and_score", recorded)
    base.component_gradients(*given)
    assert sum(sizes) == 200 * chains * 8
    # Whole blocks of 16 points: at least half of the bound is used, and never more than it.
    assert 1024 <= max(sizes) <= 2048 or (chains == 1 and sizes == [1600])

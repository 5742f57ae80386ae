"""The development posteriors in PyMC: density and draws agree with PyMC's own."""

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pymc")

from helpers.posteriors import some_of
from isogmm_pymc import PyMCAdapter

SHARED = Path(__file__).parents[2].parent / "shared"
HERE = (SHARED / "posteriordb_dev").is_dir()
NAMES: list[str] = []
if HERE:
    sys.path.append(str(SHARED))
    from posteriordb_dev import load, names

    NAMES = [name for name in names() if load(name).entry.pymc]

pytestmark = [
    pytest.mark.pymc,
    pytest.mark.skipif(not HERE, reason="the development posteriors are not beside the checkout"),
]


@pytest.mark.long
@pytest.mark.parametrize("name", some_of(NAMES))
def test_a_development_posterior(name):
    posterior = load(name)
    model = posterior.pymc_model()
    target = PyMCAdapter().to_target(model, (), {}, 0)
    assert target.dim == posterior.dim
    assert set(posterior.variables) <= set(
        target.constrain(np.zeros((1, target.dim)), 0)["posterior"]
    )
    density = model.compile_logp(mode="FAST_COMPILE")
    gradient = model.compile_dlogp(mode="FAST_COMPILE")
    center = target.initial_positions(np.random.default_rng(1), 500).mean(axis=0)
    jitter = np.random.default_rng(2).uniform(-0.5, 0.5, size=(3, target.dim))
    positions = center + jitter
    values, gradients = target.evaluate(positions)
    value_names = [value.name for value in model.value_vars]
    for position, value, slope in zip(positions, values, gradients, strict=True):
        point = dict(zip(value_names, target.unravel(position).values(), strict=True))
        np.testing.assert_allclose(value, density(point), rtol=1e-10)
        scale = np.abs(slope).max()
        np.testing.assert_allclose(slope, gradient(point), rtol=1e-7, atol=1e-9 * scale)

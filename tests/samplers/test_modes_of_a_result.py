"""The modes of a result that is made without a fit, and the result of chains in them."""

import importlib
from dataclasses import replace

import numpy as np
import pytest

import isogmm
from helpers.results import fitted
from helpers.targets import make_target
from isogmm.inference_data import add_group, attributes, get_group
from isogmm.mixtures.stored import resume_mixture
from isogmm.results.building.fit_group import positions_from
from isogmm.samplers.blackjax_nuts import NutsRun
from isogmm.samplers.modes import _covariance, modes_of

pytestmark = pytest.mark.usefixtures("unchecked")

#: The module, whose name in the package is that of its function.
module = importlib.import_module("isogmm.samplers.nuts_from")
TARGET = replace(
    make_target(lambda points: (-0.5 * (points**2).sum(axis=1), -points), 4),
    variables={"mu": (), "tau": (), "theta": (2,)},
)


@pytest.fixture
def idata():
    """Two modes, of which the second has three quarters of the mass."""
    found = fitted()
    fit = get_group(found, "fit").copy(deep=True)
    fit["mode_mass"].values[:] = [0.2, 0.6]
    return add_group(found, "fit", fit)


def test_modes_have_their_own_draws_mass_and_covariance(idata):
    modes = modes_of(idata, TARGET)
    assert [mode.index for mode in modes] == [1, 0]
    np.testing.assert_allclose([mode.mass for mode in modes], [0.75, 0.25])
    draws = positions_from(idata).reshape(-1, 4)
    labels = get_group(idata, "sample_stats")["mode"].values.ravel()
    component_modes = get_group(idata, "fit")["component_mode"].values.ravel()
    mixture = resume_mixture(idata, TARGET).pooled()
    for mode in modes:
        own = draws[labels == mode.index]
        np.testing.assert_array_equal(mode.draws, own)
        expected = _covariance(mixture, component_modes == mode.index, own, np.ones(len(own)))
        np.testing.assert_allclose(mode.covariance, expected, rtol=1e-9)


def test_chains_of_all_modes_become_one_result(idata, monkeypatch):
    calls = []

    def stay(target, starts, *, draws, tune, seed, covariance):
        """Chains that never leave their starting points."""
        calls.append((draws, seed))
        positions = np.repeat(starts[:, None], draws, axis=1)
        return NutsRun(positions, {"n_steps": np.ones((len(starts), draws), int)}, 7)

    monkeypatch.setattr(module, "run_nuts", stay)
    result = isogmm.nuts_from(idata, TARGET, draws=40, chains=3, random_seed=0, progressbar=False)
    assert [draws for draws, _ in calls] == [30, 10]
    assert len({seed for _, seed in calls}) == 2
    # The modes lie at 0 and 8 along theta.
    is_second = get_group(result, "posterior")["x"].values[..., 2] > 4.0
    np.testing.assert_array_equal(get_group(result, "sample_stats")["mode"].values, is_second)
    # Every part of a chain has the proportions of the whole.
    np.testing.assert_array_equal(is_second.reshape(3, 10, 4).sum(axis=2), 3)
    assert attributes(result)["num_gradient_evaluations"] == 3 * 40 + 2 * 7

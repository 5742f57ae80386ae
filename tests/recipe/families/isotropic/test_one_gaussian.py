"""Fits in which one Gaussian is sufficient, so that no mixture is optimized."""

import json

import numpy as np
import pytest

from helpers.targets import correlated_gaussian, make_target, quartic
from isogmm.api import fit_isogmm
from isogmm.draws.weigh import SmoothedWeights
from isogmm.mixtures.affine_map import MAX_DENSE_DIM
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.model.fit_target import FitTarget
from isogmm.recipe.delivery import deliver
from isogmm.recipe.families.isotropic import family as isotropic_family
from isogmm.recipe.families.isotropic import one_gaussian as module
from isogmm.recipe.options import When
from isogmm.results.groups import get_group
from isogmm.views.report.report import report

pytestmark = pytest.mark.usefixtures("unchecked")

QUICK = {"random_seed": 0, "draws": 250, "progressbar": False}


def draws_of(idata):
    return get_group(idata, "posterior")["x"].values


@pytest.mark.long
def test_no_mixture_is_fitted_where_the_gaussian_of_the_search_is_enough():
    truth = correlated_gaussian(3, 20.0)
    idata = fit_isogmm(truth.target(), **QUICK)
    assert idata.attrs["num_components"] == 1
    assert (idata.attrs["verdict"], idata.attrs["converged"]) == ("good", 1)
    stages = json.loads(idata.attrs["stage_gradient_evaluations"])
    # One pool of fresh draws, and no gradient for a mixture.
    assert stages["judge"] == 4000
    assert "mixture" not in stages
    mixture = IsotropicMixture.from_idata(idata)
    for chain in range(4):
        np.testing.assert_allclose(mixture[chain].covariance(), truth.covariances[0], rtol=1e-6)
    assert "One Gaussian is enough" in str(report(idata))
    history = get_group(idata, "fit_stats")
    assert history["elbo"].shape == (1, 4)
    np.testing.assert_allclose(history["elbo"].values[0], 0.0, atol=1e-6)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_small_pool_of_many_coordinates_is_completed(monkeypatch, precision):
    """With 100,000 coordinates 4,000 draws of the Gaussian have 3.2 GB, mostly for nothing."""
    dim = MAX_DENSE_DIM + 1
    monkeypatch.setattr(module, "MAX_FINAL_NUMBERS", 120 * 4 * dim)
    monkeypatch.setattr(deliver, "_refine", lambda *_: None)  # as where a time limit ends it
    monkeypatch.setattr(deliver, "MAX_POOL_NUMBERS", 4 * 250 * dim - 1)
    target = make_target(lambda x: (-0.5 * (x**2).sum(axis=-1), -x), dim)
    target.single_precision = precision == "float32"
    idata = fit_isogmm(target, importance=False, **QUICK)
    assert idata.attrs["draws_from"] == "mixture"
    assert get_group(idata, "posterior")["x"].dtype == precision
    assert json.loads(idata.attrs["stage_gradient_evaluations"])["judge"] == 4 * 120
    found = draws_of(idata)
    assert found.shape == (4, 250, dim)
    assert len(np.unique(found[:, :, 0])) == 4 * 250


@pytest.mark.long
def test_a_number_of_components_is_kept():
    truth = correlated_gaussian(3, 20.0)
    idata = fit_isogmm(truth.target(), num_components=3, **QUICK)
    assert idata.attrs["num_components"] == 3


@pytest.mark.long
@pytest.mark.parametrize(("importance", "count"), [("auto", 1), (False, 16)])
def test_weights_mend_a_gaussian_where_they_may(importance, count):
    # The best Gaussian for one coordinate leaves 99.7 % (by quadrature), for eight 97.8 %.
    idata = fit_isogmm(quartic(8, 0.02), importance=importance, **QUICK)
    assert idata.attrs["num_components"] == count
    assert idata.attrs["verdict"] == ("reweighted" if importance else "refined")


@pytest.mark.parametrize(
    ("weights", "importance", "is_kept"),
    [
        ((0.3, 0.91), When.AUTO, True),
        ((0.3, 0.91), When.NEVER, False),
        ((0.3, 0.89), When.AUTO, False),
        ((0.5, 0.91), When.AUTO, False),
        ((1.3, 0.995), When.NEVER, True),
    ],
)
def test_which_weights_keep_the_gaussian(weights, importance, is_kept, monkeypatch):
    monkeypatch.setattr(module, "weigh", lambda pool: SmoothedWeights(np.zeros(1), *weights))
    target = FitTarget.of(make_target(lambda x: (-0.5 * (x**2).sum(axis=-1), -x), 2), None)
    mixture = IsotropicMixture(np.zeros((2, 1, 2)), np.ones((2, 1)), np.zeros((2, 1)))
    generator = np.random.default_rng(0)
    found = module.one_gaussian(target, mixture, generator, 50, importance, [])
    assert (found is not None) == is_kept


@pytest.mark.parametrize("is_final", [False, True])
def test_a_first_test_ends_with_a_poor_gaussian_unless_it_is_final(is_final):
    """With a fifth of the target's sd in two coordinates the weights have no finite variance."""
    target = FitTarget.of(make_target(lambda x: (-0.5 * (x**2).sum(axis=-1), -x), 2), None)
    mixture = IsotropicMixture(np.zeros((2, 1, 2)), np.full((2, 1), 0.2), np.zeros((2, 1)))
    generator = np.random.default_rng(0)
    found = module.one_gaussian(target, mixture, generator, 200, When.NEVER, [], is_final=is_final)
    assert (found is not None) == is_final
    count = 200 if is_final else module.NUM_TEST_DRAWS
    assert target.num_gradient_evaluations == 2 * count


@pytest.mark.long
def test_where_it_is_not_enough_nothing_changes(monkeypatch):
    # 98.2 % for one coordinate, 86.5 % for eight.
    found = [fit_isogmm(quartic(8, 0.2), **QUICK)]
    monkeypatch.setattr(isotropic_family, "one_gaussian", lambda *_, **__: None)
    found.append(fit_isogmm(quartic(8, 0.2), **QUICK))
    assert found[0].attrs["num_components"] > 1
    np.testing.assert_array_equal(*(draws_of(idata) for idata in found))


@pytest.mark.filterwarnings("ignore::isogmm.errors.FitWarning")
def test_a_callback_sees_it_and_may_end_the_fit():
    truth = correlated_gaussian(3, 20.0)
    checks = []
    idata = fit_isogmm(truth.target(), callback=lambda c: not checks.append(c), **QUICK)
    assert [check.iteration for check in checks] == [0]
    assert idata.attrs["stop_reason"] == "callback"
    assert idata.attrs["num_components"] == 1

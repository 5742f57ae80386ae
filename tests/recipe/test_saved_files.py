"""Files that an early version wrote still load, give draws and can be continued.

``saved/make.py`` wrote them with the version of November 2026, under both generations of ArviZ.
"""

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest

import isogmm
from isogmm.inference_data import load
from isogmm.results.groups import get_group

SAVED = Path(__file__).parent / "saved"
QUICK = {"draws": 250, "random_seed": 1, "progressbar": False}

pytestmark = [
    pytest.mark.stack,
    pytest.mark.numpyro,
    pytest.mark.usefixtures("unchecked", "short_search"),
]


@pytest.fixture(scope="module")
def saved():
    """The module that wrote the files, for its model and data."""
    spec = importlib.util.spec_from_file_location("saved_make", SAVED / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def slopes(idata):
    return get_group(idata, "posterior")["slope"].values.reshape(-1, 3)


def assert_same_means(draws, reference):
    """Means of independent draws (n, v) agree within five standard errors of their difference."""
    error = np.sqrt(draws.var(axis=0) / len(draws) + reference.var(axis=0) / len(reference))
    assert np.all(np.abs(draws.mean(axis=0) - reference.mean(axis=0)) < 5.0 * error)


@pytest.mark.long
@pytest.mark.parametrize(
    ("file", "kind", "fit"),
    [
        ("isotropic_arviz0.nc", "IsotropicMixture", "fit_isogmm"),
        ("isotropic_arviz0.nc", "IsotropicMixture", "fit_gmmvi"),
        ("gaussian_arviz1.nc", "GaussianMixture", "fit_gmmvi"),
    ],
)
def test_a_saved_mixture_draws_and_is_continued(file, kind, fit, saved):
    idata = load(SAVED / file)
    mixture = isogmm.Mixture.from_idata(idata)
    assert type(mixture).__name__ == kind
    draws, _ = mixture.sample(np.random.default_rng(0), 500)
    names = get_group(idata, "fit")["coordinate"].values.tolist()
    columns = [names.index(f"slope[{index}]") for index in range(3)]
    assert_same_means(draws[..., columns].reshape(-1, 3), slopes(idata))
    assert np.all(np.isfinite(mixture[0].log_prob(draws[0])))
    again = getattr(isogmm, fit)(saved.model, saved.X, saved.Y, resume=idata, **QUICK)
    assert "located_from" not in again.attrs, "the modes were searched again"
    assert_same_means(slopes(again), slopes(idata))


def test_a_saved_factorized_mixture_is_read_and_continued(saved):
    idata = load(SAVED / "factorized_arviz1.nc")
    mixture = isogmm.FactorizedMixture.from_idata(idata)
    draws = mixture.sample(np.random.default_rng(0), 200)
    assert draws.shape == (200, 5)
    assert np.all(np.isfinite(mixture.log_prob(draws)))
    again = isogmm.fit_factorized(saved.model, saved.X, saved.Y, resume=idata, **QUICK)
    assert np.isfinite(again.attrs["elbo"])
    assert again.attrs["elbo"] > idata.attrs["elbo"] - 3.0 * idata.attrs["elbo_se"]


@pytest.mark.long
def test_a_saved_checkpoint_is_continued(saved, tmp_path):
    path = tmp_path / "checkpoint.npz"
    shutil.copy(SAVED / "checkpoint.npz", path)
    idata = isogmm.fit_isogmm(saved.model, saved.X, saved.Y, checkpoint=path, **QUICK)
    assert "located_from" not in idata.attrs, "the modes were searched again"
    with np.load(path) as stored, np.load(SAVED / "checkpoint.npz") as before:
        assert stored["means"].shape == before["means"].shape
    assert_same_means(slopes(idata), slopes(load(SAVED / "isotropic_arviz0.nc")))


@pytest.mark.long
@pytest.mark.parametrize("file", sorted(path.name for path in SAVED.glob("*.nc")))
def test_saved_results_have_their_groups(file):
    idata = load(SAVED / file)
    assert {"posterior", "sample_stats", "fit", "fit_stats"} <= set(
        isogmm.inference_data.group_names(idata)
    )

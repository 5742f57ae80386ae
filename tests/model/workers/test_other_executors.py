"""Executors of other packages."""

import numpy as np
import pytest

import isogmm

pytestmark = pytest.mark.usefixtures("unchecked", "short_search")

CHEAP = {"random_seed": 1, "draws": 100, "chains": 2, "progressbar": False, "refine": 0}


def density(position):
    return -0.5 * position @ position - 0.1 * np.cosh(position).sum(), (
        -position - 0.1 * np.sinh(position)
    )


@pytest.fixture
def model():
    return isogmm.LogDensity(None, np.zeros(2), value_and_grad=density)


def draws_of(idata):
    return idata["posterior"]["x"].values


def test_dask(model):
    distributed = pytest.importorskip("distributed", reason="the extra isogmm[dask]")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        with pytest.raises(isogmm.OptionError, match=r"pass client\.get_executor\(\)"):
            isogmm.fit_isogmm(model, executor=client, **CHEAP)
        idata = isogmm.fit_isogmm(model, executor=client.get_executor(), **CHEAP)
    np.testing.assert_array_equal(draws_of(idata), draws_of(isogmm.fit_isogmm(model, **CHEAP)))


@pytest.mark.long  # fast: test_executor.py
def test_loky(model):
    loky = pytest.importorskip("joblib.externals.loky", reason="joblib comes with loky")
    executor = loky.get_reusable_executor(1)  # a worker takes seconds to start
    idata = isogmm.fit_isogmm(model, executor=executor, **CHEAP)
    executor.shutdown(wait=True)
    np.testing.assert_array_equal(draws_of(idata), draws_of(isogmm.fit_isogmm(model, **CHEAP)))

"""Two fits in two threads: the same draws as alone, and nothing of the process is changed."""

import threading
import warnings

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import isogmm
from isogmm import inference_data as idt
from isogmm.recipe.blas_threads import one_blas_thread

pytestmark = pytest.mark.usefixtures("unchecked", "short_search")

QUICK = {"random_seed": 0, "progressbar": False, "draws": 50, "refine": 0, "num_components": 3}


def numpyro_model():
    numpyro = pytest.importorskip("numpyro")
    distributions = numpyro.distributions

    def model():
        mu = numpyro.sample("mu", distributions.Normal(0, 1))
        sigma = numpyro.sample("sigma", distributions.HalfNormal(1))
        numpyro.deterministic("twice", 2 * mu)
        with numpyro.plate("data", 3):
            numpyro.sample("y", distributions.Normal(mu, sigma), obs=np.array([0.3, 1.1, -0.4]))

    return model


def pymc_model():
    pm = pytest.importorskip("pymc")
    with pm.Model() as model:
        mu = pm.Normal("mu")
        sigma = pm.HalfNormal("sigma")
        pm.Normal("y", mu, sigma, observed=np.array([0.3, 1.1, -0.4]))
    return model


def blas_threads():
    return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]


@pytest.fixture
def two_blas_threads():
    """The suite has one thread, which a fit would not have to restore."""
    with threadpool_limits(2, user_api="blas"):
        assert set(blas_threads()) == {2}
        yield


def together(*functions):
    """What the functions return, all started at once in threads of their own."""
    barrier, found = threading.Barrier(len(functions)), [None] * len(functions)

    def run(place, function):
        barrier.wait()
        try:
            found[place] = function()
        except BaseException as error:
            found[place] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(functions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    for one in found:
        if isinstance(one, BaseException):
            raise one
    return found


def draws(idata):
    return idt.get_group(idata, "posterior")["mu"].values


@pytest.mark.long  # fast: one target in two threads
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(numpyro_model, marks=pytest.mark.numpyro),
        pytest.param(pymc_model, marks=pytest.mark.pymc),
    ],
)
@pytest.mark.filterwarnings("ignore::isogmm.errors.FitWarning")  # of fits without chains
def test_concurrent_fits_are_like_fits_alone(make):
    # The first fit also loads the libraries.
    (alone,) = together(lambda: isogmm.fit_isogmm(make(), **QUICK))
    threads, filters = blas_threads(), list(warnings.filters)
    # Fresh models, so that both threads trace them.
    found = together(*[lambda: isogmm.fit_isogmm(make(), **QUICK)] * 2)
    assert blas_threads() == threads
    assert list(warnings.filters) == filters
    for idata in found:
        np.testing.assert_array_equal(draws(idata), draws(alone))


@pytest.mark.long
def test_one_target_in_two_threads():
    target = isogmm.LogDensity(
        None, np.zeros(2), value_and_grad=lambda x: (-0.5 * float(x @ x), -x)
    ).to_target()
    found = together(*[lambda: isogmm.fit_isogmm(target, **QUICK)] * 2)
    alone = isogmm.fit_isogmm(target, **QUICK)
    for idata in found:
        one, other = (idt.get_group(i, "posterior")["x"].values for i in (idata, alone))
        np.testing.assert_array_equal(one, other)


def test_the_last_fit_restores_the_threads_of_blas(two_blas_threads):
    before = blas_threads()
    first, second = one_blas_thread(), one_blas_thread()
    first.__enter__()
    second.__enter__()
    assert set(blas_threads()) <= {1}
    first.__exit__(None, None, None)
    assert set(blas_threads()) <= {1}
    second.__exit__(None, None, None)
    assert blas_threads() == before


def test_a_failed_fit_restores_the_threads_of_blas(two_blas_threads):
    before = blas_threads()
    with pytest.raises(ValueError, match="cause"), one_blas_thread():
        raise ValueError("cause")
    assert blas_threads() == before

"""Exceptions late in a fit: the fit returns what exists, with a warning that names the cause."""

import contextlib
import re
import warnings

import numpy as np
import pytest

import isogmm
from helpers.targets import correlated_gaussian
from isogmm import inference_data as idt
from isogmm.errors import FitWarning
from isogmm.recipe.delivery import deliver
from isogmm.recipe.families import mixture_family
from isogmm.results.interruption import is_lack_of_memory

pytestmark = pytest.mark.usefixtures("unchecked", "short_search")

QUICK = {"random_seed": 0, "progressbar": False, "draws": 50}


@pytest.fixture(scope="module")
def target():
    return correlated_gaussian(2).target()


@contextlib.contextmanager
def warned(pattern):
    """Collects all warnings of a fit, one of which has this text."""
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        yield record
    assert all(one.category is FitWarning for one in record)
    texts = [str(one.message) for one in record]
    assert sum(re.search(pattern, text) is not None for text in texts) == 1, texts


def assert_complete(idata):
    assert np.isfinite(idt.get_group(idata, "posterior")["x"].values).all()
    assert isogmm.report(idata).verdict == idata.attrs["verdict"]
    assert isogmm.Mixture.from_idata(idata).num_components > 0


@pytest.mark.long
@pytest.mark.parametrize(
    ("function", "error"),
    [
        *((isogmm.fit_isogmm, error) for error in (ValueError, KeyError, OSError, MemoryError)),
        (isogmm.fit_gmmvi, AttributeError),
        (isogmm.fit_gmmvi, MemoryError),
        (isogmm.fit_factorized, AttributeError),
        (isogmm.fit_factorized, MemoryError),
    ],
)
def test_a_callback_that_fails(function, error, target):
    calls = []

    def watch(check):
        calls.append(check.iteration)
        raise error("the cause")

    options = {} if function is isogmm.fit_factorized else {"num_components": 3}
    with warned(rf"watch raised {error.__name__}.*the cause.*resume="):
        idata = function(target, **QUICK, **options, callback=watch)
    assert idata.attrs["stop_reason"] == "callback"
    assert len(set(calls)) == 1
    draws = idt.get_group(idata, "posterior")["x"].values
    assert np.isfinite(draws).all()


def test_the_fit_continues_after_the_callback_is_corrected(target):
    with warned("ZeroDivisionError"):
        idata = isogmm.fit_isogmm(target, **QUICK, num_components=3, callback=lambda check: 1 / 0)
    assert_complete(idata)
    again = isogmm.fit_isogmm(target, **QUICK, resume=idata, refine=0)
    assert again.attrs["converged"] == 1


@pytest.mark.long
@pytest.mark.parametrize(
    ("call", "reason", "part"),
    [
        (KeyboardInterrupt, "interrupted", "was interrupted"),
        (StopIteration, "callback", "callback ended"),
    ],
)
def test_a_callback_may_end_the_fit(call, reason, part, target):
    def stop(check):
        raise call

    with warned(part) as record:
        idata = isogmm.fit_isogmm(target, **QUICK, num_components=3, callback=stop)
    assert idata.attrs["stop_reason"] == reason
    assert not any("raised" in str(one.message) for one in record)


STAGES = (
    (deliver, "run_chains"),
    (deliver, "evidence_by_mode"),
    (deliver, "from_chains"),
    (mixture_family, "modes_of_chains"),
    (mixture_family, "summarize"),
)


@pytest.mark.parametrize(("module", "name"), STAGES, ids=lambda value: str(value)[-20:])
@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate"),
        pytest.param(RuntimeError("RESOURCE_EXHAUSTED: out of memory"), marks=pytest.mark.long),
    ],
)
def test_memory_that_is_not_sufficient_after_the_optimization(
    module, name, error, target, monkeypatch
):
    real, calls = getattr(module, name), []

    def once(*args, **kwargs):
        calls.append(name)
        if len(calls) == 1:
            raise error
        return real(*args, **kwargs)

    monkeypatch.setattr(module, name, once)
    with warned("memory was not sufficient.*draws=") as record:
        idata = isogmm.fit_isogmm(target, **QUICK, num_components=3, refine=20)
    assert calls
    assert sum("memory" in str(one.message) for one in record) == 1
    assert idata.attrs["stop_reason"] == "error"
    assert_complete(idata)


def test_another_error_is_raised(target, monkeypatch):
    def fails(*args, **kwargs):
        raise RuntimeError("an error of the library")

    monkeypatch.setattr(mixture_family, "summarize", fails)
    with pytest.raises(RuntimeError, match="an error of the library"):
        isogmm.fit_isogmm(target, **QUICK, num_components=3)
    assert not is_lack_of_memory(RuntimeError("an error of the library"))

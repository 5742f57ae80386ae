"""Fits that Ctrl-C ends, with real signals."""

import contextlib
import gc
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from helpers.sources import ROOT
from helpers.targets import correlated_gaussian, make_target
from isogmm.api import fit_isogmm
from isogmm.errors import FitWarning
from isogmm.recipe import build_result
from isogmm.results.groups import attributes, get_group

pytestmark = pytest.mark.usefixtures("unchecked")

QUICK = {"num_components": 2, "random_seed": 0, "draws": 50, "progressbar": False}


def swallowed():
    """Ctrl-C inside code that drops every exception."""
    with contextlib.suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


@pytest.fixture(autouse=True)
def _handler_is_restored():
    # A shell starts background jobs with this signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


@pytest.mark.parametrize("press", [swallowed, lambda: signal.raise_signal(signal.SIGINT)])
def test_ctrl_c_in_a_callback_ends_the_optimization(press):
    checks = []

    def callback(check):
        checks.append(check.iteration)
        if len(checks) == 1:
            press()

    with pytest.warns(FitWarning, match="The fit was interrupted"):
        idata = fit_isogmm(correlated_gaussian(2).target(), **QUICK, callback=callback)
    assert len(checks) == 1
    assert attributes(idata)["stop_reason"] == "interrupted"
    assert np.isfinite(get_group(idata, "posterior")["x"].to_numpy()).all()


def test_ctrl_c_that_the_garbage_collector_drops_ends_the_optimization():
    # Python prints an exception of such a callback and continues.  JAX has one too.
    unraisable, checks, pressed = [], [], []

    def collected(phase, _):
        if checks and not pressed:
            pressed.append(phase)
            signal.raise_signal(signal.SIGINT)

    def callback(check):
        checks.append(check.iteration)
        gc.collect()

    hook, sys.unraisablehook = sys.unraisablehook, unraisable.append
    gc.callbacks.append(collected)
    try:
        with pytest.warns(FitWarning, match="The fit was interrupted"):
            idata = fit_isogmm(correlated_gaussian(2).target(), **QUICK, callback=callback)
    finally:
        gc.callbacks.remove(collected)
        sys.unraisablehook = hook
    assert [each.exc_type for each in unraisable] == [KeyboardInterrupt]
    assert len(checks) == 1
    assert attributes(idata)["stop_reason"] == "interrupted"


def test_ctrl_c_that_jax_turns_into_its_own_exception_ends_the_optimization():
    checks = []

    def callback(check):
        checks.append(check.iteration)

    truth, pressed = correlated_gaussian(2), []

    def evaluated(points):
        if checks and not pressed:
            pressed.append(True)
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt as error:
                raise RuntimeError("CpuCallback error: KeyboardInterrupt") from error
        return truth.log_density_and_gradient(points)

    with pytest.warns(FitWarning, match="The fit was interrupted"):
        idata = fit_isogmm(make_target(evaluated, 2), **QUICK, callback=callback)
    assert len(checks) == 1
    assert attributes(idata)["stop_reason"] == "interrupted"


def test_ctrl_c_at_the_end_of_a_fit_is_reported(monkeypatch):
    original = build_result.to_inference_data

    def late(*arguments, **options):
        idata = original(*arguments, **options)
        swallowed()
        return idata

    monkeypatch.setattr(build_result, "to_inference_data", late)
    with pytest.warns(FitWarning, match="Ctrl-C was pressed at the end of the fit") as caught:
        idata = fit_isogmm(correlated_gaussian(2).target(), **QUICK)
    assert len(caught) == 1
    assert attributes(idata)["stop_reason"] != "interrupted"


#: Fits in a process of its own that sends itself SIGINT at random times, from another thread.
PROGRAM = """
import json, os, signal, sys, threading, time, warnings
import numpy as np
import isogmm
from helpers.targets import correlated_gaussian

def fitted(callback=None):
    options = {"draws": 500, "num_components": 4, "random_seed": 0, "progressbar": False}
    return isogmm.fit_isogmm(correlated_gaussian(3).target(), callback=callback, **options)

signal.signal(signal.SIGINT, signal.default_int_handler)  # may be ignored in background jobs
warnings.simplefilter("ignore")
fitted()
begin = time.perf_counter()
fitted()
seconds = time.perf_counter() - begin
generator = np.random.default_rng(0)
for number in range(int(sys.argv[1])):
    share = float(generator.uniform(0.02, 0.9))
    sent = threading.Event()
    def press():
        sent.set()
        os.kill(os.getpid(), signal.SIGINT)
    timer = threading.Timer(share * seconds, press)
    checks = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            timer.start()
            idata = fitted(checks.append)
        timer.cancel()
        timer.join()
        stop = isogmm.inference_data.attributes(idata)["stop_reason"]
        late = any("at the end of the fit" in str(each.message) for each in caught)
        missing = any("was interrupted" in str(each.message) for each in caught)
        outcome = "noticed" if stop == "interrupted" or late or missing else "interrupt lost"
    except KeyboardInterrupt:
        # Before the first check of the mixture there may be nothing to return.
        outcome = "fit lost" if checks else "raised"
    if not sent.is_set():
        outcome = "not sent"
    print(json.dumps({"share": share, "outcome": outcome}), flush=True)
"""


@pytest.mark.long  # processes; fast: the tests above
@pytest.mark.parametrize("number", [2, 20])
def test_no_ctrl_c_at_a_random_time_is_lost(number):
    # A long test by its number of fits; two of them show that the program works.
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(number)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), *sys.path])},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(outcomes) == number
    assert {each["outcome"] for each in outcomes} <= {"noticed", "raised", "not sent"}
    # Where a fit ended before its time, no interrupt was sent.
    assert sum(each["outcome"] == "noticed" for each in outcomes) >= number // 4

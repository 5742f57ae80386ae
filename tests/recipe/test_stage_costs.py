"""The costs of the stages of a fit."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

import isogmm
from isogmm import inference_data as idt
from isogmm.recipe import stage_costs

pytestmark = [pytest.mark.usefixtures("unchecked", "short_search"), pytest.mark.weak_dtypes]

QUICK = {"random_seed": 0, "draws": 100, "chains": 2, "progressbar": False}


@pytest.mark.long
def test_the_costs_of_the_stages_add_up_to_the_time_of_the_fit():
    target = isogmm.LogDensity(lambda x: -0.5 * (x**2).sum() - 0.1 * (x**4).sum(), np.zeros(2))
    idata = isogmm.fit_isogmm(target, **QUICK, importance=False)
    stages = json.loads(idata.attrs["stage_seconds"])
    assert list(stages) == [
        "compile", "locate", "mixture", "judge", "refine", "deliver", "result",
    ]  # fmt: skip
    assert all(seconds > 0 for seconds in stages.values())
    assert sum(stages.values()) == pytest.approx(idata.attrs["sampling_time"], abs=1e-3)
    gradients = json.loads(idata.attrs["stage_gradient_evaluations"])
    assert sum(gradients.values()) == idata.attrs["num_gradient_evaluations"]
    posterior = idt.get_group(idata, "posterior").attrs
    assert posterior["sampling_time"] == idata.attrs["sampling_time"]


def test_tracing_and_the_result_are_part_of_the_costs(monkeypatch):
    # A clock that only the traces of the model move: the test does not depend on other processes.
    clock = [0.0]
    monkeypatch.setattr(stage_costs, "time", SimpleNamespace(perf_counter=lambda: clock[0]))

    def slow(x):
        clock[0] += 0.5  # while the model is traced, once for each program
        return -0.5 * (x**2).sum()

    def generate(x):
        clock[0] += 0.3
        return {"x": x}

    model = isogmm.LogDensity(slow, np.zeros(2), constrain=generate)
    idata = isogmm.fit_isogmm(model, **QUICK)
    stages = json.loads(idata.attrs["stage_seconds"])
    assert stages["compile"] >= 0.5
    assert stages["locate"] < stages["compile"]
    # One trace of each function.  Those before the fit, which check the model, do not count.
    assert sum(stages.values()) == pytest.approx(0.5 + 0.3)


@pytest.mark.long
def test_a_factorized_fit_has_the_same_costs():
    model = isogmm.LogDensity(lambda x: -0.5 * (x**2).sum(), np.zeros(3))
    idata = isogmm.fit_factorized(model, random_seed=0, progressbar=False)
    stages = json.loads(idata.attrs["stage_seconds"])
    assert {"compile", "mixture", "deliver", "result"} <= set(stages)
    assert sum(stages.values()) == pytest.approx(idata.attrs["sampling_time"], abs=1e-3)

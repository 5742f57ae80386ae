"""The library against its own goals: run with ``pytest -m benchmark``, best on a quiet machine."""

import importlib.util

import numpy as np
import pytest

from benchmarks import cases, run, speed

SEEDS = (0, 1, 2)
SINGLE = cases.names("numpyro", ("pdb", "hard"))
KNOWN = cases.names("numpyro", ("synthetic",))
needs_api = pytest.mark.skipif(
    importlib.util.find_spec("isogmm.api") is None, reason="the library has no fit_isogmm"
)
pytestmark = [pytest.mark.benchmark, needs_api]


@pytest.mark.numpyro
@pytest.mark.parametrize("name", SINGLE)
def test_default_fit_is_within_the_bar(name):
    rows = [run.run_fresh(name, seed, "isogmm", "numpyro", {}, 900.0) for seed in SEEDS]
    assert all(run.solved(row) for row in rows), run.markdown(rows)


@pytest.mark.parametrize("name", [*SINGLE, *KNOWN])
def test_verdict_is_honest(name):
    rows = [run.run_fresh(name, seed, "isogmm", "numpyro", {}, 900.0) for seed in SEEDS]
    assert not any("error" in row for row in rows), run.markdown(rows)
    assert run.summary(rows)["trusted, error above 0.1"] == [], run.markdown(rows)


@pytest.mark.parametrize(
    ("name", "bar"), [("synthetic/forty_modes", 0.1), ("synthetic/five_modes", 0.03)]
)
def test_masses_of_many_modes(name, bar):
    rows = [run.run_fresh(name, seed, "isogmm", "numpyro", {}, 900.0) for seed in SEEDS]
    assert max(row.get("total_variation", np.inf) for row in rows) <= bar, run.markdown(rows)


@pytest.mark.parametrize("name", [name for name in KNOWN if "2000" in name])
def test_large_dimensions_fit_in_memory(name):
    row = run.run_fresh(name, 0, "isogmm", "numpyro", {}, 900.0)
    assert row["peak_mib"] < 2_048, row
    assert run.solved(row), run.markdown([row])


def test_an_iteration_costs_little_more_than_its_gradients():
    assert speed.gradient_limit()["ratio"] <= 1.2


@pytest.mark.numpyro
def test_faster_than_nuts():
    names = cases.names("numpyro", ("pdb",)) or cases.names("numpyro", ("hard",))
    rows = [speed.compare_speed(name, "numpyro", 0, 900.0) for name in names]
    # Compilation counts, importing the libraries does not.
    assert np.median([row["ratio_ready"] for row in rows]) <= 0.25
    # Nor is any case slower where it does.
    assert max(row[clock] for row in rows for clock in ("ratio", "ratio_ready")) <= 1.0

"""The page on migration: its programs run, and each habit has the effect that its row states."""

import re
from contextlib import nullcontext

import pytest

from helpers.pages import blocks, page, run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.numpyro,
    pytest.mark.pymc,
    pytest.mark.usefixtures("unchecked", "short_search"),
    pytest.mark.filterwarnings("ignore"),
]

ROW = re.compile(r"^\| `(.+?)` \| (.+?) \|$", re.MULTILINE)
HABITS = ROW.findall(page("migration.md"))
IMPORTS = """
import jax
from numpyro.infer import MCMC, NUTS, Predictive
from numpyro.infer.autoguide import AutoNormal

def fit(*arguments, **options):
    return isogmm.fit_isogmm(*arguments, progressbar=False, **{"random_seed": 0, **options})
"""


@pytest.fixture(scope="module")
def names():
    pytest.importorskip("numpyro")
    pytest.importorskip("pymc")
    names = run([blocks("migration.md")[0], IMPORTS])
    return names | {"idata": names["fit"](names["pymc_model"])}


def test_there_are_twenty_habits():
    assert len(HABITS) >= 20
    assert {habit.partition("(")[0] for habit, _ in HABITS} >= {"fit", "az.summary", "az.loo"}


@pytest.mark.parametrize(("habit", "outcome"), HABITS, ids=[habit for habit, _ in HABITS])
def test_habit(habit, outcome, names, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected = (
        nullcontext()
        if outcome == "works"
        else pytest.raises((TypeError, ValueError, KeyError), match=re.escape(outcome))
    )
    with expected:
        run([habit], dict(names))


@pytest.mark.parametrize("program", blocks("migration.md")[1:])
def test_program_after_the_migration(program, names):
    if "bambi" in program:
        pytest.importorskip("bambi")
    found = run([program], dict(names))
    # A result has four chains of 1,000 draws, whatever the language.
    posterior = found["idata"]["posterior"]
    assert (posterior.sizes["chain"], posterior.sizes["draw"]) == (4, 1000)
    if "samples = {" in program:
        assert found["samples"]["slope"].shape == (4000,)
    if "predict" in program:
        assert found["idata"]["posterior_predictive"]["y"].sizes["chain"] == 4

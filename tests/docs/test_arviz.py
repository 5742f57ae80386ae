"""The page on ArviZ: its programs run, and each call works in the generation of its column."""

import re

import arviz as az
import numpy as np
import pytest

from helpers.pages import blocks, page, run
from isogmm.inference_data import is_first_generation

pytestmark = [
    pytest.mark.slow,
    pytest.mark.numpyro,
    pytest.mark.usefixtures("unchecked"),
    pytest.mark.filterwarnings("ignore"),
]

WORKING, FAILING = page("arviz.md").split("## Functions that cannot work")
#: The calls of ArviZ 0.x and of ArviZ 1.x, one of which may be missing.
ROWS = re.findall(r"^\| (?:`(.+?)` )?\| (?:`(.+?)` )?\| .*\|$", WORKING, re.MULTILINE)
COLUMN = 0 if is_first_generation() else 1
CALLS = [row[COLUMN] for row in ROWS if row[COLUMN]]
IMPOSSIBLE = re.findall(r"^\| `(.+?)` \|", FAILING, re.MULTILINE)

ASKED = {
    *("az.loo", "az.loo_pit", "az.loo_moment_match", "az.reloo", "az.loo_kfold"),
    *("az.psense_summary", "az.compare", "az.bayes_factor", "az.kl_divergence", "az.extract"),
    *("az.plot_ppc", "az.plot_rank", "az.plot_ecdf_pit", "az.plot_khat"),
}


@pytest.fixture(scope="module")
def names():
    pytest.importorskip("numpyro")
    names = run(blocks("arviz.md"))
    assert [rows.tolist() for rows, _ in names["wrapper"].verdicts] == [[3]]
    if any("calibration" in call for call in CALLS):
        program = "calibration = isogmm.calibrate(constant, x, y, n=10, random_seed=0)"
        names = run([program], names)
    return names


def test_the_page_names_the_functions():
    functions = {call.partition("(")[0] for row in ROWS for call in row if call}
    assert functions >= ASKED
    assert "`az.plot_energy(idata)`" in FAILING


@pytest.mark.parametrize("call", CALLS)
def test_call(call, names):
    run([call], dict(names))


def test_empty_cells_are_functions_that_do_not_exist():
    other = [row[1 - COLUMN].partition("(")[0] for row in ROWS if not row[COLUMN]]
    assert other
    assert [name for name in other if hasattr(az, name.removeprefix("az."))] == []


@pytest.mark.parametrize("call", IMPOSSIBLE)
def test_impossible_call(call, names):
    with pytest.raises((AttributeError, KeyError, TypeError), match=r"energy|Energy|diverging"):
        run([call], dict(names))


@pytest.mark.skipif(COLUMN == 0, reason="ArviZ 1.x")
def test_refit_and_moment_matching_agree(names):
    wrapper, row = names["wrapper"], [3]
    refit = wrapper.sample(wrapper.sel_observations(row)[0])
    densities = np.exp(wrapper.log_likelihood__i(np.array(row), refit).values)
    matched = eval(next(call for call in CALLS if "moment" in call), dict(names))
    # Each is the log of a mean of 4,000 values.
    se = densities.std() / densities.mean() / np.sqrt(densities.size)
    assert abs(names["exact"].elpd - matched.elpd) < 5 * np.sqrt(2) * se

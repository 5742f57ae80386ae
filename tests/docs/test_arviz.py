"""The page on ArviZ: its programs run, and each call works in the generation of its column."""

import re

import arviz as az
import numpy as np
import pytest

from helpers.pages import blocks, page, run
from isogmm.inference_data import is_first_generation

pytestmark = [
    pytest.mark.slow,
    pytest.mark.stack,
    pytest.mark.numpyro,
    pytest.mark.usefixtures("unchecked", "short_search"),
    pytest.mark.filterwarnings("ignore"),
]

TEXT = page("arviz.md")
#: Lists of calls begin with the generations of ArviZ that have them.
LIST = re.compile(r"# ArviZ (0\.23|1\.x|0\.23 and 1\.x)\n")
PROGRAMS = [block for block in blocks("arviz.md") if not LIST.match(block)]
#: Calls, each with its generations.
ROWS = [
    (line.partition("  #")[0].strip(), LIST.match(block).group(1))
    for block in blocks("arviz.md")
    if LIST.match(block)
    for line in block.splitlines()[1:]
]
OURS, OTHERS = ("0.23", "1.x") if is_first_generation() else ("1.x", "0.23")
CALLS = [call for call, generation in ROWS if generation != OTHERS]
#: The models of the page, and their results.
MODELS = """
import arviz as az
import jax
import numpy as np
import numpyro
import numpyro.distributions as dist

import isogmm

rng = np.random.default_rng(0)
x = rng.normal(size=30)
y = 1 + 2 * x + rng.normal(size=30)
x[3], y[3] = 2.5, 1.5                      # an outlier

def constant(x, y=None, slope=0.0):
    a = numpyro.sample("a", dist.Normal(0, 5))
    sigma = numpyro.sample("sigma", dist.HalfNormal(2))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", dist.Normal(a + slope * x, sigma), obs=y)

def line(x, y=None):
    constant(x, y, numpyro.sample("b", dist.Normal(0, 5)))

idata = isogmm.fit_isogmm(line, x, y, random_seed=0)
other = isogmm.fit_isogmm(constant, x, y, random_seed=0)
"""
#: The functions of moment matching, which the page describes in words.
MOMENT_MATCHING = """
from isogmm.adapter import find_adapter
from isogmm.inference_data import positions_from

target = find_adapter(line).to_target(line, (x, y), {}, 0)
positions = xr.DataArray(positions_from(idata), dims=("chain", "draw", "coordinate"))

def log_prob(positions):
    return positions[..., 0].copy(data=target.values(positions.values))

def log_lik(positions, i):
    rows = target.constrain(positions.values.reshape(-1, target.dim), 0)["log_likelihood"]["y"]
    return positions[..., 0].copy(data=np.asarray(rows)[:, i].reshape(positions.shape[:2]))
"""
IMPOSSIBLE = [
    "az.plot_energy(idata)",
    "az.bfmi(idata)",
    'idata["sample_stats"]["diverging"]',
]

ASKED = {
    *("az.loo", "az.loo_pit", "az.loo_moment_match", "az.reloo", "az.loo_kfold"),
    *("az.psense_summary", "az.compare", "az.bayes_factor", "az.kl_divergence", "az.extract"),
    *("az.plot_ppc", "az.plot_rank", "az.plot_ecdf_pit", "az.plot_khat"),
}


@pytest.fixture(scope="module")
def names():
    pytest.importorskip("numpyro")
    names = run([MODELS, *PROGRAMS, MOMENT_MATCHING])
    assert [rows.tolist() for rows, _ in names["wrapper"].verdicts] == [[3]]
    if any("calibration" in call for call in CALLS):
        program = "calibration = isogmm.calibrate(constant, x, y, n=10, random_seed=0)"
        names = run([program], names)
    return names


def test_the_page_names_the_functions():
    functions = {call.partition("(")[0] for call, _ in ROWS}
    assert functions >= ASKED
    assert "`az.plot_energy` and `az.bfmi` cannot work" in TEXT


@pytest.mark.parametrize("call", CALLS)
def test_call(call, names):
    """Each function returns a table, numbers or the axes of a plot."""
    assert eval(call, dict(names)) is not None


def test_functions_of_the_other_generation_do_not_exist():
    ours = {call.partition("(")[0] for call in CALLS}
    others = {call.partition("(")[0] for call, generation in ROWS if generation == OTHERS}
    assert others - ours
    existing = {name for name in others - ours if hasattr(az, name.removeprefix("az."))}
    assert existing <= {"az.plot_dist"}  # in ArviZ 0.x a function of one array


@pytest.mark.parametrize("call", IMPOSSIBLE)
def test_impossible_call(call, names):
    with pytest.raises((AttributeError, KeyError, TypeError), match=r"energy|Energy|diverging"):
        run([call], dict(names))


@pytest.mark.skipif(is_first_generation(), reason="ArviZ 1.x")
def test_refit_and_moment_matching_agree(names):
    wrapper, row = names["wrapper"], [3]
    refit = wrapper.sample(wrapper.sel_observations(row)[0])
    densities = np.exp(wrapper.log_likelihood__i(np.array(row), refit).values)
    matched = eval(next(call for call in CALLS if "moment" in call), dict(names))
    # Each is the log of a mean of 4,000 values.
    se = densities.std() / densities.mean() / np.sqrt(densities.size)
    assert abs(names["exact"].elpd - matched.elpd) < 5 * np.sqrt(2) * se

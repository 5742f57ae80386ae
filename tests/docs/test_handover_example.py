"""The script of the documentation: NUTS from a fit warms up with a third of the gradients."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.numpyro,
    pytest.mark.usefixtures("unchecked"),
]

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "examples" / "handover.py"


@pytest.fixture(scope="module")
def script():
    pytest.importorskip("numpyro")
    spec = importlib.util.spec_from_file_location("handover_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


#: Seeds over which medians are taken.  In a centered funnel a chain can get stuck in the neck: of
#: seven seeds on each of two stacks, five runs of plain NUTS and three from a fit had fewer than 50
#: effective draws.  Of six seeds on each, NUTS from a fit of gp_pois_regr needed 0.3 to 0.7 times
#: the gradients for an effective draw, and 1.7 times for one.
SEEDS = {"eight_schools_centered": range(3), "two_modes": range(1), "gp_pois_regr": range(3)}
#: Draws and chains: half of those in the documentation for the most expensive model.
SIZES = {"gp_pois_regr": (500, 2)}


# tests/samplers/test_nuts_and_smc_from.py and tests/adapters/test_nuts_from.py test the starts.
@pytest.mark.long
@pytest.mark.parametrize("name", SEEDS)
def test_warmup_gradients_fall_at_equal_effective_sample_size(script, name):
    plain, handed = zip(
        *(script.compare(name, seed, *SIZES.get(name, (1000, 4))) for seed in SEEDS[name]),
        strict=True,
    )
    assert {row["sampler"] for row in plain} == {"nuts"}
    assert {row["sampler"] for row in handed} == {"nuts_from"}
    assert all(a["warmup"] >= 3 * b["warmup"] for a, b in zip(plain, handed, strict=True))

    def median(rows, column):
        return np.median([row[column] for row in rows])

    # After the warm-up, an effective draw costs about as many gradients as with plain NUTS.  On the
    # funnel the effective sample size is small, and its relative error is about a third.
    assert median(handed, "sampling_per_ess") < 1.5 * median(plain, "sampling_per_ess")
    # In a centered funnel chains mix slowly from any starting point.
    assert median(handed, "rhat") < (1.2 if name.startswith("eight_schools") else 1.05)


@pytest.mark.long  # tests/adapters/test_nuts_from.py tests the start of PyMC's sampler
@pytest.mark.pymc
def test_warmup_gradients_fall_with_pymc(script):
    pytest.importorskip("pymc")
    # One chain of few draws: PyMC's sampler takes a minute for the thousands in the documentation.
    plain, handed = script.compare("eight_schools_pymc", draws=100, chains=1)
    assert (plain["sampler"], handed["sampler"]) == ("nuts", "nuts_from")
    assert plain["warmup"] >= 3 * handed["warmup"]

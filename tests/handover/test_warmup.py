"""The script of the documentation: NUTS from a fit warms up with a third of the gradients."""

import importlib.util
from pathlib import Path

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


@pytest.mark.parametrize("name", ["eight_schools_centered", "two_modes", "gp_pois_regr"])
def test_warmup_gradients_fall_at_equal_effective_sample_size(script, name):
    plain, handed = script.compare(name)
    assert (plain["sampler"], handed["sampler"]) == ("nuts", "nuts_from")
    assert plain["warmup"] >= 3 * handed["warmup"]
    # Nothing is lost after the warm-up: gradients for one effective draw, whose number is known
    # to a third on the funnel, where it is small.
    assert handed["sampling_per_ess"] < 1.5 * plain["sampling_per_ess"]
    # A centered funnel mixes slowly whatever its start.
    assert handed["rhat"] < (1.2 if name.startswith("eight_schools") else 1.05)


@pytest.mark.pymc
def test_warmup_gradients_fall_with_pymc(script):
    pytest.importorskip("pymc")
    # Few draws, as PyMC's sampler takes a minute for the thousands of the page.
    plain, handed = script.compare("eight_schools_pymc", draws=100, chains=2)
    assert (plain["sampler"], handed["sampler"]) == ("nuts", "nuts_from")
    assert plain["warmup"] >= 3 * handed["warmup"]

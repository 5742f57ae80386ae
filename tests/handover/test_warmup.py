"""The script of the documentation: NUTS from a fit warms up with a third of the gradients."""

import importlib.util
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.numpyro]

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "examples" / "handover.py"


@pytest.fixture(scope="module")
def script():
    pytest.importorskip("numpyro")
    spec = importlib.util.spec_from_file_location("handover_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "name", ["eight_schools_centered", "two_modes", "gp_pois_regr", "eight_schools_pymc"]
)
def test_warmup_gradients_fall_at_equal_effective_sample_size(script, name):
    plain, handed = script.compare(name)
    assert (plain["sampler"], handed["sampler"]) == ("nuts", "nuts_from")
    assert plain["warmup"] >= 3 * handed["warmup"]
    # Nothing is lost after the warm-up: gradients for one effective draw, whose number is known
    # to a third on the funnel, where it is small.  With PyMC's NUTS on the funnel they are more,
    # and the page says so: 1.26, 1.69 and 2.25 times as many in three runs.
    factor = 3.0 if name == "eight_schools_pymc" else 1.5
    assert handed["sampling_per_ess"] < factor * plain["sampling_per_ess"]
    # A centered funnel mixes slowly whatever its start.
    assert handed["rhat"] < (1.2 if name.startswith("eight_schools") else 1.05)

"""The programs of the page about calibration."""

import pytest

from helpers.pages import blocks, page, quickstart_model, run
from isogmm.studies import calibrate
from isogmm.studies.uniformity import detectable


@pytest.mark.long  # fast: studies/test_calibrate.py
@pytest.mark.slow
@pytest.mark.numpyro
@pytest.mark.usefixtures("unchecked", "short_search")
def test_page_about_calibration(monkeypatch):
    # tests/studies/test_calibrate.py has the statistical tests; here the programs run.
    monkeypatch.setattr(calibrate, "MIN_SIMULATIONS", 4)
    programs = blocks("calibration.md")
    assert all("n=50" in text for text in programs)
    smaller = [text.replace("n=50", "n=4, draws=100, chains=1") for text in programs]
    names = run([quickstart_model(), *smaller])
    assert names["result"].attrs["calibrated"] == 1
    assert "consistent with correct fits" in names["__printed__"]


@pytest.mark.long
def test_the_table_of_the_power():
    found = detectable(100, 5)
    assert f"| 100 | {found.shift:.2f} | {found.ratio:.1f} |" in page("calibration.md")

"""The programs of the page about large data."""

import numpy as np
import pytest

from helpers.pages import blocks, quickstart_model, run
from isogmm.model import time_limit
from isogmm.results import loo
from isogmm.results.building import constrained


@pytest.mark.long  # fast: rows/test_fit_rows.py and results/test_log_likelihood.py
@pytest.mark.numpyro
@pytest.mark.pymc
@pytest.mark.usefixtures("unchecked", "short_search")
def test_the_programs_run():
    # Fewer draws and rows than on the page, and still more rows than in the sample of fit_rows.
    shorter = {
        "] * 100)": "] * 20)",
        "random_seed=0, max_seconds=600": "random_seed=0, draws=250, max_seconds=600",
        "rows, random_seed=0": "rows, random_seed=0, draws=250, sample_rows=500",
        "advi_model, sample_rows": "advi_model, draws=250, sample_rows",
    }
    programs = blocks("large_data.md")
    for old, new in shorter.items():
        assert any(old in program for program in programs)
        programs = [program.replace(old, new) for program in programs]
    names = run([quickstart_model(), *programs])
    whole = names["idata"]["posterior"]["b"]
    assert names["score"].n_data_points == 200
    assert names["idata"]["log_likelihood"]["y"].shape == (4, 250, 200)
    large = names["large"]
    assert large.attrs["num_rows"] == 4_000
    assert large.attrs["verdict"] in ("good", "reweighted", "refined")
    # Twenty copies of the data divide the variances by twenty, besides the prior.  Five standard
    # errors of the ratio of two standard deviations of 1,000 draws each.
    error = 5 / np.sqrt(1_000)
    ratio = whole.std(("chain", "draw")) / large["posterior"]["b"].std(("chain", "draw"))
    np.testing.assert_allclose(ratio, np.sqrt(20), rtol=error)
    of_minibatches = names["of_minibatches"]
    assert of_minibatches.attrs["num_rows"] == 200
    ratio = of_minibatches["posterior"]["b"].std(("chain", "draw")).values / whole.std(
        ("chain", "draw")
    )
    np.testing.assert_allclose(ratio, 1.0, atol=error)


def test_the_numbers_of_the_page():
    assert constrained.MAX_LOG_LIKELIHOOD_BYTES == 2**30
    assert loo.MAX_BLOCK_BYTES == 512 * 2**20
    # Three stages may take a grace period each.
    assert round(3 * time_limit.GRACE_SHARE, 2) == 0.3
    assert 1.0 < 3 * time_limit.MIN_GRACE_SECONDS < 1.5

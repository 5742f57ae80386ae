"""The programs of the page about many fits."""

import numpy as np
import pytest

from helpers.pages import blocks, quickstart_model, run


@pytest.mark.long  # fast: studies/test_fit_many.py
@pytest.mark.slow
@pytest.mark.numpyro
@pytest.mark.pymc
@pytest.mark.usefixtures("unchecked", "short_search")
def test_page_about_many_fits(monkeypatch):
    import jax

    import isogmm

    folder = jax.config.jax_compilation_cache_dir
    programs = blocks("many_fits.md")
    assert "enable_compilation_cache" in programs[-1]
    # The last one would write to the user's folder.
    names = run([quickstart_model(), *programs[:-1]])
    assert len(names["results"]) == len(names["of_pymc"]) == 3
    assert names["idata"]["posterior"]["b"].dims[0] == "dataset"
    slopes = [each["posterior"]["b"][..., 1].mean() for each in names["results"] + names["of_pymc"]]
    # The sd of each slope is about 0.3.
    np.testing.assert_allclose(slopes, -2, atol=5 * 0.3)
    assert jax.config.jax_compilation_cache_dir == folder
    assert isogmm.FailedFit.__name__ in programs[3]

"""The programs of the page about many fits."""

import numpy as np
import pytest

from helpers.pages import blocks, run


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
    names = run(programs[:-1])  # the last one would write to the user's folder
    assert len(names["results"]) == 3
    assert names["idata"]["posterior"]["slope"].dims[0] == "dataset"
    slopes = [float(each["posterior"]["slope"].mean()) for each in names["results"]]
    # The sd of each slope is about 0.22.
    np.testing.assert_allclose(slopes, -2, atol=5 * 0.25)
    assert jax.config.jax_compilation_cache_dir == folder
    assert isogmm.FailedFit.__name__ in programs[3]

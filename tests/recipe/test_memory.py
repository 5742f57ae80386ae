"""Numbers that no machine has memory for are refused before the search."""

import jax.numpy as jnp
import numpy as np
import pytest

import isogmm
from isogmm.errors import OptionError

pytestmark = pytest.mark.usefixtures("unchecked")


@pytest.mark.parametrize(
    ("function", "options", "names"),
    [
        (isogmm.fit_isogmm, {"num_samples": 10**12}, "chains=4 times num_samples=1,0"),
        (isogmm.fit_isogmm, {"draws": 10**12}, "chains=4 times draws=1,0"),
        (isogmm.fit_isogmm, {"chains": 10**12}, "chains=1,0.* times draws=1,000"),
        (isogmm.fit_isogmm, {"num_components": 10**12}, "num_components=1,0"),
        (isogmm.fit_gmmvi, {"num_samples": 10**12}, "num_samples=1,0"),
        (isogmm.fit_factorized, {"draws": 10**12}, "draws=1,0"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_the_options_are_named(function, options, names):
    calls = []

    def log_density(x):
        calls.append(x)
        return -0.5 * jnp.sum(x**2)

    model = isogmm.LogDensity(log_density, np.zeros(3))
    traces = len(calls)
    with pytest.raises(OptionError, match=f"{names}.*3 coordinates need .* GiB"):
        function(model, **options, progressbar=False)
    assert len(calls) - traces <= 2, "only the compilation of the target traces the model"

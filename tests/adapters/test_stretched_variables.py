"""Variables that a transform stretches: sds of whole fits against exact values."""

import numpy as np
import pytest

from benchmarks.transformed import scalars
from isogmm.api import fit_isogmm
from isogmm.results.groups import get_group

pytestmark = pytest.mark.usefixtures("unchecked")

MODELS = scalars()
DRAWS = 4000


def check(model, name, seed):
    idata = fit_isogmm(model, random_seed=seed, progressbar=False)
    x = get_group(idata, "posterior")["x"].values.ravel()
    exact = MODELS[name].marginals["x", ()]
    mean, sd = exact.moments()
    kurtosis = 3.0 + float(exact.distribution.stats(moments="k"))
    assert abs(x.mean() - mean) < 5 * sd / np.sqrt(DRAWS)
    # The delta method: the variance of the log of a sample sd.
    assert abs(np.log(x.std() / sd)) < 5 * np.sqrt((kurtosis - 1.0) / (4 * DRAWS))
    assert idata.attrs["verdict"] in ("reweighted", "refined")
    if idata.attrs["verdict"] == "reweighted":
        assert "(without them the " in idata.attrs["advice"]


@pytest.mark.numpyro
@pytest.mark.parametrize(
    ("name", "seed"),
    [
        ("exponential", 1),
        pytest.param("gumbel", 1, marks=pytest.mark.long),
        pytest.param("exponential", 2, marks=pytest.mark.long),
        pytest.param("weibull_0.8", 1, marks=pytest.mark.long),
        pytest.param("square_of_exponential", 1, marks=pytest.mark.long),
    ],
)
def test_numpyro(name, seed):
    check(MODELS[name].numpyro, name, seed)


@pytest.mark.long
@pytest.mark.pymc
@pytest.mark.parametrize("name", ["exponential", "no_events"])
def test_pymc(name):
    pm = pytest.importorskip("pymc")
    with pm.Model() as model:
        MODELS[name].pymc()
    check(model, name, 1)

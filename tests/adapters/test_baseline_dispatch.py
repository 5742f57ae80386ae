"""What a language lacks runs on the log density of its models, in the language's own words."""

import numpy as np
import pytest

import isogmm
from isogmm import baselines
from isogmm.inference_data import attributes, get_group, group_names

pytestmark = pytest.mark.usefixtures("unchecked")

DATA = np.random.default_rng(0).normal(1.0, 1.0, size=(9, 2))
MEAN, SD = 9 / 10 * DATA.mean(axis=0), np.sqrt(1 / 10)


def numpyro_model(y):
    import numpyro
    import numpyro.distributions as dist

    with numpyro.plate("column", 2, dim=-1):
        mu = numpyro.sample("mu", dist.Normal(0, 1))
        numpyro.deterministic("twice", 2 * mu)
        with numpyro.plate("row", len(y), dim=-2):
            numpyro.sample("y", dist.Normal(mu, 1), obs=y)


def pymc_model():
    import pymc as pm

    with pm.Model(coords={"column": [0, 1], "row": np.arange(9)}) as model:
        mu = pm.Normal("mu", 0, 1, dims="column")
        pm.Deterministic("twice", 2 * mu, dims="column")
        pm.Normal("y", mu, 1, observed=DATA, dims=("row", "column"))
    return model


def check(idata, library, algorithm, slack=0.0):
    posterior = get_group(idata, "posterior")
    mu = posterior["mu"]
    assert mu.dims == ("chain", "draw", "column")
    np.testing.assert_allclose(posterior["twice"], 2 * mu, rtol=1e-6)
    assert {"log_likelihood", "observed_data"} <= set(group_names(idata))
    # Five standard errors of 500 independent draws.
    error = np.abs(mu.mean(("chain", "draw")).to_numpy() - MEAN) / SD
    assert np.all(error < 5 / np.sqrt(500) + slack), error
    found = attributes(idata)
    assert (found["inference_library"], found["algorithm"]) == (library, algorithm)
    assert found["sampling_time"] > 0


@pytest.mark.long  # fast: test_baselines.py
@pytest.mark.numpyro
def test_numpyro_pathfinder_is_that_of_blackjax():
    pytest.importorskip("numpyro")
    pytest.importorskip("blackjax")
    idata = baselines.pathfinder(numpyro_model, DATA, random_seed=1, draws=250, chains=2)
    check(idata, "blackjax", "pathfinder")


@pytest.mark.long
@pytest.mark.numpyro
def test_numpyro_laplace_is_its_own():
    pytest.importorskip("numpyro")
    idata = baselines.laplace(
        numpyro_model, DATA, random_seed=1, draws=250, chains=2, num_steps=1000
    )
    check(idata, "numpyro", "laplace", slack=0.1)


@pytest.mark.pymc
@pytest.mark.parametrize(
    ("name", "library"),
    [
        ("laplace", "scipy"),
        # NumPyro models reach BlackJAX by the same function; see above.
        pytest.param("pathfinder", "blackjax", marks=pytest.mark.long),
        pytest.param("flow", "numpyro", marks=[pytest.mark.long, pytest.mark.numpyro]),
        pytest.param("alpha_vi", "numpyro", marks=[pytest.mark.long, pytest.mark.numpyro]),
    ],
)
def test_pymc_models_take_what_pymc_lacks(name, library):
    pytest.importorskip("pymc")
    pytest.importorskip(library)
    options = {"num_steps": 4000, "num_particles": 4} if library == "numpyro" else {}
    function = getattr(baselines, name)
    idata = function(pymc_model(), random_seed=1, draws=250, chains=2, **options)
    check(idata, library, name, slack=0.25 if library == "numpyro" else 0.0)


@pytest.mark.pymc
def test_the_open_context_is_a_model():
    pytest.importorskip("pymc")
    with pymc_model():
        idata = baselines.laplace(random_seed=2, draws=250, chains=2)
    check(idata, "scipy", "laplace")


def test_what_no_adapter_knows_is_refused():
    with pytest.raises(isogmm.ModelError, match="cannot fit an object"):
        baselines.nuts(object())


@pytest.mark.long
@pytest.mark.numpyro
@pytest.mark.slow
def test_svgd_on_a_constrained_site_keeps_the_jacobian():
    pytest.importorskip("numpyro")
    pytest.importorskip("blackjax")

    def model():
        import numpyro
        import numpyro.distributions as dist

        numpyro.sample("x", dist.Gamma(3.0, 1.0))

    idata = baselines.svgd(model, random_seed=1, num_steps=1000)
    x = get_group(idata, "posterior")["x"].to_numpy()
    # 100 particles; without the Jacobian they would be those of a Gamma(2, 1), 0.58 sds away.
    assert abs(x.mean() - 3.0) < 0.3 * np.sqrt(3.0)
    assert attributes(idata)["inference_library"] == "blackjax"

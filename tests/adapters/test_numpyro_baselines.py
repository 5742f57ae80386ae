"""NumPyro's own inference methods on a model with a known posterior."""

import contextlib
import importlib.metadata
import inspect

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

pytestmark = [pytest.mark.numpyro, pytest.mark.usefixtures("unchecked")]
numpyro = pytest.importorskip("numpyro")

import numpyro.distributions as dist  # noqa: E402
from numpyro.infer import NUTS  # noqa: E402
from numpyro.infer.hmc import HMCState  # noqa: E402

from isogmm_numpyro import NumPyroAdapter  # noqa: E402
from isogmm_numpyro._inference import nuts, variational  # noqa: E402
from isogmm_numpyro._inference.baselines import MIN_RENYI_PARTICLES, _renyi_elbo  # noqa: E402
from isogmm_numpyro._inference.results import make_result  # noqa: E402
from isogmm_numpyro._reading.read import read_model  # noqa: E402

DATA = np.random.default_rng(0).normal([1.0, -2.0], 1.0, size=(9, 2))
MEAN, SD = 9 / 10 * DATA.mean(axis=0), np.sqrt(1 / 10)
DRAWS, CHAINS = 500, 2
OPTIONS = {
    "nuts": {"tune": 300},
    "advi": {"num_steps": 2000},
    "fullrank_advi": {"num_steps": 2000},
    "laplace": {"num_steps": 1000},
    "flow": {"num_steps": 2000},
    "alpha_vi": {"num_steps": 1000},
}


def conjugate(y, *, width=1.0):
    with numpyro.plate("columns", 2, dim=-1):
        mu = numpyro.sample("mu", dist.Normal(0, 1))
        numpyro.deterministic("twice", 2 * mu)
        with numpyro.plate("rows", len(y), dim=-2):
            numpyro.sample("data", dist.Normal(mu, width), obs=y)
    numpyro.factor("nothing", 0.0 * mu.sum())


def group(idata, name):
    found = idata[name]
    return found.to_dataset() if hasattr(found, "to_dataset") else found


@pytest.fixture(scope="module")
def baselines():
    return NumPyroAdapter().baselines()


def test_every_baseline_is_tested(baselines):
    assert baselines.keys() == {*OPTIONS, "nuts_from"}
    for name in OPTIONS:
        parameters = inspect.signature(baselines[name]).parameters
        assert {"model", "model_args", "model_kwargs", "random_seed"} <= parameters.keys()
        assert (parameters["draws"].default, parameters["chains"].default) == (1000, 4)


@pytest.mark.long
@pytest.mark.parametrize("name", OPTIONS)
def test_baseline_finds_the_known_posterior(baselines, name):
    idata = baselines[name](
        conjugate,
        DATA,
        model_kwargs={"width": 1.0},
        random_seed=1,
        draws=DRAWS,
        chains=CHAINS,
        **OPTIONS[name],
    )
    posterior = group(idata, "posterior")
    mu = posterior["mu"]
    assert mu.dims == ("chain", "draw", "columns")
    assert mu.shape == (CHAINS, DRAWS, 2)
    np.testing.assert_allclose(posterior["twice"], 2 * mu)
    # Five standard errors of 1,000 draws, and a quarter of a standard deviation for the error of
    # the optimizers.
    size = DRAWS * CHAINS
    slack = 0.0 if name == "nuts" else 0.25
    error = np.abs(mu.mean(("chain", "draw")).to_numpy() - MEAN) / SD
    assert (error < slack + 5 * 1.5 / np.sqrt(size)).all()
    spread = mu.std(("chain", "draw")).to_numpy() / SD
    assert (np.abs(np.log(spread)) < slack + 5 * 1.5 / np.sqrt(2 * size)).all()
    likelihood = group(idata, "log_likelihood")
    assert list(likelihood) == ["data"]
    expected = -0.5 * (DATA - mu.to_numpy()[:, :, None]) ** 2 - 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(likelihood["data"], expected, rtol=1e-10)
    np.testing.assert_array_equal(group(idata, "observed_data")["data"], DATA)
    for attributes in (idata.attrs, posterior.attrs):
        assert attributes["inference_library"] == "numpyro"
        assert attributes["inference_library_version"] == importlib.metadata.version("numpyro")
        assert attributes["sampling_time"] > 0
        assert attributes["num_gradient_evaluations"] >= 500
    if name == "nuts":
        statistics = group(idata, "sample_stats")
        assert statistics["diverging"].sum() == 0
        # The count includes the warm-up, so it exceeds the steps of the draws.
        assert attributes["num_gradient_evaluations"] > int(statistics["n_steps"].sum()) > 0


def test_the_final_loss_is_the_mean_of_the_last_twentieth(monkeypatch, baselines):
    samples = {"mu": np.zeros((1, 2, 2)), "twice": np.zeros((1, 2, 2))}
    losses = np.arange(100.0)
    monkeypatch.setattr(variational, "_fit_and_draw", lambda *arguments: (samples, losses))
    found = baselines["advi"](conjugate, DATA, num_steps=100, num_particles=3, draws=2, chains=1)
    assert found.attrs["final_loss"] == 97.0
    assert found.attrs["num_gradient_evaluations"] == 300


def three_coordinates():
    numpyro.sample("b", dist.Normal(0, 1).expand([2]).to_event(1))
    numpyro.sample("a", dist.Normal(0, 1))


@pytest.mark.parametrize("is_dense", [False, True])
def test_starts_and_covariance_are_in_the_order_of_numpyro(monkeypatch, is_dense):
    """NumPyro orders the sites by name in the mass matrix."""
    given = {}
    monkeypatch.setattr(nuts, "nuts", lambda *args, **options: given.update(options))
    covariance = np.diag([1.0, 2.0, 3.0]) if is_dense else np.array([1.0, 2.0, 3.0])
    starts = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    with contextlib.suppress(TypeError):  # the replacement gives no result
        nuts.nuts_from(three_coordinates, starts=starts, covariance=covariance)
    scales = given["inverse_mass_matrix"]
    np.testing.assert_array_equal(np.diag(scales) if is_dense else scales, [3.0, 1.0, 2.0])
    assert given["dense_mass"] == is_dense
    np.testing.assert_array_equal(given["init_params"]["b"], [[1.0, 2.0], [4.0, 5.0]])
    np.testing.assert_array_equal(given["init_params"]["a"], [3.0, 6.0])


def test_statistics_and_counts_of_nuts():
    class Run:
        def get_extra_fields(self, group_by_chain):
            return {"inner.potential_energy": np.full((2, 3), 7.0), "inner.num_steps": np.ones(3)}

    statistics = inspect.unwrap(nuts._statistics)(Run())
    np.testing.assert_array_equal(statistics["lp"], np.full((2, 3), -7.0))

    kernel = NUTS(three_coordinates)
    state = HMCState(*[None] * len(HMCState._fields))
    kernel.sample = lambda *args: state._replace(num_steps=jnp.array(3))
    counted = nuts._CountedNUTS(kernel)
    last = nuts._CountedState(state, jnp.array(4))
    for _ in range(2):
        last = counted.sample(last, (), {})
    assert last.total_steps == 10


def test_the_bound_of_renyi_has_several_particles():
    """The bound of one particle is the ELBO."""
    assert _renyi_elbo(1).num_particles == MIN_RENYI_PARTICLES
    assert _renyi_elbo(50).num_particles == 50


def test_each_draw_is_completed_in_its_place():
    samples = {"mu": np.random.default_rng(0).normal(size=(2, 3, 2))}
    read = read_model(conjugate, (DATA,), {})
    result = make_result(conjugate, read, samples, {"sampling_time": 1.0})
    posterior = group(result, "posterior")
    np.testing.assert_array_equal(posterior["mu"], samples["mu"])
    np.testing.assert_allclose(posterior["twice"], 2 * samples["mu"], rtol=1e-12)
    expected = norm.logpdf(DATA, samples["mu"][:, :, None])
    np.testing.assert_allclose(group(result, "log_likelihood")["data"], expected, rtol=1e-12)


@pytest.mark.parametrize("name", [pytest.param("nuts", marks=pytest.mark.long), "laplace"])
def test_param_sites_keep_the_values_of_the_fit(baselines, name):
    """SVI would maximize over param sites, which gives another posterior."""

    def model(y):
        width = numpyro.param("width", 0.1, constraint=dist.constraints.positive)
        mu = numpyro.sample("mu", dist.Normal(0, width))
        numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)

    y = DATA[:, 0]
    result = baselines[name](model, y, draws=DRAWS, chains=CHAINS, **OPTIONS[name])
    variance = 1 / (1 / 0.1**2 + len(y))
    # At the maximum over the width the posterior mean is near the mean of y, six sds away. The
    # tolerance is five standard errors of 200 independent draws, and a fifth of an sd for the
    # error of the optimizer.
    error = np.sqrt(variance) * (5 / np.sqrt(200) + 0.2)
    assert abs(float(group(result, "posterior")["mu"].mean()) - variance * y.sum()) < error

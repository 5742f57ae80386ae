"""Fits of data in blocks: the posterior of all rows, the verdict, and the errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import isogmm
from isogmm import ModelError, OptionError
from isogmm.model.programs.precision import in_precision
from isogmm.rows.blocks import Blocks
from isogmm.rows.density import RowDensity
from isogmm.rows.sample import sampled
from isogmm.validation import seed_of

RNG = np.random.default_rng(0)
NUM_ROWS = 20_000
X = RNG.normal(size=(NUM_ROWS, 3))
Y = (RNG.random(NUM_ROWS) < 1 / (1 + np.exp(-X @ [1.0, -0.5, 0.2]))).astype(int)
OPTIONS = {"random_seed": 0, "progressbar": False}


def logistic(b, data):
    eta = data["x"] @ b
    return -0.5 * jnp.sum(b**2) + jnp.sum(data["y"].astype(eta.dtype) * eta - jax.nn.softplus(eta))


def regression():
    return isogmm.LogDensity(logistic, np.zeros(3), names="b", data={"x": X[:2], "y": Y[:2]})


def exact_regression():
    """Mode and standard deviations of the regression, whose posterior is Gaussian to 0.1 %."""
    b = np.zeros(3)
    for _ in range(20):
        p = 1 / (1 + np.exp(-X @ b))
        precision = (X * (p * (1 - p))[:, None]).T @ X + np.eye(3)
        b = b + np.linalg.solve(precision, X.T @ (Y - p) - b)
    return b, np.sqrt(np.diag(np.linalg.inv(precision)))


def read_blocks():
    for begin in range(0, NUM_ROWS, 3_000):
        part = slice(begin, begin + 3_000)
        yield {"x": X[part].astype(np.float32), "y": Y[part]}


@pytest.mark.long
@pytest.mark.usefixtures("unchecked", "short_search")
def test_a_regression_from_a_sample_of_a_tenth_of_the_rows():
    idata = isogmm.fit_rows(regression(), read_blocks, sample_rows=2_000, **OPTIONS)
    mean, sd = exact_regression()
    draws = idata["posterior"]["b"].values.reshape(-1, 3)
    # Five standard errors of 4,000 draws, and the skewness of the posterior.
    np.testing.assert_allclose((draws.mean(0) - mean) / sd, 0.0, atol=5 / np.sqrt(4_000) + 0.02)
    np.testing.assert_allclose(np.log(draws.std(0) / sd), 0.0, atol=5 / np.sqrt(8_000) + 0.01)
    attributes = idata.attrs
    assert attributes["verdict"] == "good"
    assert (attributes["num_rows"], attributes["sample_rows"]) == (NUM_ROWS, 2_000)
    assert attributes["passes_over_data"] <= 5
    assert attributes["importance_ess"] > 0.99 * 4_000
    # The log density of all rows belongs to each draw.
    chosen = idata["posterior"]["b"].values[1, 7]
    with in_precision(True):
        exact = float(
            logistic(jnp.asarray(chosen), {"x": X.astype(np.float32).astype(float), "y": Y})
        )
    np.testing.assert_allclose(idata["sample_stats"]["lp"].values[1, 7], exact, rtol=1e-10)
    assert "observed_data" not in (idata.groups() if callable(idata.groups) else idata.children)


@pytest.mark.long  # fast: the mode that the sample prefers, below, and draws/test_masses.py
@pytest.mark.usefixtures("unchecked")
def test_two_modes_with_the_mass_that_all_rows_give_them():
    y = RNG.normal(size=5_000) + 1.0

    def two_modes(mu, data):
        return -0.5 * (mu - 0.01) ** 2 / 0.1**2 - 0.5 * jnp.sum((data - mu**2) ** 2)

    model = isogmm.LogDensity(two_modes, np.zeros(()), names="mu", data=y[:2])
    idata = isogmm.fit_rows(model, y, sample_rows=500, **OPTIONS)
    draws = idata["posterior"]["mu"].values.ravel()
    grid = np.linspace(-2, 2, 400_001)
    log_density = -0.5 * (grid - 0.01) ** 2 / 0.1**2
    log_density -= 0.5 * (5_000 * grid**4 - 2 * grid**2 * y.sum())
    weights = np.exp(log_density - log_density.max())
    share = weights[grid > 0].sum() / weights.sum()
    assert 0.8 < share < 0.95
    assert idata.attrs["num_modes"] == 2
    assert idata.attrs["verdict"] in ("good", "reweighted", "refined")
    # The mass of a mode is estimated from 4,000 draws; the verdict allows an error of 0.05.
    assert abs((draws > 0).mean() - share) < 0.05


@pytest.mark.long
@pytest.mark.usefixtures("unchecked")
def test_the_mode_that_the_sample_prefers_can_be_the_wrong_one():
    """All rows prefer the positive mode by 80 nats, the sample the negative one by hundreds."""
    y = RNG.normal(size=NUM_ROWS)
    y += 0.002 - y.mean()

    def density(mu, data):
        return -0.5 * mu**2 + jnp.sum(data * jnp.tanh(5 * mu) - 0.01 * (mu**2 - 1) ** 2)

    seed = next(
        seed
        for seed in range(100)
        if sampled(Blocks(y), 500, np.random.default_rng(seed_of(seed)))[0].mean() < -0.02
    )
    model = isogmm.LogDensity(density, np.zeros(()), names="mu", data=y[:2])
    idata = isogmm.fit_rows(model, y, sample_rows=500, **{**OPTIONS, "random_seed": seed})
    assert idata.attrs["verdict"] in ("good", "reweighted", "refined")
    assert (idata["posterior"]["mu"].values > 0).all()


@pytest.mark.long
@pytest.mark.usefixtures("unchecked")
@pytest.mark.filterwarnings("ignore::isogmm.FitWarning")
def test_a_sample_that_says_little_is_never_trusted_with_wrong_draws():
    """Five groups, of which a sample of 12 rows shows little."""
    groups = RNG.integers(5, size=500)
    y = RNG.normal(size=5)[groups] + RNG.normal(size=500)

    def density(b, data):
        eta = b[data["group"]]
        return -0.5 * jnp.sum(b**2) - 0.5 * jnp.sum((data["y"] - eta) ** 2 / (1 + 0.3 * eta**2))

    data = {"group": groups, "y": y}
    model = isogmm.LogDensity(density, np.zeros(5), names="b", data=data)
    options = {"sample_rows": 12, "draws": 250, "num_components": 1, "refine": 0}
    idata = isogmm.fit_rows(model, data, **options, **OPTIONS)
    draws = idata["posterior"]["b"].values.reshape(-1, 5)
    # The groups are independent: a grid for each of them.
    grid = np.linspace(-5, 5, 4_001)
    error = []
    for group in range(5):
        own = y[groups == group]
        log_density = -0.5 * grid**2
        log_density -= 0.5 * ((own[:, None] - grid) ** 2).sum(0) / (1 + 0.3 * grid**2)
        weights = np.exp(log_density - log_density.max())
        mean = np.average(grid, weights=weights)
        sd = np.sqrt(np.average((grid - mean) ** 2, weights=weights))
        error.append(abs(draws[:, group].mean() - mean) / sd)
    trusted = idata.attrs["verdict"] != "unreliable"
    # Five standard errors of 1,000 draws, of which the weights may leave a tenth.
    assert not trusted or max(error) < 5 / np.sqrt(100)
    assert trusted or "isogmm.fit_" in idata.attrs["advice"]


@pytest.mark.stack
@pytest.mark.usefixtures("unchecked", "short_search")
@pytest.mark.parametrize("error", [OSError("the disk is gone"), KeyboardInterrupt()])
def test_a_failure_of_the_last_pass_does_not_lose_the_draws(error, monkeypatch):
    def fails(density, positions, blocks):
        raise error

    monkeypatch.setattr(RowDensity, "values", fails)
    y = np.arange(100.0) / 100
    model = isogmm.LogDensity(
        lambda mu, y: -0.5 * jnp.sum((y - mu) ** 2), np.zeros(()), names="mu", data=y[:2]
    )
    with pytest.warns(isogmm.FitWarning, match="The draws have no importance weights, because"):
        idata = isogmm.fit_rows(model, y, **OPTIONS)
    assert idata.attrs["verdict"] == "unreliable"
    assert idata["posterior"]["mu"].shape == (4, 1000)
    assert np.isnan(idata["sample_stats"]["lp"]).all()
    reason = "was interrupted" if isinstance(error, KeyboardInterrupt) else "the disk is gone"
    assert reason in idata.attrs["advice"]


@pytest.mark.long
def test_models_that_are_no_sum_over_rows():
    def centered(b, data):
        return -(b**2) - jnp.sum((data - data.mean() - b) ** 2)

    model = isogmm.LogDensity(centered, np.zeros(()), data=X[:3, 0])
    with pytest.raises(ModelError, match="not the prior plus a sum over rows: for 32 rows"):
        isogmm.fit_rows(model, X[:, 0], **OPTIONS)


@pytest.mark.numpyro
def test_numpyro_models_that_depend_on_the_number_of_rows():
    import numpyro
    import numpyro.distributions as dist

    def local(x):
        with numpyro.plate("rows", len(x)):
            z = numpyro.sample("z", dist.Normal(0, 1))
            numpyro.sample("x", dist.Normal(z, 1), obs=x)

    with pytest.raises(ModelError, match="the shape of z depends on the number of rows"):
        isogmm.fit_rows(local, (X[:, 0],), **OPTIONS)

    def scaled(x):
        mu = numpyro.sample("mu", dist.Normal(0, 1))
        with numpyro.handlers.scale(scale=NUM_ROWS / len(x)), numpyro.plate("rows", len(x)):
            numpyro.sample("x", dist.Normal(mu, 1), obs=x)

    with pytest.raises(ModelError, match="do not multiply the log likelihood by the number of all"):
        isogmm.fit_rows(scaled, (X[:, 0],), **OPTIONS)


def test_functions_that_jax_cannot_trace():
    model = isogmm.LogDensity(
        lambda b, data: -float(np.sum((data - b) ** 2)),
        np.zeros(()),
        gradient=lambda b, data: 2 * np.sum(data - b),
        data=X[:3, 0],
    )
    with pytest.raises(ModelError, match="needs a log density that JAX can trace"):
        isogmm.fit_rows(model, X[:, 0], **OPTIONS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resume": "x"}, "isogmm.fit_rows has no option resume"),
        ({"idata_kwargs": {"log_likelihood": True}}, "does not store the log likelihood"),
        ({"sample_rows": 1}, "sample_rows must be"),
        ({"block_rows": 0}, "block_rows must be"),
        ({"batch_size": 10}, "unexpected keyword argument .batch_size."),
    ],
)
def test_options(options, message):
    with pytest.raises((OptionError, TypeError), match=message):
        isogmm.fit_rows(regression(), {"x": X, "y": Y}, **OPTIONS, **options)

"""Weights of the sample: what they match, when there are none, and a hierarchy that needs them."""

import jax.numpy as jnp
import numpy as np
import pytest

import isogmm
from isogmm.rows import api
from isogmm.rows.blocks import Blocks
from isogmm.rows.calibrate import calibrated_weights
from isogmm.rows.density import Expansion
from isogmm.rows.read_model import read_model
from isogmm.rows.terms import RowTerms

RNG = np.random.default_rng(0)
NUM_ROWS, NUM_GROUPS = 300, 5
GROUP = RNG.integers(NUM_GROUPS, size=NUM_ROWS)
Y = 0.5 + RNG.normal(size=NUM_ROWS)
DATA = {"group": GROUP, "y": Y}


def hierarchy(position, data):
    """Groups that do not differ: the posterior of log tau has a tail far below its mode."""
    tau = jnp.exp(position["log_tau"])
    mean = (position["mu"] + tau * position["z"])[data["group"]]
    prior = -0.5 * (position["mu"] ** 2 + jnp.sum(position["z"] ** 2) + tau**2)
    return prior + position["log_tau"] - 0.5 * jnp.sum((data["y"] - mean) ** 2)


def model():
    zeros = {"mu": np.zeros(()), "log_tau": np.zeros(()), "z": np.zeros(NUM_GROUPS)}
    return isogmm.LogDensity(hierarchy, zeros, data={n: a[:2] for n, a in DATA.items()})


def moments_of_log_tau():
    """Mean and standard deviation by quadrature; mu and z are integrated out."""
    counts = np.bincount(GROUP)
    means = np.bincount(GROUP, Y) / counts
    log_tau = np.linspace(-16.0, 3.0, 20_001)
    precision = 1.0 / (1.0 / counts + np.exp(2 * log_tau)[:, None])
    of_mu = 1.0 + precision.sum(1)
    middle = (precision * means).sum(1) / of_mu
    quadratic = (precision * means**2).sum(1) - of_mu * middle**2
    log_density = 0.5 * (np.log(precision).sum(1) - np.log(of_mu) - quadratic)
    log_density += log_tau - 0.5 * np.exp(2 * log_tau)
    weights = np.exp(log_density - log_density.max())
    weights /= weights.sum()
    mean = weights @ log_tau
    return mean, np.sqrt(weights @ (log_tau - mean) ** 2)


@pytest.mark.long
@pytest.mark.usefixtures("unchecked")
def test_terms_of_rows_are_those_of_single_rows():
    blocks = Blocks(DATA, 100)
    _, density = read_model(model(), {}, blocks, 0)
    sample = [array[:7] for array in (GROUP, Y)]
    terms = RowTerms(density, sample)
    center = RNG.normal(size=2 + NUM_GROUPS)
    found = terms.expansion(center)
    for row in range(7):
        one = density.expansion(center[None], blocks.split([a[row : row + 1] for a in sample]))
        for part, exact in zip(found, one, strict=True):
            # Double precision: a block has 99 copies of the first row, which are subtracted.
            np.testing.assert_allclose(part[row], exact[0], atol=1e-10)


def test_weights_match_all_rows_and_are_positive():
    dim, size = 3, 200
    terms = Expansion(*(RNG.normal(size=(size, *(dim,) * k)) for k in range(3)))
    terms = terms._replace(hessians=terms.hessians + terms.hessians.transpose(0, 2, 1))
    # Other rows of the same distribution, so that the means differ by a few standard errors.
    shift = [part.std(0) / np.sqrt(size) * RNG.normal(size=part.shape[1:]) for part in terms]
    shift[2] = 0.5 * (shift[2] + shift[2].T)
    of_all = Expansion(
        *(1e4 * (part.mean(0) + move)[None] for part, move in zip(terms, shift, strict=True))
    )
    weights = calibrated_weights(terms, of_all, 10_000, np.diag([1.0, 2.0, 0.1]))
    assert weights.min() > 0
    for part, goal in zip(terms, of_all, strict=True):
        sums = np.tensordot(weights, part, 1)
        # 1e-6 in units of the standard deviations, the smallest of which is 0.1 for two axes.
        np.testing.assert_allclose(sums, goal[0], atol=1e-6 / 0.1**2)


def test_no_positive_weights():
    """No row has a value as small as the mean of all rows."""
    terms = Expansion(1.0 + RNG.random(50), RNG.normal(size=(50, 1)), np.zeros((50, 1, 1)))
    of_all = Expansion(np.array([500.0]), np.zeros((1, 1)), np.zeros((1, 1, 1)))
    assert calibrated_weights(terms, of_all, 1_000, np.eye(1)) is None


@pytest.mark.usefixtures("unchecked", "short_search")
def test_a_fit_with_weights_has_the_density_of_all_rows(monkeypatch):
    def normal(position, data):
        scale = jnp.exp(position["log_scale"])
        deviations = (data - position["mu"]) / scale
        prior = -0.5 * (position["mu"] ** 2 + position["log_scale"] ** 2)
        return prior - jnp.sum(0.5 * deviations**2 + position["log_scale"])

    zeros = {"mu": np.zeros(()), "log_scale": np.zeros(())}
    model, rows = isogmm.LogDensity(normal, zeros, data=Y[:2]), Y[:30]
    monkeypatch.setattr(api, "_may_repeat", lambda idata: True)
    options = {"sample_rows": 15, "draws": 250, "chains": 2, "num_components": 2, "refine": 0}
    idata = isogmm.fit_rows(model, rows, random_seed=0, progressbar=False, **options)
    # The expansion of each row is a combination of 1, y and y², whose weighted sums are those of
    # all rows up to 1e-6 nats: the densities are equal.  With a quadratic correction in place of
    # the weights the effective sample size is smaller by 8e-4 of the draws.
    assert idata.attrs["importance_ess"] > (1 - 1e-6) * 500


@pytest.mark.long  # half a minute; the test above has a cheaper model of which the same holds
@pytest.mark.usefixtures("unchecked")
def test_a_hierarchy_with_a_scale_near_zero():
    options = {"sample_rows": 100, "draws": 500, "num_components": 2}
    idata = isogmm.fit_rows(model(), DATA, random_seed=0, progressbar=False, **options)
    assert idata.attrs["verdict"] in ("good", "reweighted", "refined"), idata.attrs["advice"]
    # Sufficient statistics of the model are among the features: the densities are equal.
    assert idata.attrs["importance_ess"] > 0.999 * 2_000
    mean, sd = moments_of_log_tau()
    draws = idata["posterior"]["log_tau"].values.ravel()
    # Five standard errors of 1,000 independent draws, which refined draws are worth at least; the
    # kurtosis of log tau, about 5, doubles the variance of its log standard deviation.
    assert abs(draws.mean() - mean) / sd < 5 / np.sqrt(1_000)
    assert abs(np.log(draws.std() / sd)) < 5 / np.sqrt(1_000)


@pytest.mark.usefixtures("unchecked", "short_search")
@pytest.mark.filterwarnings("ignore::isogmm.FitWarning")
@pytest.mark.parametrize(
    "error", [ValueError("no such rule"), pytest.param(KeyboardInterrupt(), marks=pytest.mark.long)]
)
def test_a_failure_of_the_weights_keeps_the_first_fit(error, monkeypatch):
    called = []

    def fails(terms, center):
        called.append(center)
        raise error

    def fitted():
        return isogmm.fit_rows(
            small, Y[:100], random_seed=0, draws=100, refine=0, progressbar=False
        )

    small = isogmm.LogDensity(
        lambda mu, y: -0.5 * jnp.sum((y - mu) ** 2), np.zeros(()), names="mu", data=Y[:2]
    )
    first = fitted()
    monkeypatch.setattr(api, "_may_repeat", lambda idata: True)
    monkeypatch.setattr(RowTerms, "expansion", fails)
    idata = fitted()
    assert called
    np.testing.assert_array_equal(idata["posterior"]["mu"], first["posterior"]["mu"])

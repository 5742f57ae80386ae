"""The log density of all rows, its derivatives, and the surrogate that equals it near centers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import isogmm
from isogmm import ModelError, OptionError
from isogmm.model.programs.precision import in_precision
from isogmm.rows.blocks import Blocks
from isogmm.rows.density import Expansion, RowDensity
from isogmm.rows.read_model import read_model, with_rows
from isogmm.rows.sample import sampled
from isogmm.rows.surrogate import Correction, Surrogate, positive_definite

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 2))
Y = (RNG.random(50) < 0.3).astype(int)
DATA = {"x": X, "y": Y}
POINTS = np.array([[0.1, -0.4], [0.5, 0.2], [-1.0, 2.0]])


def density(b, data):
    eta = data["x"] @ b
    return -0.5 * jnp.sum(b**2) + jnp.sum(data["y"].astype(eta.dtype) * eta - jax.nn.softplus(eta))


def by_hand(b):
    """Log density, gradient and Hessian."""
    eta = X @ b
    p = 1 / (1 + np.exp(-eta))
    value = -0.5 * b @ b + Y @ eta - np.log1p(np.exp(eta)).sum()
    return value, X.T @ (Y - p) - b, -(X.T * (p * (1 - p))) @ X - np.eye(2)


def log_density_model():
    return isogmm.LogDensity(density, np.zeros(2), data={"x": X[:3], "y": Y[:3]}), {}


def numpyro_model():
    import numpyro
    import numpyro.distributions as dist

    def model(x, y, width):
        b = numpyro.sample("b", dist.Normal(0, width).expand([2]).to_event(1))
        with numpyro.plate("rows", len(y), subsample_size=1):
            eta = numpyro.deterministic("eta", x @ b)
            numpyro.sample("y", dist.Bernoulli(logits=eta), obs=y)

    return model, {"width": 1.0}


def subsampled_model():
    """As for NumPyro's SVI: the plate has all rows, and the arguments are a minibatch."""
    import numpyro
    import numpyro.distributions as dist

    def model(x, y, num_rows):
        b = numpyro.sample("b", dist.Normal(0, 1).expand([2]).to_event(1))
        with numpyro.plate("rows", num_rows, subsample_size=len(y)):
            numpyro.sample("y", dist.Bernoulli(logits=x @ b), obs=y)

    return model, {"num_rows": 50}


def pymc_model():
    import pymc as pm

    with pm.Model() as model:
        x, y = pm.Data("x", X[:5]), pm.Data("y", Y[:5])
        b = pm.Normal("b", 0, 1, shape=2)
        pm.Bernoulli("observed", logit_p=x @ b, observed=y)
    return model, {}


def minibatch_model(total_size=50):
    """As for PyMC's ADVI: the model has the rows."""
    import pymc as pm

    with pm.Model(coords={"row": range(50)}) as model:
        data = pm.Data("x", X, dims=("row", None)), Y.astype(np.int32)
        x, y = pm.Minibatch(*data, batch_size=7)
        again = pm.Minibatch(data[0], batch_size=7)
        b = pm.Normal("b", 0, 1, shape=2, initval=[0.1, 0.2])
        eta = pm.Deterministic("eta", (x + again) @ b / 2)
        pm.Bernoulli("observed", logit_p=eta, observed=y, total_size=total_size)
    return model


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("make", "x64"),
    [
        (log_density_model, True),
        pytest.param(log_density_model, False, marks=pytest.mark.long),
        pytest.param(numpyro_model, False, marks=[pytest.mark.numpyro, pytest.mark.weak_dtypes]),
        pytest.param(subsampled_model, True, marks=[pytest.mark.numpyro, pytest.mark.weak_dtypes]),
        pytest.param(pymc_model, False, marks=[pytest.mark.pymc, pytest.mark.weak_dtypes]),
    ],
)
def test_the_sum_over_blocks_is_the_log_density_of_all_rows(make, x64):
    """In double precision, whatever the precision of JAX is."""
    with in_precision(x64):
        _check_sum(*make())


@pytest.mark.long
@pytest.mark.pymc
@pytest.mark.weak_dtypes
@pytest.mark.usefixtures("unchecked")
def test_minibatches_of_pymc_become_rows():
    model = minibatch_model()
    in_blocks, rows = with_rows(model, None)
    assert set(rows) == {"minibatch of x", "minibatch 1"}
    np.testing.assert_array_equal(rows["minibatch of x"], X)
    _check_sum(in_blocks, {}, rows)
    # The model of the user is as it was.
    np.testing.assert_array_equal(model.rvs_to_initial_values[model["b"]], [0.1, 0.2])
    assert model.named_vars_to_dims["x"] == ("row", None)


@pytest.mark.pymc
def test_models_and_calls_without_one_set_of_rows():
    with pytest.raises(ModelError, match=r"observed has total_size=49, but .* 50 rows"):
        with_rows(minibatch_model(total_size=49), None)
    with pytest.raises(OptionError, match=r"pm\.Minibatch, which has the data"):
        with_rows(minibatch_model(), DATA)
    for model in (pymc_model()[0], log_density_model()[0]):
        with pytest.raises(OptionError, match="needs rows=, the data"):
            with_rows(model, None)


def _check_sum(model, kwargs, data=DATA):
    blocks = Blocks(data, 16)
    target, rows = read_model(model, kwargs, blocks, 0)
    assert target.dim == 2
    assert not target.observed_data
    assert not target.constant_data
    groups = target.constrain(POINTS, 0)
    assert {name: array.shape for name, array in groups["posterior"].items()} in (
        {"x": (3, 2)},
        {"b": (3, 2)},
    )
    found = rows.values(POINTS, blocks)
    exact, slope, curvature = zip(*map(by_hand, POINTS), strict=True)
    # The languages add a constant; sums of 50 terms of size one in double precision.
    np.testing.assert_allclose(found - found[0], np.subtract(exact, exact[0]), atol=1e-11)
    parts = zip(rows.expansion(POINTS, blocks), rows.prior_expansion(POINTS), strict=True)
    value, gradient, hessian = (of_rows + of_prior for of_rows, of_prior in parts)
    np.testing.assert_allclose(value, found, atol=1e-11)
    np.testing.assert_allclose(gradient, slope, atol=1e-11)
    np.testing.assert_allclose(hessian, curvature, atol=1e-11)


@pytest.mark.usefixtures("unchecked")
def test_the_surrogate_equals_the_density_to_second_order_at_each_center():
    model, kwargs = log_density_model()
    blocks = Blocks({"x": X, "y": Y}, 16)
    target, rows = read_model(model, kwargs, blocks, 0)
    sample = sampled(blocks, 20, np.random.default_rng(1))
    surrogate = Surrogate(target, rows, sample, 50)
    centers = 20.0 * POINTS[:2]  # far enough from each other
    of_rows, of_sample = (
        rows.expansion(centers, blocks),
        rows.expansion(centers, blocks.split(sample)),
    )
    difference = Expansion(*(a - 2.5 * b for a, b in zip(of_rows, of_sample, strict=True)))
    precisions = np.broadcast_to(10.0 * np.eye(2), (2, 2, 2))
    correction = Correction(centers, difference, precisions, np.full(2, 30.0))
    corrected = surrogate.target(correction)
    values, gradients = corrected.evaluate(centers)
    np.testing.assert_allclose(values, rows.values(centers, blocks), rtol=1e-12)
    prior = rows.prior_expansion(centers)
    np.testing.assert_allclose(gradients, of_rows.gradients + prior.gradients, atol=1e-9)
    step = 1e-4
    for direction in np.eye(2):
        ahead, behind = (corrected.evaluate(centers + s * direction)[1] for s in (step, -step))
        column = (of_rows.hessians + prior.hessians) @ direction
        # Central differences: the third derivative times h² / 6, and rounding of 1e-12 / h.
        np.testing.assert_allclose((ahead - behind) / (2 * step), column, atol=1e-6)
    # A second copy of a center changes nothing.
    near = centers[0] + 0.1 * POINTS
    single = surrogate.target(correction.take(slice(0, 1))).values(near)
    twice = surrogate.target(correction.take([0, 0])).values(near)
    np.testing.assert_allclose(twice, single, rtol=1e-12)
    # Far away it is a Gaussian around the nearer center, whatever the sample says.
    far = centers[0] + np.array([[0.0, -1e4], [0.0, -2e4]])
    values = surrogate.target(correction.take(slice(0, 1))).values(far)
    prior = rows.prior_expansion(far).values
    assert np.diff(values - prior) == pytest.approx(-0.5 * 10 * 3e8, rel=1e-3)
    np.testing.assert_allclose(correction.distances(far)[:, 0], np.sqrt(10) * 1e4 * np.arange(1, 3))


def test_matrices_become_positive_definite():
    matrices = np.array([[[2.0, 1.0], [1.0, 2.0]], [[0.0, 1.0], [1.0, 0.0]]])
    found = positive_definite(matrices)
    np.testing.assert_allclose(found[0], matrices[0], atol=1e-14)
    np.testing.assert_allclose(found[1], np.eye(2), atol=1e-14)
    assert np.linalg.eigvalsh(positive_definite(np.zeros((1, 2, 2)))[0]).min() > 0


@pytest.mark.usefixtures("unchecked")
def test_a_sum_that_is_not_finite_has_no_density():
    def log_density(x, y):
        return -0.5 * jnp.sum((y - jnp.log(x)) ** 2)

    blocks = Blocks(np.ones(5), 2)
    rows = RowDensity(log_density, lambda arrays: arrays[0], blocks.first_row)
    np.testing.assert_array_equal(rows.values(np.array([[-1.0], [np.e]]), blocks), [-np.inf, 0.0])

"""Data with fewer rows than their plate: an error with plate, site, sizes and remedy."""

import numpy as np
import pytest

pytestmark = pytest.mark.numpyro
numpyro = pytest.importorskip("numpyro")

import jax.numpy as jnp  # noqa: E402
import numpyro.distributions as dist  # noqa: E402

from isogmm.errors import FitWarning, ModelError  # noqa: E402
from isogmm_numpyro import NumPyroAdapter  # noqa: E402

SIZE = 1200
X = np.linspace(-1.0, 1.0, SIZE)
BATCH = X[:12]


def target_of(model, *args):
    return NumPyroAdapter().to_target(model, args, {}, 0)


def mu():
    return numpyro.sample("mu", dist.Normal())


def different_shapes(x):
    location = mu()
    with numpyro.plate("rows", SIZE):
        numpyro.sample("y", dist.Normal(location * x, 1), obs=x)


def constant_parameters(x):
    location = mu()
    with numpyro.plate("rows", SIZE):
        numpyro.sample("y", dist.Normal(location, 1), obs=x)


def one_row(x):
    location = mu()
    with numpyro.plate("rows", SIZE):
        numpyro.sample("y", dist.Normal(location * x[:1], 1), obs=x[:1])


def as_event(x):
    location = mu()
    with numpyro.plate("rows", SIZE):
        numpyro.sample("y", dist.Normal(location * x, 1).to_event(1), obs=x)


def as_column(x):
    location = mu()
    with numpyro.plate("rows", SIZE):
        numpyro.sample("y", dist.Normal(location, 1), obs=x[:, None])


def multivariate(x):
    location = mu()
    with numpyro.plate("rows", SIZE):
        normal = dist.MultivariateNormal(location * jnp.ones(12), jnp.eye(12))
        numpyro.sample("y", normal, obs=x)


def indexed(x):
    location = mu()
    with numpyro.plate("rows", SIZE) as rows:
        numpyro.sample("y", dist.Normal(location * x[rows], 1), obs=x[rows])


def indexed_table(x):
    location, table = mu(), jnp.stack([x, x], axis=1)
    with numpyro.plate("rows", SIZE) as rows:
        numpyro.sample("y", dist.Normal(location * table[rows, 1], 1), obs=table[rows, 0])


@pytest.mark.parametrize(
    "model",
    [
        different_shapes,
        constant_parameters,
        one_row,
        as_event,
        as_column,
        multivariate,
        indexed,
        indexed_table,
    ],
)
def test_a_minibatch_in_a_plate_of_full_size(model):
    with pytest.raises(ModelError) as caught:
        target_of(model, BATCH)
    message = str(caught.value)
    for part in ("'rows'", "size 1,200", "'y'", "all 1,200 rows", "subsample_size="):
        assert part in message


def test_the_message_states_the_expected_shape():
    with pytest.raises(ModelError, match=r"shape \(1,\) instead of \(1200,\)"):
        target_of(one_row, BATCH)
    with pytest.raises(ModelError, match=r"array of shape \(12,\).*subsample_size=12"):
        target_of(indexed, BATCH)


def test_one_row_too_few():
    def model(x):
        location = mu()
        with numpyro.plate("rows", len(x) + 1) as rows:
            numpyro.sample("y", dist.Normal(location, 1), obs=x[rows])

    with pytest.raises(ModelError, match=r"'rows' .*has size 13, but .*array of shape \(12,\)"):
        target_of(model, BATCH)


def test_rows_of_a_subsampled_plate_that_the_data_do_not_have_are_left_out():
    def model(x):
        location = mu()
        with numpyro.plate("rows", SIZE, subsample_size=len(BATCH)) as rows:
            numpyro.sample("y", dist.Normal(location, 1), obs=x[rows])

    with pytest.warns(FitWarning, match=r"'rows' \(12 of 1200 rows\)"):
        target = target_of(model, BATCH)
    point = np.array([0.3])
    expected = dist.Normal().log_prob(0.3) + SIZE / 12 * dist.Normal(0.3).log_prob(BATCH).sum()
    np.testing.assert_allclose(target.evaluate(point)[0], expected, rtol=1e-12)


def complete(x):
    """Everything fits: all rows, one value for several parameters, indices within their axis."""
    location = mu()
    with numpyro.plate("groups", 3):
        effect = numpyro.sample("effect", dist.Normal())
        # A value of zero for each group.
        numpyro.sample("balance", dist.Normal(effect, 1), obs=0.0)
    with numpyro.plate("rows", len(x)) as rows:
        group = jnp.arange(len(x)) % 3
        first = x.at[rows + 5].get(mode="clip")  # says what happens beyond the end
        numpyro.sample(
            "y", dist.Normal(location + effect[group] + first + x[rows]), obs=x[-1 - rows]
        )
    with numpyro.plate("one", 1):
        numpyro.sample("z", dist.Normal(location), obs=x[:1])


@pytest.mark.filterwarnings("error")
def test_models_whose_data_fit_are_accepted():
    assert np.isfinite(target_of(complete, X).evaluate(np.zeros(4))[0])

"""NumPyro models that fail: the message names the site that is the cause."""

import re

import numpy as np
import pytest

pytestmark = pytest.mark.numpyro
numpyro = pytest.importorskip("numpyro")

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpyro.distributions as dist  # noqa: E402
from numpyro import handlers  # noqa: E402

from isogmm.errors import ModelError  # noqa: E402
from isogmm_numpyro import NumPyroAdapter  # noqa: E402
from isogmm_numpyro._nonfinite import explain_non_finite  # noqa: E402
from isogmm_numpyro._reading.read import read_model  # noqa: E402

Y = np.cos(np.arange(12.0))
ROWS = np.cos(np.arange(36.0)).reshape(12, 3)


def target_of(model, *args):
    return NumPyroAdapter().to_target(model, args, {}, 0)


def mu():
    return numpyro.sample("mu", dist.Normal())


# --- the structure depends on values --------------------------------------------------------------


def branch(y):
    trend, other = numpyro.sample("has_trend", dist.Normal()), mu()
    numpyro.sample("y", dist.Normal(other if 2 * trend > 0 else 0.0), obs=y)


def discrete_branch(y):
    other, trend = mu(), numpyro.sample("has_trend", dist.Bernoulli(0.5))
    numpyro.sample("y", dist.Normal(other if trend else 0.0), obs=y)


def loop(y):
    numpyro.sample("y", dist.Normal(sum(1.0 for _ in range(int(mu())))), obs=y)


def numpy_function(y):
    numpyro.sample("y", dist.Normal(0.0, np.exp(mu())), obs=y)


def mask(y):
    numpyro.sample("y", dist.Normal(), obs=y[jnp.asarray(y) > mu()])


def size_by_jax(y):
    size = int(jnp.max(jnp.asarray(y))) + 1
    numpyro.sample("a", dist.Normal().expand([size]).to_event(1))
    numpyro.sample("y", dist.Normal(), obs=y)


KEPT = []


def kept(y):
    KEPT.append(numpyro.sample("mu", dist.HalfNormal()))
    numpyro.sample("y", dist.Normal(KEPT[0]), obs=y)


VALUES = {
    "branch": (branch, "latent site 'has_trend', .*structure is dynamic.* Line .*if 2 \\* trend"),
    "discrete branch": (discrete_branch, "latent site 'has_trend', .*structure is dynamic"),
    "loop": (loop, "latent site 'mu', .*Python number"),
    "function of NumPy": (numpy_function, r"latent site 'mu', .*jax\.numpy"),
    "mask": (mask, r"latent site 'mu', .*jnp\.where"),
    "data": (size_by_jax, r"from its data.*numpy\.max"),
}


@pytest.mark.parametrize("case", VALUES)
@pytest.mark.stack
def test_the_latent_site_is_named(case):
    model, message = VALUES[case]
    with pytest.raises(ModelError, match=message) as caught:
        target_of(model, Y)
    assert ("structure is dynamic" in str(caught.value)) == ("branch" in case)


def test_a_key_among_the_arguments():
    def model(x, y=None, scale=1.0):
        numpyro.sample("y", dist.Normal(mu() * x, jnp.zeros(scale.shape[1])), obs=y)

    with pytest.raises(ModelError, match=r"argument 'x' .*is a JAX key.*random_seed="):
        target_of(model, jax.random.PRNGKey(0), Y, Y)


@pytest.mark.stack
def test_arrays_of_an_earlier_call_are_no_dynamic_structure():
    target_of(kept, Y)
    with pytest.raises(ModelError, match="earlier call"):
        target_of(kept, Y)


# --- shapes ---------------------------------------------------------------------------------------


def entries(y):
    normal = dist.MultivariateNormal(jnp.zeros(3) + mu(), jnp.eye(3))
    with numpyro.plate("rows", len(y)):
        numpyro.sample("y", normal, obs=y, obs_mask=y > 0)


def plate(y):
    with numpyro.plate("rows", 11):
        numpyro.sample("y", dist.Normal(mu()), obs=y)


def batch(y):
    loc = numpyro.sample("loc", dist.Normal().expand([5]))
    with numpyro.plate("rows", 12):
        numpyro.sample("y", dist.Normal(loc), obs=y)


def without_plate(y):
    loc = numpyro.sample("loc", dist.Normal().expand([5]).to_event(1))
    numpyro.sample("y", dist.Normal(loc), obs=y)


def no_distribution(y):
    numpyro.sample("y", mu(), obs=y)


def empty(y):
    with numpyro.plate("rows", len(y[:0])):
        numpyro.sample("y", dist.Normal(mu()), obs=y[:0])


SHAPES = {
    "no rows": (empty, Y, r"plate 'rows' has size 0: .*at least 1"),
    "entries of an event": (entries, ROWS, r"site 'y' .*\(12, 3\) of obs_mask.*whole events"),
    "as many rows as entries": (entries, ROWS[:3], r"site 'y' .*obs_mask selects whole events"),
    "plate": (plate, Y, r"site 'y' .*batch shape \(11,\) of Normal, shape \(12,\) of the observed"),
    "batch": (batch, Y, r"site 'y' .*batch shape \(5,\)"),
    "without a plate": (without_plate, Y, r"site 'y' .*batch shape \(5,\)"),
    "no distribution": (no_distribution, Y, r"sample\('y', ...\).* in place of a distribution"),
}


@pytest.mark.parametrize("case", SHAPES)
@pytest.mark.stack
def test_the_site_with_the_wrong_shape_is_named(case):
    model, y, message = SHAPES[case]
    with pytest.raises(ModelError, match=message):
        target_of(model, y)


@pytest.mark.stack
def test_a_site_that_changes_its_shape_is_named():
    calls = []

    def model(y):
        calls.append(1)
        loc = numpyro.sample("loc", dist.Normal().expand([1 + len(calls)]).to_event(1))
        numpyro.sample("y", dist.Normal(loc.sum()), obs=y)

    with pytest.raises(ModelError, match=r"'loc' had shape \(2,\) and now has shape \(3,\)"):
        target_of(model, Y).evaluate(np.zeros(2))


# --- invalid distributions ------------------------------------------------------------------------


@pytest.mark.stack
def test_a_distribution_that_cannot_be_made():
    def model(y):
        numpyro.sample("y", dist.Normal(mu(), -2.0), obs=y)

    with pytest.raises(ModelError, match=r"Normal cannot be made \(scale = -2.0\).*Line \d+"):
        target_of(model, Y)


@pytest.mark.stack
def test_classes_as_floating_point_numbers():
    with pytest.raises(ModelError, match=r"values of the site 'label' are floating.*astype\(int\)"):
        target_of(labels, np.zeros(12))


@pytest.mark.parametrize("group", [np.arange(12) // 4 + 1, (np.arange(12) // 4 + 1).tolist()])
def test_labels_that_begin_at_one(group):
    def model(group, y):
        level = numpyro.sample("level", dist.Normal().expand([3]).to_event(1))
        numpyro.sample("y", dist.Normal(level[group]), obs=y)

    with pytest.raises(ModelError, match=r"4 of 12 indices .*example 3 .*from 'group'"):
        target_of(model, group, Y)


def test_an_argument_with_nan_is_named():
    def model(x, y):
        numpyro.sample("y", dist.Normal(mu() * x), obs=y)

    target = target_of(model, np.where(Y > 0, Y, np.inf), Y)
    explanation = target.explain(target.initial_positions(np.random.default_rng(0), 4))
    assert re.search(r"loc is not finite.*\d of 12 values of the argument 'x'", explanation)


# --- values outside the support -------------------------------------------------------------------


def waits(y):
    numpyro.sample("waits", dist.Exponential(jnp.exp(mu())), obs=y)


def labels(y):
    numpyro.sample("label", dist.Categorical(logits=jnp.zeros(3) + mu()), obs=y)


def angles(y):
    numpyro.sample("angle", dist.VonMises(mu(), 1.0), obs=y)


def masked(y):
    with handlers.mask(mask=y > 0):
        waits(y)


def test_data_outside_the_support_are_named():
    with pytest.raises(ModelError, match=r"'waits' have 6 of 12 values outside.*0 to inf"):
        target_of(waits, Y)
    with pytest.raises(ModelError, match=r"'label' have 3 of 12 values.*0 to 2.*example 3"):
        target_of(labels, np.arange(12) % 4)
    assert target_of(masked, Y) is not None
    assert target_of(waits, np.abs(Y) * (Y > 0)) is not None  # zeros are on the bound
    assert target_of(angles, np.array([4.0, -6.0])) is not None  # the density is periodic


def beyond(y):
    low = numpyro.sample("low", dist.Gamma(2.0))
    numpyro.sample("height", dist.Uniform(low, low + 1.0), obs=y)


def invalid(y):
    numpyro.sample("y", dist.Normal(jnp.log(-1.0 - mu() ** 2)), obs=y)


def on_the_bound(y):
    numpyro.sample("share", dist.Beta(jnp.exp(mu()), 1.0), obs=jnp.zeros(2))


def term(y):
    numpyro.factor("penalty", mu() - jnp.inf)


def prior(y):
    center = mu()
    numpyro.sample("y", dist.Normal(center), obs=y)
    numpyro.sample("bad", dist.Normal(center * jnp.inf))


def gradient(y):
    position = mu()
    root = jnp.where(position > 1e9, jnp.sqrt(-1.0 - position**2), position)
    numpyro.sample("y", dist.Normal(root), obs=y)


def events(y):
    logits = jnp.stack([mu(), 0.0])
    numpyro.sample("votes", dist.Multinomial(10, logits=logits), obs=jnp.array([[4, 6], [3, 6]]))


def shares(y):
    concentration = jnp.exp(mu()) * jnp.ones(3)
    numpyro.sample("shares", dist.Dirichlet(concentration), obs=jnp.array([[0.2, 0.8, 0.0]]))


def trials(y):
    count = jnp.array([5.0, jnp.nan])
    numpyro.sample("hits", dist.Binomial(count, logits=mu()), obs=jnp.array([1, 2]))


def scale(y):
    numpyro.sample("y", dist.Normal(mu(), jnp.where(y > 0, y, 0.0)), obs=0.0 * y)


def covariance(y):
    matrix = jnp.array([[1.0, 2.0], [2.0, 1.0]])
    numpyro.sample("y", dist.MultivariateNormal(mu() * jnp.ones(2), matrix), obs=jnp.ones(2))


TERMS = {
    "event": (events, r"'votes' .*in 1 of 2 .*example \[3, 6\] with total_count 10"),
    "bound of an event": (shares, r"'shares' .*at the value \[0\.2, 0\.8, 0\. \]"),
    "count": (trials, r"'hits' .*in 1 of 2 entries: its total_count is not finite"),
    "invalid": (scale, r"'y' \(Normal\) is .*: its scale is not valid, for example 0"),
    "covariance": (covariance, r"scale_tril is not finite, because .*not positive definite"),
    "observed": (beyond, r"observed site 'height' \(Uniform\) is -inf in 12 of 12.*outside its"),
    "parameter": (invalid, r"observed site 'y' \(Normal\) is nan.*its loc is not finite"),
    "bound": (on_the_bound, r"observed site 'share' \(Beta\) is -inf in 2 of 2.*the value 0"),
    "factor": (term, "The factor 'penalty' is -inf"),
    "latent": (prior, r"latent site 'bad' \(Normal\) is -inf: its loc is not finite"),
    "gradient": (gradient, r"its gradient is not.*jnp\.where"),
}
#: Models that take seconds to compile; the checks of a site are the same for all distributions.
COSTLY_TERMS = ("bound of an event", "count", "covariance", "bound")


@pytest.mark.parametrize(
    "case",
    [pytest.param(n, marks=pytest.mark.long) if n in COSTLY_TERMS else n for n in TERMS],
)
def test_the_term_that_is_not_finite_is_named(case):
    model, message = TERMS[case]
    target = target_of(model, 10.0 * Y)
    positions = target.initial_positions(np.random.default_rng(0), 4)
    assert not np.isfinite(target.evaluate(positions)[0]).any()
    explanation = target.explain(positions)
    assert re.search(message, explanation), explanation
    assert "'mu'" not in explanation


def missing(y):
    numpyro.factor("terms", jnp.where(jnp.isnan(y), 0.0, dist.Normal(mu()).log_prob(y)))


def extinct(y):
    is_alive = jnp.arange(len(y)) > 0
    numpyro.sample("y", dist.Bernoulli(jax.nn.sigmoid(mu()) * is_alive), obs=y)


@pytest.mark.parametrize(
    ("model", "y", "message"),
    [
        (missing, np.where(Y > 0.9, np.nan, Y), "2 of 12 values of the argument 'y'"),
        (extinct, np.ones(12, int), r"probs of the site 'y' contain 0 or 1.*jnp\.clip"),
    ],
)
def test_the_data_are_named_where_the_gradient_alone_is_not_finite(model, y, message):
    explanation = explain_non_finite(model, read_model(model, (y,), {}), np.array([[0.5]]))
    assert re.search(f"its gradient is not.*{message}", explanation), explanation


def test_the_term_that_is_finite_nowhere_is_named_alone():
    def model():
        position = mu()
        numpyro.sample("y", dist.Normal(0.0, jnp.where(position > 0, 1.0, jnp.nan)), obs=0.0)
        numpyro.factor("penalty", position - jnp.inf)

    explanation = explain_non_finite(model, read_model(model, (), {}), np.array([[1.0], [-1.0]]))
    assert "'penalty'" in explanation
    assert "'y'" not in explanation


@pytest.mark.usefixtures("unchecked")
def test_a_fit_names_the_term():
    import isogmm

    with pytest.raises(ModelError, match=r"any of \d+ starting points.*observed site 'height'"):
        isogmm.fit_isogmm(beyond, 10.0 * Y, random_seed=0, progressbar=False)

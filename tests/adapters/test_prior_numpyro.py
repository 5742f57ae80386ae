"""Draws of the prior of NumPyro models, on the unconstrained scale."""

import dataclasses
import gc
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from adapters.contract import check_prior
from isogmm.model.programs.precision import in_precision

numpyro = pytest.importorskip("numpyro")
import numpyro.distributions as dist  # noqa: E402
from numpyro import handlers  # noqa: E402
from numpyro.contrib.control_flow import scan  # noqa: E402
from numpyro.distributions import constraints  # noqa: E402
from numpyro.infer.reparam import TransformReparam  # noqa: E402

from isogmm_numpyro import NumPyroAdapter  # noqa: E402

pytestmark = pytest.mark.numpyro

NORMAL = stats.norm.cdf


def target_of(model, *args, **kwargs):
    return NumPyroAdapter().to_target(model, args, kwargs, 0)


def draws_of(model, *args, n=200):
    return target_of(model, *args).prior_positions(np.random.default_rng(0), n)


def value(name):
    return lambda draws: draws[name]


def supports(y):
    """One site of each support, most of them with parameters that are drawn too."""
    mu = numpyro.sample("mu", dist.Normal(1, 2))
    tau = numpyro.sample("tau", dist.HalfNormal(1))
    numpyro.sample("share", dist.Uniform(mu, mu + tau))
    numpyro.sample("simplex", dist.Dirichlet(np.ones(3)))
    normals = dist.Normal(0, 1).expand([3]).to_event(1)
    numpyro.sample(
        "ordered", dist.TransformedDistribution(normals, dist.transforms.OrderedTransform())
    )
    numpyro.sample("cholesky", dist.LKJCholesky(3, 2.0))
    with handlers.reparam(config={"shifted": TransformReparam()}):
        shift = dist.transforms.AffineTransform(mu, tau)
        numpyro.sample("shifted", dist.TransformedDistribution(dist.Normal(0, 1), shift))
    with numpyro.plate("row", len(y), subsample_size=2) as rows, handlers.scale(scale=0.1):
        effect = numpyro.sample("effect", dist.Normal(mu, tau))
        numpyro.sample("y", dist.Normal(effect, 1), obs=y[rows])


SUPPORTS = {
    "real": (value("mu"), stats.norm(1, 2).cdf),
    "positive": (value("tau"), stats.halfnorm.cdf),
    "interval": (lambda p: (p["share"] - p["mu"]) / p["tau"], stats.uniform.cdf),
    "simplex": (value("simplex"), stats.beta(1, 2).cdf),
    "ordered": (lambda p: p["ordered"][:, 0], NORMAL),
    "steps": (lambda p: np.log(np.diff(p["ordered"])), NORMAL),
    # Correlations of LKJ(2) in 3 dimensions are Beta(2.5, 2.5) on (-1, 1).
    "cholesky": (lambda p: p["cholesky"][:, 1:, 0] / 2 + 0.5, stats.beta(2.5, 2.5).cdf),
    "reparameterized": (lambda p: (p["shifted"] - p["mu"]) / p["tau"], NORMAL),
    "plate": (lambda p: ((p["effect"].T - p["mu"]) / p["tau"]).T, NORMAL),
}


# Single precision is what NumPyro has unless the user asks for another.
@pytest.mark.long
@pytest.mark.parametrize("x64", [True, False])
def test_draws_have_the_quantiles_of_the_prior(x64):
    before = jax.config.jax_enable_x64
    with in_precision(x64):
        check_prior(lambda: target_of(supports, np.zeros(4)), SUPPORTS)
    assert jax.config.jax_enable_x64 == before


@pytest.mark.long
def test_a_site_that_depends_on_a_discrete_site():
    def model():
        label = numpyro.sample("label", dist.Bernoulli(0.25), infer={"enumerate": "parallel"})
        numpyro.sample("x", dist.Normal(8.0 * label, 1))

    def cdf(x):
        return 0.75 * NORMAL(x) + 0.25 * NORMAL(x - 8)

    check_prior(lambda: target_of(model), {"x": (value("x"), cdf)})


@pytest.mark.long
def test_a_random_walk_in_a_scan():
    def model(y):
        def step(last, y):
            x = numpyro.sample("x", dist.Normal(last, 1))
            numpyro.sample("y", dist.Normal(x, 1), obs=y)
            return x, None

        scan(step, 0.0, y)

    steps = {"steps": (lambda p: np.diff(p["x"], prepend=0), NORMAL)}
    check_prior(lambda: target_of(model, np.zeros(4)), steps)


def test_sites_without_draws_get_the_values_of_starting_points():
    class Flat(dist.Distribution):
        support = constraints.real

        def log_prob(self, value):
            return jnp.zeros(jnp.shape(value))

    def model():
        a = numpyro.sample("a", dist.ImproperUniform(constraints.positive, (), (2,)))
        b = numpyro.sample("b", Flat())
        numpyro.sample("c", dist.Normal(b, a))
        numpyro.sample("d", Flat(), obs=3.0)

    uniform = stats.uniform(-2, 4).cdf
    known = {
        "a": (lambda p: np.log(p["a"]), uniform),
        "b": (value("b"), uniform),
        "c": (lambda p: (p["c"] - p["b"][:, None]) / p["a"], NORMAL),
    }
    # The vector c has a batch axis without a plate, which models of continuous sites may have.
    check_prior(lambda: target_of(model), known)


def base():
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    numpyro.sample("x", dist.Normal(mu, 0.01))


@pytest.mark.parametrize(
    ("handle", "center", "sd"),
    [
        (lambda model: handlers.seed(model, 0), 0.0, 1.0),
        (lambda model: handlers.do(model, {"mu": 9.0}), 9.0, 0.01),
        (lambda model: handlers.condition(model, {"mu": 9.0}), 9.0, 0.01),
        # Inference ignores a substitution, and so do the draws.
        (lambda model: handlers.substitute(model, {"mu": 9.0}), 0.0, 1.0),
    ],
    ids=["seed", "do", "condition", "substitute"],
)
def test_models_inside_handlers(handle, center, sd):
    cdf = stats.norm(center, np.hypot(sd, 0.01 * (sd == 1.0))).cdf
    check_prior(lambda: target_of(handle(base)), {"x": (value("x"), cdf)})


def test_a_prior_that_fails_gives_rows_of_nan():
    class Broken(dist.Distribution):
        support = constraints.real

        def sample(self, key, sample_shape=()):
            raise RuntimeError("no draws today")

        def log_prob(self, value):
            return -0.5 * value**2

    target = target_of(lambda: numpyro.sample("x", Broken()))
    assert np.isnan(target.prior_positions(np.random.default_rng(0), 3)).all()
    assert np.isfinite(target.evaluate(np.zeros(1))[0])


@pytest.mark.long
def test_the_program_is_compiled_at_the_first_call_and_shared():
    def model(y, scale):
        mu = numpyro.sample("mu", dist.Normal(0, scale[0]))
        numpyro.sample("y", dist.Normal(mu, 1), obs=y)

    first = target_of(model, np.zeros(3), np.array([1.0]))
    first.prepare()
    assert first.num_programs() == 2
    before = first.prior_positions(np.random.default_rng(0), 100)
    assert first.num_programs() == 3
    second = target_of(model, np.ones(3), np.array([10.0]))
    after = second.prior_positions(np.random.default_rng(0), 100)
    assert second.num_programs() == 3
    # The scale is an input of the program.
    np.testing.assert_allclose(after, 10 * before, rtol=1e-12)
    # A row does not depend on the number of rows.
    np.testing.assert_array_equal(second.prior_positions(np.random.default_rng(0), 7), after[:7])


def test_hyperparameters_change_the_prior():
    def model():
        scale = numpyro.param("scale", 1.0, constraint=constraints.positive)
        numpyro.sample("x", dist.Normal(0, scale))

    target = target_of(model)
    fields = target.hyperparameters(None).bind({"scale": np.array(10.0)})
    changed = dataclasses.replace(target, **fields)
    np.testing.assert_allclose(
        changed.prior_positions(np.random.default_rng(0), 50),
        10 * target.prior_positions(np.random.default_rng(0), 50),
        rtol=1e-12,
    )


@pytest.mark.long
def test_the_draws_keep_the_model_alive_and_no_longer():
    def model():
        numpyro.sample("x", dist.Normal(0, 1))

    reference = weakref.ref(model)
    draw = target_of(model).prior_positions
    del model
    gc.collect()
    assert np.isfinite(draw(np.random.default_rng(0), 3)).all()
    del draw
    gc.collect()
    assert reference() is None

"""The NumPyro adapter: recognized models, rejected models, and compiled programs that are kept."""

import functools
import gc
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

pytestmark = pytest.mark.numpyro
numpyro = pytest.importorskip("numpyro")

import numpyro.distributions as dist  # noqa: E402
from numpyro import handlers  # noqa: E402
from numpyro.infer import util  # noqa: E402

import isogmm_numpyro._target as implementation  # noqa: E402
from helpers.numpyro_models import (  # noqa: E402
    COUNTS,
    GROUP,
    X,
    Y,
    centered,
    control_flow_on_data,
    full,
    hierarchy,
    random_positions,
    regression,
    subsampled,
    with_params,
)
from helpers.posteriors import some_of  # noqa: E402
from isogmm.errors import FitWarning, MissingPackageError, ModelError  # noqa: E402
from isogmm.model.programs.precision import in_precision  # noqa: E402
from isogmm_numpyro import NumPyroAdapter  # noqa: E402


def target_of(model, *args, **kwargs):
    return NumPyroAdapter().to_target(model, args, kwargs, 0)


def use(target):
    """Evaluate every program of a target once."""
    points = random_positions(target.dim)
    target.evaluate(points[0])
    target.constrain(points, 0)
    return target.evaluate(points)


def test_recognizes_plain_callables_only():
    adapter = NumPyroAdapter()
    conditioned = handlers.condition(centered, data={"tau": 1.0})
    for model in (centered, lambda: None, functools.partial(centered, Y), conditioned):
        assert adapter.recognizes(model)
    foreign = type("Model", (), {"__module__": "pymc.model.core", "__call__": lambda self: None})
    for thing in (None, 3, "model", Y, dist.Normal, foreign()):
        assert not adapter.recognizes(thing)


@pytest.mark.long
def test_recognizing_does_not_import_numpyro():
    code = (
        "import sys; from isogmm_numpyro import NumPyroAdapter; "
        "assert NumPyroAdapter().recognizes(lambda: 0); assert 'numpyro' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.long
def test_programs_are_shared_by_data_of_equal_shapes(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("initialize_model was called")

    monkeypatch.setattr(util, "initialize_model", refuse)
    monkeypatch.setattr(numpyro.infer.hmc, "initialize_model", refuse)

    def model(y, sigma=1.0):
        hierarchy(y, sigma)

    first = target_of(model, Y)
    assert first.num_programs() == 0
    first_values, _ = use(first)
    assert first.num_programs() == 2
    second = target_of(model, 2 * Y)
    second_values, _ = use(second)
    assert second.num_programs() == 2
    assert (first_values != second_values).all()
    np.testing.assert_array_equal(second.observed_data["results"], 2 * Y)
    energy = jax.jit(lambda z: util.potential_energy(hierarchy, (2 * Y,), {}, z))
    expected = [-energy(second.unravel(point)) for point in random_positions(second.dim)]
    np.testing.assert_allclose(second_values, expected, rtol=1e-12)
    # Other shapes and other constant arguments need other programs.
    assert target_of(model, Y[:5]).num_programs() == 0
    assert target_of(model, Y, sigma=2.0).num_programs() == 0


@pytest.mark.long
def test_prepare_compiles_the_programs_of_evaluate():
    target = target_of(lambda y: centered(y), Y)
    target.prepare()
    assert target.num_programs() == 2
    assert np.isfinite(use(target)[0]).all()
    assert target.num_programs() == 2


@pytest.mark.long
def test_changed_globals_give_new_programs():
    shift = {"by": 1.0, "rows": np.arange(3.0)}

    def model():
        mu = numpyro.sample("mu", dist.Normal(shift["by"], 1.0))
        numpyro.sample("y", dist.Normal(mu, 1.0).expand([3]), obs=shift["rows"])

    before, _ = use(target_of(model))
    shift["by"] = 2.0
    middle, _ = use(target_of(model))
    shift["rows"][1] = 7.0
    changed = target_of(model)
    after, _ = use(changed)
    assert (before != middle).all()
    assert (middle != after).all()
    assert target_of(model).num_programs() == changed.num_programs() == 2


@pytest.mark.long
def test_programs_are_removed_with_the_model():
    def model(y):
        centered(y)

    use(target_of(model, Y))
    size = len(implementation._CACHE)
    assert model in implementation._CACHE
    del model
    jax.clear_caches()
    gc.collect()
    assert len(implementation._CACHE) < size


def test_number_of_kept_programs_is_bounded(monkeypatch):
    def model(y):
        centered(y)

    monkeypatch.setattr(implementation, "PROGRAMS_PER_MODEL", 2)
    for n in range(1, 4):
        target_of(model, Y[:n])
    assert len(implementation._CACHE[model]) == 2


@pytest.mark.long
def test_a_target_keeps_its_model_alive():
    target = target_of(functools.partial(hierarchy, sigma=2.0), Y)
    gc.collect()
    assert np.isfinite(use(target)[0]).all()


@pytest.mark.long
def test_methods_share_programs():
    class Study:
        def model(self, y):
            centered(y)

    study = Study()
    use(target_of(study.model, Y))
    assert target_of(study.model, Y).num_programs() == 2


@pytest.mark.long
def test_only_integer_arrays_become_constants_if_that_suffices():
    def model(y, group):
        with numpyro.plate("levels", len(np.unique(group))):
            level = numpyro.sample("level", dist.Normal(0, 1))
        numpyro.sample("y", dist.Normal(level[group], 1), obs=y)

    use(target_of(model, Y, GROUP))
    assert target_of(model, 3 * Y, GROUP).num_programs() == 2
    assert target_of(model, Y, GROUP % 2).num_programs() == 0
    with_values = target_of(control_flow_on_data, Y, GROUP, np.array([-1.0]))
    assert with_values.dim == 3


@pytest.mark.long
def test_subsampled_plates_have_all_rows():
    x = X[:, 0]
    part, whole = target_of(subsampled, x, Y), target_of(full, x, Y)
    for one, other in zip(use(part), use(whole), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
    np.testing.assert_array_equal(part.observed_data["y"], Y)


@pytest.mark.long
def test_a_subsample_given_as_data_is_scaled_up():
    def model(y):
        mu = numpyro.sample("mu", dist.Normal(0, 1))
        with numpyro.plate("rows", 120, subsample_size=12):
            numpyro.sample("y", dist.Normal(mu, 1), obs=y)

    with pytest.warns(FitWarning, match=r"'rows' \(12 of 120 rows\)"):
        target = target_of(model, Y)
    values, _ = use(target)
    mu = random_positions(1)[:, 0]
    expected = dist.Normal(0, 1).log_prob(mu) + 10 * dist.Normal(mu[:, None], 1).log_prob(Y).sum(1)
    np.testing.assert_allclose(values, expected, rtol=1e-12)


def test_param_sites_are_fixed_by_name_and_can_be_replaced():
    target = target_of(with_params, Y)
    assert list(target.variables) == ["theta"]
    (compiled,) = implementation._CACHE[with_params].values()
    point = random_positions(2)[0]
    params = {"scale": np.float64(3.0), "shift": np.zeros(2)}
    bound = compiled.programs.bind({"arrays": [Y], "params": params})
    value, _ = bound["evaluate_point"](point)
    expected = -util.potential_energy(
        handlers.substitute(with_params, data=params), (Y,), {}, {"theta": jnp.asarray(point)}
    )
    np.testing.assert_allclose(value, expected, rtol=1e-12)

    def random_start(y):
        width = numpyro.param("width", lambda key: jnp.exp(jax.random.normal(key)))
        numpyro.sample("y", dist.Normal(numpyro.sample("mu", dist.Normal(0, width)), 1), obs=y)

    np.testing.assert_array_equal(
        use(target_of(random_start, Y))[0], use(target_of(random_start, Y))[0]
    )


def test_latent_directions_are_reparameterized():
    def model():
        numpyro.sample("direction", dist.ProjectedNormal(jnp.array([1.0, 0.0, 2.0])))

    target = target_of(model)
    assert dict(target.variables) == {"direction_normal": (3,)}
    posterior = target.constrain(random_positions(3), 0)["posterior"]
    np.testing.assert_allclose(np.linalg.norm(posterior["direction"], axis=-1), 1.0)


def test_missing_values_are_imputed():
    """``obs_mask``: the same density as with one latent site for the missing values alone."""
    y, known = np.where(GROUP == 1, np.nan, Y), GROUP != 1

    def model(y, known):
        mu = numpyro.sample("mu", dist.Normal(0, 5))
        with numpyro.plate("rows", len(y)):
            numpyro.sample("y", dist.Normal(mu, 2.0), obs=y, obs_mask=known)

    target = target_of(model, y, known)
    assert dict(target.variables) == {"mu": (), "y_unobserved": (12,)}
    points = random_positions(target.dim)
    values, _ = use(target)
    mu, entries = points[:, :1], points[:, 1:]
    filled = np.where(known, Y, entries)
    expected = dist.Normal(0, 5).log_prob(mu[:, 0]) + dist.Normal(mu, 2).log_prob(filled).sum(1)
    # The entries at observed positions have their prior, which integrates to one.
    expected += (dist.Normal(mu, 2).log_prob(entries) * known).sum(1)
    np.testing.assert_allclose(values, expected, rtol=1e-12)
    np.testing.assert_allclose(target.constrain(points, 0)["posterior"]["y"], filled, rtol=1e-12)


@pytest.mark.long
def test_the_precision_of_the_user_is_used():
    with in_precision(False):
        target = target_of(lambda y: centered(y), Y)
        value, gradient = target.evaluate_point(random_positions(target.dim)[0])
        assert value.dtype == gradient.dtype == np.float32
    assert target_of(lambda y: centered(y), Y).evaluate_point(np.zeros(14))[0].dtype == np.float64


def branching(y):
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    if mu > 0:
        numpyro.sample("extra", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(mu, 1), obs=y)


def twice(y):
    numpyro.sample("mu", dist.Normal(0, 1))
    numpyro.sample("mu", dist.Normal(0, 1), obs=y)


def poisson_latent(y):
    rate = numpyro.sample("rate", dist.Gamma(1, 1))
    hidden = numpyro.sample("hidden", dist.Poisson(rate))
    numpyro.sample("y", dist.Normal(hidden, 1), obs=y)


def sequential(y):
    p = numpyro.sample("p", dist.Beta(1, 1))
    side = numpyro.sample("side", dist.Bernoulli(p), infer={"enumerate": "sequential"})
    numpyro.sample("y", dist.Normal(side, 1), obs=y)


def without_plate(y):
    p = numpyro.sample("p", dist.Beta(1, 1))
    side = numpyro.sample("side", dist.Bernoulli(p).expand([12]))
    numpyro.sample("y", dist.Normal(side, 1), obs=y)


def delta(y):
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    numpyro.sample("copy", dist.Delta(mu))


def on_a_sphere():
    constraint = dist.constraints.sphere
    numpyro.sample("direction", dist.ImproperUniform(constraint, (), (3,)))


def colliding(y):
    numpyro.sample("a/b", dist.Normal(0, 1))
    numpyro.sample("a.b", dist.Normal(0, 1))


def colliding_with_a_deterministic_site(y):
    x = numpyro.sample("a/b", dist.Normal(0, 1))
    numpyro.deterministic("a.b", 2 * x)


def only_data(y):
    numpyro.sample("y", dist.Normal(0, 1), obs=y)


REFUSED = {
    "missing argument": (hierarchy, (), {}, "missing a required argument: 'y'"),
    "unknown argument": (hierarchy, (Y,), {"tau": 1}, "unexpected keyword argument 'tau'"),
    "keyword only": (regression, (X, Y), {"group": GROUP}, "'scales'"),
    "no parameter": (
        only_data,
        (Y,),
        {},
        "no free continuous parameter .only the .* sites y",
    ),
    "no model": (lambda x: x @ x, (Y,), {}, "no numpyro.sample statement.*isogmm.LogDensity"),
    "nan": (hierarchy, (np.where(GROUP == 1, np.nan, Y),), {}, "'results' contain 4 NaN among 12"),
    "branching": (branching, (Y,), {}, "structure is dynamic.*jax.lax.cond"),
    "same name": (twice, (Y,), {}, "same name.*mu"),
    "poisson latent": (poisson_latent, (Y,), {}, "'hidden' .Poisson, .*Sum them out by hand"),
    "sequential": (sequential, (Y,), {}, "'side' .marked infer=..enumerate.: 'sequential'"),
    "missing plate": (without_plate, (Y,), {}, "'side' has shape .12,. but no plate"),
    "delta": (delta, (Y,), {}, "'copy' has a Delta distribution.*numpyro.deterministic"),
    "sphere": (on_a_sphere, (), {}, "'direction' .*ProjectedNormal"),
    "slash": (colliding, (Y,), {}, "'a/b' and 'a.b' would both be called"),
    "deterministic": (colliding_with_a_deterministic_site, (Y,), {}, "would both be called 'a.b'"),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_models_that_cannot_be_fitted_are_rejected_with_a_reason(case):
    model, args, kwargs, message = REFUSED[case]
    with pytest.raises(ModelError, match=message):
        target_of(model, *args, **kwargs)


def test_missing_funsor_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "funsor", None)

    def model(y):
        p = numpyro.sample("p", dist.Beta(1, 1))
        side = numpyro.sample("side", dist.Bernoulli(p))
        numpyro.sample("y", dist.Normal(side, 1), obs=y)

    with pytest.raises(MissingPackageError, match=r'funsor.*pip install "\.\[numpyro\]"'):
        target_of(model, Y)


def test_a_structure_that_changes_is_rejected():
    calls = []

    def model(y):
        calls.append(1)
        mu = numpyro.sample("mu", dist.Normal(0, 1))
        if len(calls) > 1:
            numpyro.sample("late", dist.Normal(0, 1), rng_key=jax.random.key(0))
        numpyro.sample("y", dist.Normal(mu, 1), obs=y)

    with pytest.raises(ModelError, match="'late' are missing in some calls"):
        target_of(model, Y).evaluate(np.zeros(1))


def test_errors_of_the_model_itself_are_passed_on():
    def model(y):
        mu = numpyro.sample("mu", dist.Normal(0, 1))
        numpyro.sample("y", dist.Normal(mu, 1), obs=y @ COUNTS[:3])

    with pytest.raises(TypeError, match=r"dot_general|matmul"):
        target_of(model, Y)


DEVELOPMENT = Path(__file__).resolve().parents[3] / "shared" / "posteriordb_dev"


def development_names():
    if not (DEVELOPMENT / "__init__.py").exists():
        return []
    if str(DEVELOPMENT.parent) not in sys.path:
        sys.path.append(str(DEVELOPMENT.parent))
    from posteriordb_dev import names

    return names()


@pytest.mark.long
@pytest.mark.skipif(not development_names(), reason="the development posteriors are not available")
@pytest.mark.parametrize("name", some_of(development_names()) or ["none"])
def test_development_posteriors(name):
    from posteriordb_dev import load

    posterior = load(name)
    model, kwargs = posterior.numpyro_model, posterior.numpyro_kwargs
    target = target_of(model, **kwargs)
    assert target.dim == posterior.dim
    # Positions near the origin: some of these models overflow far from it.
    points = 0.25 * random_positions(target.dim, n=2)
    reference = jax.jit(
        jax.vmap(jax.value_and_grad(lambda z: util.potential_energy(model, (), kwargs, z)))
    )
    energies, slopes = reference(target.unravel(points))
    values, gradients = target.evaluate(points)
    expected = np.concatenate(
        [np.asarray(slopes[n]).reshape(len(points), -1) for n in target.variables], axis=1
    )
    scale = np.abs(expected).max()
    np.testing.assert_allclose(values, -np.asarray(energies), rtol=1e-10)
    np.testing.assert_allclose(gradients, -expected, rtol=1e-8, atol=1e-10 * scale)
    posterior_group = target.constrain(points, 0)["posterior"]
    assert set(posterior.variables) <= posterior_group.keys()

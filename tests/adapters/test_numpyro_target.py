"""Targets of NumPyro models compared with NumPyro's own functions."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

pytestmark = [
    pytest.mark.numpyro,
    pytest.mark.filterwarnings("ignore:.*cannot be drawn afterwards:isogmm.errors.FitWarning"),
]
numpyro = pytest.importorskip("numpyro")

import numpyro.distributions as dist  # noqa: E402
from numpyro.contrib.control_flow import scan  # noqa: E402
from numpyro.infer import util  # noqa: E402

from helpers.numpyro_models import BY_HAND, CASES, random_positions  # noqa: E402
from isogmm.errors import FitWarning, ModelError  # noqa: E402
from isogmm_numpyro import NumPyroAdapter  # noqa: E402

#: Models whose programs take seconds to compile.  The transforms of their sites are NumPyro's.
COSTLY = ("supports", "improper", "multivariate", "hidden_markov")


def names_of(*, discrete=(False, True)):
    """Names of the cases; those in ``COSTLY`` are marked as long."""
    names = [name for name, case in CASES.items() if case.discrete in discrete]
    return [pytest.param(n, marks=pytest.mark.long) if n in COSTLY else n for n in names]


CONTINUOUS, DISCRETE = names_of(discrete=(False,)), names_of(discrete=(True,))


@functools.cache
def target_of(name):
    """A case and its target, whose programs are compiled once for all tests."""
    case = CASES[name]
    return case, NumPyroAdapter().to_target(case.model, case.args, case.kwargs, 0)


def original(values):
    """Values under the names of the model; the result has a dot in place of a slash."""
    return {name.replace(".", "/"): value for name, value in values.items()}


def assert_same_density(target, potential):
    points = random_positions(target.dim)
    reference = jax.jit(jax.vmap(jax.value_and_grad(potential)))
    energies, slopes = reference(original(target.unravel(points)))
    expected = np.concatenate(
        [np.asarray(slopes[n]).reshape(len(points), -1) for n in original(target.variables)], axis=1
    )
    values, gradients = target.evaluate(points)
    assert np.isfinite(values).all()
    np.testing.assert_allclose(values, -np.asarray(energies), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(gradients, -expected, rtol=1e-10, atol=1e-10)
    one_value, one_gradient = target.evaluate(points[0])
    np.testing.assert_allclose(one_value, values[0], rtol=1e-12)
    np.testing.assert_allclose(one_gradient, gradients[0], rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_density_equals_potential_energy(name):
    case, target = target_of(name)
    assert_same_density(
        target, lambda z: util.potential_energy(case.model, case.args, case.kwargs, z)
    )


@pytest.mark.parametrize("name", DISCRETE)
def test_enumerated_density_equals_the_sum_written_by_hand(name):
    case, target = target_of(name)
    assert_same_density(target, lambda z: util.potential_energy(BY_HAND[name], case.args, {}, z))


@pytest.mark.parametrize("name", CONTINUOUS)
def test_generated_values_equal_numpyros(name):
    case, target = target_of(name)
    points = random_positions(target.dim)
    groups = target.constrain(points, 0)

    def reference(unconstrained):
        values = util.constrain_fn(
            case.model, case.args, case.kwargs, unconstrained, return_deterministic=True
        )
        latent = {site: values[site] for site in unconstrained}
        joint, _ = util.compute_log_probs(
            case.model, case.args, case.kwargs, latent, sum_log_prob=False
        )
        one = jax.tree.map(lambda value: value[None], latent)
        likelihood = numpyro.infer.log_likelihood(case.model, one, *case.args, **case.kwargs)
        likelihood = {site: value[0] for site, value in likelihood.items()}
        return values, {site: joint[site] for site in latent}, likelihood

    values, prior, likelihood = jax.jit(jax.vmap(reference))(original(target.unravel(points)))
    assert_same_values(groups["posterior"], values)
    assert_same_values(groups["log_prior"], prior)
    assert groups["log_prior"].keys() == target.variables.keys()
    observed = {site: v for site, v in likelihood.items() if site in target.observed_data}
    assert_same_values(groups["log_likelihood"], observed)
    # The target leaves out the factor statements.
    assert all("prior" in site or "factor" in site for site in likelihood.keys() - observed.keys())


def assert_same_values(found, expected):
    found = original(found)
    assert found.keys() == expected.keys()
    for site, value in expected.items():
        np.testing.assert_allclose(found[site], value, rtol=1e-10, atol=1e-12, err_msg=site)


@pytest.mark.parametrize("name", names_of())
def test_every_axis_has_one_name_of_its_length(name):
    _, target = target_of(name)
    groups = target.constrain(random_positions(target.dim), 0)
    shapes = {n: v.shape[1:] for n, v in groups["posterior"].items()}
    shapes |= {n: np.shape(v) for n, v in target.observed_data.items()}
    assert target.dims.keys() >= shapes.keys()
    lengths = {}
    for variable, names in ((n, target.dims[n]) for n in shapes):
        assert len(names) == len(set(names)) == len(shapes[variable])
        for axis, size in zip(names, shapes[variable], strict=True):
            assert lengths.setdefault(axis, size) == size
            assert size == len(target.coords.get(axis, range(size)))
    for variable, shape in target.variables.items():
        names = target.unconstrained_dims.get(variable, target.dims[variable])
        assert len(names) == len(shape)
        assert all(lengths.get(a, s) == s for a, s in zip(names, shape, strict=True))


@pytest.mark.long
def test_names_of_axes():
    _, target = target_of("two_plates")
    assert target.dims["row"] == ["rows", "row_dim_1"]
    assert target.dims["cell"] == target.dims["table"] == ["rows", "columns"]
    assert target.coords == {"rows": [0, 1, 2, 3], "columns": [0, 1, 2]}
    _, target = target_of("multivariate")
    assert target.dims["effect"] == ["unit", "coefficient"]
    _, target = target_of("time_series")
    assert target.dims["level"] == ["level_dim_0"]


def test_starting_points_are_uniform_and_reproducible():
    _, target = target_of("hierarchy")
    positions = target.initial_positions(np.random.default_rng(3), 500)
    assert positions.shape == (500, target.dim)
    assert np.abs(positions).max() < 2
    # The mean of 500 x 14 uniform numbers has a standard error of 2 / sqrt(3 * 7000).
    assert abs(positions.mean()) < 5 * 2 / np.sqrt(3 * positions.size)
    again = target.initial_positions(np.random.default_rng(3), 500)
    np.testing.assert_array_equal(positions, again)


def test_data_groups():
    _, target = target_of("regression")
    assert target.library == "numpyro"
    assert target.library_version == numpyro.__version__
    np.testing.assert_array_equal(target.observed_data["y"], CASES["regression"].args[1])
    assert target.constant_data.keys() == {"x", "group"}
    _, target = target_of("time_series")
    np.testing.assert_array_equal(target.observed_data["y"], CASES["time_series"].args[0])


def test_discrete_draws_follow_their_conditional_distribution():
    case, target = target_of("mixture")
    point = random_positions(target.dim, n=1)
    n = 4000
    groups = target.constrain(np.repeat(point, n, axis=0), 7)
    weight, means = (groups["posterior"][name][0] for name in ("weight", "means"))
    y = case.args[0]
    mass = weight * np.exp(-0.5 * (y[:, None] - means) ** 2)
    mass /= mass.sum(1, keepdims=True)
    member = groups["posterior"]["member"]
    assert member.shape == (n, len(y))
    frequency = (member[..., None] == np.arange(3)).mean(0)
    standard_error = np.sqrt(mass * (1 - mass) / n)
    assert (np.abs(frequency - mass) < 5 * standard_error + 1e-3).all()
    np.testing.assert_allclose(groups["posterior"]["mean_of_row"], means[member])
    expected = -0.5 * (y - means[member]) ** 2 - 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(groups["log_likelihood"]["y"], expected, rtol=1e-10)


@pytest.mark.long
def test_scanned_discrete_sites_are_summed_out_but_not_drawn():
    case = CASES["hidden_markov"]
    with pytest.warns(FitWarning, match="state are summed out exactly.*depend on them \\(y\\)"):
        target = NumPyroAdapter().to_target(case.model, case.args, case.kwargs, 0)
    groups = target.constrain(random_positions(target.dim), 0)
    assert groups["posterior"].keys() == {"stay", "means", "move"}
    np.testing.assert_allclose(groups["posterior"]["move"].sum(-1), 1.0)
    assert groups["log_likelihood"] == {}
    assert groups["log_prior"].keys() == {"stay", "means"}


def levels_with_states(y):
    """A scan with a level at each step, and a state that is summed out."""

    def transition(state, y_now):
        level = numpyro.sample("level", dist.Normal(0, 2))
        high = numpyro.deterministic("high", level + 1)
        state = numpyro.sample(
            "state", dist.Bernoulli(0.2 + 0.5 * state), infer={"enumerate": "parallel"}
        )
        shown = numpyro.deterministic("shown", high + state)
        numpyro.sample("y", dist.Normal(shown, 1), obs=y_now)
        return state, None

    scan(transition, jnp.zeros((), int), y)


def test_a_scan_returns_its_variables_that_do_not_depend_on_a_discrete_site():
    with pytest.warns(FitWarning, match="depend on them \\(shown, y\\)"):
        target = NumPyroAdapter().to_target(levels_with_states, (np.zeros(3),), {}, 0)
    point = random_positions(target.dim, n=1)
    groups = target.constrain(point, 0)
    assert groups["posterior"].keys() == {"level", "high"}
    np.testing.assert_allclose(groups["posterior"]["level"], point)
    np.testing.assert_allclose(groups["posterior"]["high"], point + 1)


def scan_of_units(y):
    def transition(state, y_now):
        p = numpyro.sample("p", dist.Uniform(0.0, 1.0))
        with numpyro.plate("unit", 3):
            state = numpyro.sample("state", dist.Bernoulli(p), infer={"enumerate": "parallel"})
            numpyro.sample("y", dist.Normal(1.0 * state, 1), obs=y_now)
        return state, None

    scan(transition, jnp.zeros(3, int), y)


def test_discrete_sites_that_numpyro_cannot_sum_out_beside_a_continuous_one_in_a_scan():
    with pytest.raises(ModelError, match=r"sum out .* state .*sites of the scan \(p\) before it"):
        NumPyroAdapter().to_target(scan_of_units, (np.zeros((4, 3)),), {}, 0)

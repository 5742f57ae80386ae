"""Functions of a NumPyro model without compilation, compared with NumPyro's own and by hand."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

pytestmark = pytest.mark.numpyro
numpyro = pytest.importorskip("numpyro")

import numpyro.distributions as dist  # noqa: E402
from numpyro import handlers  # noqa: E402
from numpyro.contrib.control_flow import scan  # noqa: E402
from numpyro.infer.util import potential_energy  # noqa: E402

from isogmm.errors import FitWarning, ModelError  # noqa: E402
from isogmm_numpyro import NumPyroAdapter  # noqa: E402
from isogmm_numpyro._fingerprint import Fingerprint  # noqa: E402
from isogmm_numpyro._reading.dims import DimensionNames  # noqa: E402
from isogmm_numpyro._reading.read import read_model  # noqa: E402
from isogmm_numpyro._target import _programs  # noqa: E402

Y = np.array([0.5, -1.0, 2.0, 0.1])


def functions_of(model, *args):
    """What is read from a model, and its functions."""
    read = read_model(model, args, {})
    return read, read.functions(lambda: model)


def mu():
    return numpyro.sample("mu", dist.Normal(0, 1))


def masked_and_called_unobserved(y):
    """A name with which NumPyro marks imputed values, without ``obs_mask``."""
    with handlers.mask(mask=False):
        rate = numpyro.sample("rate_unobserved", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(mu() + rate, 1), obs=y)


def repeated(y):
    level = numpyro.sample("level", dist.Normal(0, 1), sample_shape=(2,))
    numpyro.sample("y", dist.Normal(level.sum(), 1), obs=y)


def observed_direction(y):
    numpyro.sample("direction", dist.ProjectedNormal(mu() * jnp.ones(2)), obs=jnp.array([0.6, 0.8]))


def seeded(y):
    """The noise is that of the user's seed."""
    noise = jax.random.normal(numpyro.prng_key(), (4,))
    numpyro.sample("y", dist.Normal(mu() + noise, 1), obs=y)


@pytest.mark.parametrize(
    "model",
    [masked_and_called_unobserved, repeated, observed_direction, handlers.seed(seeded, 7)],
)
def test_the_log_density_is_that_of_numpyro(model):
    read, functions = functions_of(model, Y)
    position = jnp.array([0.3, -0.7])[: read.sites.dim]
    expected = -potential_energy(model, (Y,), {}, functions.unravel(position))
    np.testing.assert_allclose(functions.log_density(position, read.data), expected, rtol=1e-12)


def test_the_density_of_a_simplex_is_exact_where_a_share_is_clipped():
    read, functions = functions_of(lambda: numpyro.sample("x", dist.Dirichlet(jnp.ones(3))))
    position = jnp.array([-800.0, 0.3])
    u = position - jnp.log(jnp.array([2.0, 1.0]))
    # The shares are s(u_1) and (1 - s(u_1)) s(u_2) with the logistic function s.
    own = jax.nn.log_sigmoid(u) + jax.nn.log_sigmoid(-u)
    expected = jnp.log(2.0) + own.sum() + jax.nn.log_sigmoid(-u[0])
    np.testing.assert_allclose(functions.log_density(position, read.data), expected, rtol=1e-12)


def test_whole_events_are_imputed():
    def model(y):
        known = np.array([True, False])
        fn = dist.Normal(mu(), 1).expand([2, 2]).to_event(1)
        numpyro.sample("y", fn, obs=y.reshape(2, 2), obs_mask=known)

    read, functions = functions_of(model, Y)
    groups = functions.generate(jnp.zeros(5), jax.random.key(0), read.data)
    assert groups["log_prior"]["y_unobserved"].shape == (2,)


def test_a_plate_with_a_random_subsample_has_all_rows():
    def model(y):
        with numpyro.plate("rows", 4, subsample_size=2) as rows:
            local = numpyro.sample("local", dist.Normal(0, 1))
            numpyro.sample("y", dist.Normal(local, 1), obs=y[rows])

    read, functions = functions_of(model, Y)
    assert read.sites.shapes == {"local": (4,)}
    np.testing.assert_array_equal(read.values.observed["y"], Y)
    position = jnp.arange(4.0)
    expected = dist.Normal(0, 1).log_prob(position) + dist.Normal(position, 1).log_prob(Y)
    value = functions.log_density(position, read.data)
    np.testing.assert_allclose(value, expected.sum(), rtol=1e-12)


def test_a_latent_site_that_disappears():
    calls = []

    def model(y):
        calls.append(1)
        if len(calls) == 1:
            numpyro.sample("early", dist.Normal(0, 1))
        numpyro.sample("y", dist.Normal(mu(), 1), obs=y)

    read, functions = functions_of(model, Y)
    assert list(read.sites.free) == ["early", "mu"]
    with pytest.raises(ModelError, match="'early' are missing in some calls"):
        functions.log_density(jnp.zeros(2), read.data)


def test_observed_data_are_no_constant_data():
    def model(x, values):
        numpyro.sample("y", dist.Normal(mu() * x, 1), obs=values)

    labels = functions_of(model, Y, 2 * Y)[0].labels()
    assert labels.constant_data.keys() == {"x"}
    np.testing.assert_array_equal(labels.observed_data["y"], 2 * Y)


def test_other_arguments_have_the_same_structure():
    read, _ = functions_of(masked_and_called_unobserved, Y)
    with pytest.raises(ModelError, match="pass all data in the same form"):
        read.inputs((Y,), {"z": Y})


# --- draws of the prior ---------------------------------------------------------------------------


def test_prior_draws_are_independent_and_in_the_order_of_the_coordinates():
    def model():
        numpyro.sample("b", dist.Normal(100, 1), sample_shape=(2,))
        numpyro.sample("a", dist.Normal(-100, 1), sample_shape=(2,))

    read, functions = functions_of(model)
    centers = np.array([100.0, 100.0, -100.0, -100.0])
    noise = functions.draw_prior(jnp.asarray(3), read.data) - centers
    assert np.abs(noise).max() < 10
    assert len(np.unique(np.round(noise, 6))) == 4


def test_each_prior_draw_has_its_own_steps_of_a_scan():
    def model(y):
        def step(level, y):
            level = numpyro.sample("level", dist.Normal(level, 1))
            numpyro.sample("y", dist.Normal(level, 1), obs=y)
            return level, None

        scan(step, 0.0, y)

    read, functions = functions_of(model, Y)
    draws = np.stack([functions.draw_prior(jnp.asarray(seed), read.data) for seed in (0, 1)])
    assert len(np.unique(np.round(np.diff(draws, prepend=0.0), 6))) == draws.size


# --- what depends on a discrete site --------------------------------------------------------------


def test_dependence_passes_from_step_to_step_of_a_scan():
    def model(y):
        def step(carry, y):
            state, before = carry
            shown = numpyro.deterministic("shown", 2.0 * before)
            now = numpyro.sample("state", dist.Bernoulli(0.5), infer={"enumerate": "parallel"})
            numpyro.sample("y", dist.Normal(level, 1), obs=y)
            numpyro.deterministic("other", level + y)
            return (now, state), shown

        level = mu()
        scan(step, (0, 0), y)

    with pytest.warns(FitWarning, match=r"depend on them \(shown\)"):
        read, _ = functions_of(model, Y)
    assert read.sites.discrete_dependents == {"state", "shown"}


# --- computations that can share programs ---------------------------------------------------------


def test_a_changed_constant_or_scale_changes_the_fingerprint():
    rows, state = np.arange(3.0), {"scale": 2.0, "inner": np.arange(3.0)}

    def model():
        x = mu()
        x = x + jax.jit(lambda x: x * jnp.asarray(state["inner"]))(x).sum()
        with handlers.scale(scale=state["scale"]):
            numpyro.sample("y", dist.Normal(x, 1.0), obs=rows)

    def fingerprint():
        return Fingerprint(functions_of(model)[0].jaxpr)

    before = fingerprint()
    assert before.matches(fingerprint())
    state["scale"] = 3.0
    scaled = fingerprint()
    assert not before.matches(scaled)
    rows[1] = 7.0
    with_rows = fingerprint()
    assert not scaled.matches(with_rows)
    state["inner"] = np.arange(3.0) + 1.0
    assert not with_rows.matches(fingerprint())


# --- labels beside plates -------------------------------------------------------------------------


def test_labels_are_enumerated_to_the_left_of_all_plates():
    """The only plate is the second one from the right."""

    def model(y):
        level = mu()
        with numpyro.plate("rows", 4, dim=-2):
            label = numpyro.sample("label", dist.Bernoulli(0.3), infer={"enumerate": "parallel"})
            numpyro.sample("y", dist.Normal(level + 3 * label, 1), obs=y[:, None])

    read, functions = functions_of(model, Y)
    position = jnp.array([0.4])
    of_label = jnp.stack([dist.Normal(0.4 + 3 * label, 1).log_prob(Y) for label in (0, 1)])
    mixed = jax.nn.logsumexp(of_label + jnp.log(jnp.array([[0.7], [0.3]])), axis=0)
    expected = dist.Normal(0, 1).log_prob(0.4) + mixed.sum()
    np.testing.assert_allclose(functions.log_density(position, read.data), expected, rtol=1e-12)


# --- names of the axes ----------------------------------------------------------------------------


def test_names_of_axes_come_from_plates_and_from_the_user():
    def model(y):
        with numpyro.plate("columns", 3, dim=-1), numpyro.plate("rows", 2, dim=-2):
            kind = {"infer": {"event_dims": ["kind"]}}
            share = numpyro.sample("share", dist.Dirichlet(jnp.ones(4)), **kind)
            cell = numpyro.deterministic("cell", share[..., 0])
            numpyro.sample("table", dist.Normal(cell, 1), obs=y)
        vector = dist.Normal(0, 1).expand([5]).to_event(1)
        numpyro.sample("other", vector, infer={"event_dims": ["columns"]})
        numpyro.sample("kept", vector, infer={"event_dims": ["chain"]})
        axes = {"event_dims": ["row", "column"]}
        numpyro.sample("matrix", dist.LKJCholesky(3), infer=axes)

    names = DimensionNames(functions_of(model, np.ones((2, 3)))[0].sites)
    assert names.dims == {
        "share": ["rows", "columns", "kind"],
        "other": ["other_dim_0"],  # the plate of this name has another length
        "kept": ["kept_dim_0"],  # the name of an axis of the result
        "matrix": ["row", "column"],
        "table": ["rows", "columns"],
        "cell": ["rows", "columns"],
    }
    assert names.unconstrained_dims == {
        "share": ["rows", "columns", "share_unconstrained_dim_2"],
        "matrix": ["matrix_unconstrained_dim_0"],
    }
    assert names.coords == {
        name: list(range(size))
        for name, size in {"rows": 2, "columns": 3, "kind": 4, "row": 3, "column": 3}.items()
    }


# --- hyperparameters ------------------------------------------------------------------------------


def test_hyperparameters_have_the_transforms_of_their_constraints():
    def model(y):
        scale = numpyro.param("scale", 0.5, constraint=dist.constraints.positive)
        shift = numpyro.param("shift", -2.0)
        numpyro.sample("y", dist.Normal(shift + mu(), scale), obs=y)

    found = NumPyroAdapter().to_target(model, (Y,), {}, 0).hyperparameters(None)
    assert found.values == {"scale": 0.5, "shift": -2.0}
    np.testing.assert_allclose(found.unconstrained["scale"], np.log(0.5), rtol=1e-12)
    assert found.unconstrained["shift"] == -2.0
    back = found.to_support({name: jnp.asarray(x) for name, x in found.unconstrained.items()})
    np.testing.assert_allclose(back["scale"], 0.5, rtol=1e-12)


# --- programs of equal objects --------------------------------------------------------------------


@dataclass(frozen=True)
class Study:
    width: float

    def model(self, y):
        numpyro.sample("y", dist.Normal(mu(), self.width), obs=y)


def test_an_equal_object_has_programs_of_its_own():
    """Programs are kept as long as the object whose model they compute."""
    first, second = Study(2.0), Study(2.0)
    programs, again, others = (
        _programs(study.model, read_model(study.model, (Y,), {}))[0]
        for study in (first, first, second)
    )
    assert again is programs
    assert others is not programs

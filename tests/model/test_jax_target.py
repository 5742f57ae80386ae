"""The compiled programs of a model: which there are, and how often each is compiled."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import isogmm
from isogmm.model.jax_target import PRIOR_ROWS, JaxPrograms

pytestmark = pytest.mark.usefixtures("unchecked", "short_search")

QUICK = {"random_seed": 0, "progressbar": False}


@pytest.fixture
def counted(monkeypatch):
    """Names of the programs that contain a model, as they are traced."""
    begun, begin = [], JaxPrograms._compilation

    def counting(self, name):
        before = self.num_programs
        result = begin(self, name)
        begun.extend([name] * (self.num_programs - before))
        return result

    monkeypatch.setattr(JaxPrograms, "_compilation", counting)
    return begun


def test_a_log_density_is_compiled_once(counted):
    model = isogmm.LogDensity(lambda x: -0.5 * jnp.sum(x**2), np.zeros(3), names="x")
    isogmm.fit_isogmm(model, **QUICK, draws=50)
    assert sorted(counted) == ["batch", "constrain"]
    isogmm.fit_isogmm(model, **QUICK, draws=80)
    assert len(counted) == 2


def test_where_batches_are_expensive_points_have_a_program_too(counted):
    x = np.random.default_rng(0).normal(size=(20_000, 2))

    def log_density(beta):
        return -0.5 * ((x @ beta - 1.0) ** 2).mean() - 0.5 * (beta**2).sum()

    target = isogmm.LogDensity(log_density, np.zeros(2)).to_target()
    target.prepare()
    assert sorted(counted) == ["batch", "constrain", "point"]
    assert target.few() == target.batch_size // 4
    values, _ = target.evaluate(np.zeros((target.few(), 2)))
    np.testing.assert_allclose(values, -0.5, rtol=1e-6)


@pytest.mark.long
@pytest.mark.numpyro
def test_a_numpyro_model_is_compiled_once(counted):
    from helpers.numpyro_models import hierarchy

    y = np.array([1.0, 3.0, -2.0, 0.5])
    options = {**QUICK, "draws": 50, "chains": 2, "num_components": 2, "max_iterations": 50}
    few = isogmm.Refine(max_gradients=1_000)
    with pytest.warns(isogmm.FitWarning):
        isogmm.fit_isogmm(hierarchy, y, **options, refine=few)
    assert len(counted) <= 3
    first = list(counted)
    # The other fits run no chains, which need no further program.
    for data in (y, y + 1.0):
        with pytest.warns(isogmm.FitWarning):
            isogmm.fit_isogmm(hierarchy, data, **options, refine=0)
    assert counted == first


def test_every_draw_has_its_own_random_numbers():
    """Draws of the prior, and random numbers of constrained draws, in two chunks."""
    programs = JaxPrograms(
        lambda x, data: -0.5 * jnp.sum(x**2),
        lambda x, key, data: {"posterior": {"noise": jax.random.normal(key)}},
        1,
        np.zeros(1),
        draw_prior=lambda seed, data: jax.random.normal(jax.random.key(seed), (1,)),
    )
    fields, count = programs.bind(np.zeros(1)), programs.constrain_size + 3
    noise = fields["constrain"](np.zeros((count, 1)), 5)["posterior"]["noise"]
    prior = fields["prior_positions"](np.random.default_rng(0), PRIOR_ROWS + 3)
    assert len(np.unique(noise)) == count
    assert len(np.unique(prior)) == PRIOR_ROWS + 3

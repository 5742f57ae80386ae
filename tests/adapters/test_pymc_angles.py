"""Latent angles of PyMC models, whose unconstrained density is periodic in PyMC."""

import numpy as np
import pytest

pm = pytest.importorskip("pymc")

from isogmm import fit_isogmm  # noqa: E402
from isogmm.inference_data import get_group  # noqa: E402
from isogmm_pymc import PyMCAdapter  # noqa: E402
from isogmm_pymc._graphs.angles import log_density_of  # noqa: E402

pytestmark = [pytest.mark.pymc, pytest.mark.stack]

#: Angles around 2.9, so that a part of the posterior of their mean is beyond a half turn.
Y = np.array([2.5, 2.8, -3.1, 3.0, 3.1])
KAPPA = 4.0


def angles():
    with pm.Model() as model:
        mean = pm.VonMises("mean", mu=0.5, kappa=1.0)
        pm.VonMises("y", mu=mean, kappa=KAPPA, observed=Y)
    return model


def test_the_values_of_one_angle_have_together_the_density_of_the_angle():
    model = angles()
    target = PyMCAdapter().to_target(model, (), {}, 0)
    angle = np.array([0.3, -2.0, 3.1])
    turns = 2 * np.pi * np.arange(-4, 5)
    values, gradients = target.evaluate((angle[:, None] + turns).reshape(-1, 1))
    density = model.compile_logp(mode="FAST_COMPILE")
    name = model.value_vars[0].name
    expected = [np.exp(density({name: each})) for each in angle]
    np.testing.assert_allclose(np.exp(values).reshape(3, -1).sum(1), expected, rtol=1e-9)
    assert np.isfinite(gradients).all()
    found = target.constrain(angle[:, None] + turns[3], 0)["posterior"]["mean"]
    np.testing.assert_allclose(found, angle)


def test_each_entry_of_a_vector_of_angles_has_a_weight():
    def density(shape):
        with pm.Model() as model:
            pm.VonMises("angle", mu=0.5, kappa=1.0, shape=shape)
        function = model.compile_fn(log_density_of(model), mode="FAST_COMPILE")
        return lambda value: function({model.value_vars[0].name: value})

    one, both = density(()), density((2,))
    np.testing.assert_allclose(both(np.array([2.0, 5.0])), one(2.0) + one(5.0), rtol=1e-12)


@pytest.mark.long  # fast: the densities above
@pytest.mark.usefixtures("unchecked", "short_search")
def test_fit_of_an_angle():
    idata = fit_isogmm(angles(), random_seed=0, progressbar=False)
    assert idata.attrs["verdict"] != "unreliable"
    draws = np.exp(1j * get_group(idata, "posterior")["mean"].values.ravel())
    # The posterior is von Mises: its concentration and mean are those of the sum of vectors.
    grid = np.exp(1j * np.linspace(-np.pi, np.pi, 1001)[:-1])
    total = np.exp(0.5j) + KAPPA * np.exp(1j * Y).sum()
    density = np.exp((grid * total.conj()).real - abs(total))
    exact = (grid * density).sum() / density.sum()
    # Five standard errors of 4,000 draws, whose effective number is at least a quarter of it.
    assert abs(draws.mean() - exact) < 5 * np.sqrt((1 - abs(exact) ** 2) / 1000)

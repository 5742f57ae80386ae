"""Run by test_sharding.py in a process with two devices: fits with data on both."""

import os
import warnings

# Added to the options of the test session, which make compilation cheaper; the last one counts.
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=2"
)

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import isogmm
from isogmm.model.to_target import to_target
from isogmm.model.workers.devices import divided_among

jax.config.update("jax_enable_x64", True)
warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
x = rng.normal(size=(100, 3))
y = x @ [1.0, -1.0, 0.5] + rng.normal(size=100)
mesh = Mesh(np.array(jax.devices()), ("rows",))
rows = NamedSharding(mesh, PartitionSpec("rows"))
x_sharded, y_sharded = jax.device_put(x, rows), jax.device_put(y, rows)


QUICK = {"random_seed": 0, "draws": 50, "chains": 2, "refine": 0, "progressbar": False}
# The search for modes is not tested here.
QUICK["init"] = isogmm.Locate(num_starts=4, num_evaluations=0, num_candidate_paths=1)


def model(x, y):
    beta = numpyro.sample("beta", dist.Normal(0, 2).expand([3]).to_event(1))
    numpyro.sample("y", dist.Normal(x @ beta, 1.0), obs=y)


def density(beta, data):
    return -0.5 * jnp.sum((data["y"] - data["x"] @ beta) ** 2) - 0.125 * jnp.sum(beta**2)


def check(model, args, sharded_args, fits=True):
    """The programs reduce over the devices, and values and a fit agree with one device."""
    one, two = (to_target(m, a, {}, 0) for m, a in ((model[0], args), (model[1], sharded_args)))
    points = rng.normal(size=(200, 3))
    for few, many in zip(one.evaluate(points), two.evaluate(points), strict=True):
        np.testing.assert_allclose(few, many, rtol=1e-12, atol=1e-12)
    result = two.evaluate_batch(np.zeros((two.batch_size, 3)))[0]
    assert len(result.sharding.device_set) == 2
    assert result.sharding.is_fully_replicated
    if not fits:
        return
    idata = isogmm.fit_isogmm(model[1], *sharded_args, **QUICK)
    beta = idata["posterior"][next(iter(idata["posterior"].data_vars))].values.reshape(-1, 3)
    covariance = np.linalg.inv(x.T @ x + np.eye(3) / 4)
    error = (beta.mean(axis=0) - covariance @ x.T @ y) / np.sqrt(np.diag(covariance))
    assert np.abs(error).max() < 5 / np.sqrt(len(beta))


check((model, model), (x, y), (x_sharded, y_sharded))
check((model, model), (x, y), (x_sharded, y), fits=False)
check(
    [
        isogmm.LogDensity(density, np.zeros(3), data=data)
        for data in ({"x": x, "y": y}, {"x": x_sharded, "y": y_sharded})
    ],
    (),
    (),
    fits=False,
)

# Every device has all data: the devices divide the points of a batch.  Both evaluate the same
# program for each point, so that the draws of a fit are the same as on one device.
everywhere = NamedSharding(mesh, PartitionSpec())
copies = tuple(jax.device_put(array, everywhere) for array in (x, y))
copied = isogmm.LogDensity(density, np.zeros(3), data=dict(zip("xy", copies, strict=True)))
divided = to_target(copied, (), {}, 0).evaluate_batch.__self__.programs.program("batch")
assert divided.input_shardings[0][0].spec == PartitionSpec(("rows",))
fits = [isogmm.fit_isogmm(model, *args, **QUICK) for args in ((x, y), copies)]
one, two = (each["posterior"]["beta"].values for each in fits)
np.testing.assert_allclose(one, two, rtol=1e-9)

# The option ``devices`` does the same for data on one device.
third = isogmm.fit_isogmm(model, x, y, devices=jax.devices(), **QUICK)["posterior"]["beta"].values
np.testing.assert_allclose(one, third, rtol=1e-9)
rows_of = divided_among(tuple(jax.devices()), to_target(model, (x, y), {}, 0)).evaluate_rows
_, gradients = rows_of._program.result()(rows_of._data, np.zeros((rows_of._size, 3)))
assert len(gradients.sharding.device_set) == 2
assert not gradients.sharding.is_fully_replicated
with pytest.raises(isogmm.OptionError, match="leave devices out"):
    divided_among(tuple(jax.devices()), to_target(model, copies, {}, 0))
print("done")

"""Run twice by test_sharding.py: two processes that share the data of a fit.

python shared_fit.py PROCESS PORT
"""

import os
import sys
import warnings

# pymc.sampling.jax asks for 100 devices, in the environment that this process inherits.  The last
# option counts; the others are those of the test session, which make compilation cheaper.
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=1"
)

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import isogmm

jax.config.update("jax_cpu_collectives_implementation", "gloo")
jax.config.update("jax_enable_x64", True)
process, port = int(sys.argv[1]), sys.argv[2]
jax.distributed.initialize(f"127.0.0.1:{port}", 2, process)

warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
x = rng.normal(size=(100, 3))
y = x @ [1.0, -1.0, 0.5] + rng.normal(size=100)
rows = NamedSharding(Mesh(np.array(jax.devices()), ("rows",)), PartitionSpec("rows"))
x, y = (jax.make_array_from_callback(a.shape, rows, lambda i, a=a: a[i]) for a in (x, y))


def model(x, y):
    beta = numpyro.sample("beta", dist.Normal(0, 2).expand([3]).to_event(1))
    numpyro.sample("y", dist.Normal(x @ beta, 1.0), obs=y)


def density(beta, data):
    return -0.5 * jnp.sum((data["y"] - data["x"] @ beta) ** 2) - 0.125 * jnp.sum(beta**2)


# The search for modes is not tested here.
FEW = isogmm.Locate(num_starts=4, num_evaluations=0, num_candidate_paths=1)
OPTIONS = {"draws": 50, "chains": 2, "init": FEW, "progressbar": False}
log_density = isogmm.LogDensity(density, np.zeros(3), data={"x": x, "y": y})
fits = [
    # The seed comes from process 0, and so does the time limit, which ends the second fit.
    isogmm.fit_isogmm(model, x, y, refine=0, **OPTIONS),
    isogmm.fit_isogmm(log_density, max_seconds=0.05, **OPTIONS),
]
draws = [next(iter(idata["posterior"].data_vars.values())).values for idata in fits]
print(
    [float(values.sum()).hex() for values in draws], [idata.attrs["stop_reason"] for idata in fits]
)

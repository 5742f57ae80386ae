"""PyMC's samplers in JAX, in a process in which no fit has registered operations before."""

import subprocess
import sys
import textwrap

import pytest

pytest.importorskip("pymc")
pytest.importorskip("numpyro")

pytestmark = [pytest.mark.pymc, pytest.mark.usefixtures("unchecked")]

PROGRAM = """
    import warnings

    warnings.simplefilter("ignore")
    import jax
    import numpy as np
    import pymc as pm
    from pytensor.printing import Print

    import isogmm

    grid = np.linspace(-4, 4, 41)
    with pm.Model() as model:
        mu = pm.Interpolated("mu", grid, np.exp(-0.5 * grid**2))
        pm.TruncatedNormal("y", Print("mu")(mu), 1.0, lower=-1.0, observed=np.ones(5))

    def sample(nuts_sampler=None, **options):
        # What PyMC's samplers in JAX do first; the sampling itself takes half a minute.
        from pymc.sampling.jax import get_jaxified_logp

        point = [model.initial_point()[value.name] for value in model.value_vars]
        print(bool(np.isfinite(get_jaxified_logp(model)(point))))
        raise SystemExit

    pm.sample = sample
    isogmm.baselines.nuts(model, nuts_sampler="numpyro")
"""


@pytest.mark.long
def test_the_operations_of_the_adapter_are_registered():
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip().endswith("True")

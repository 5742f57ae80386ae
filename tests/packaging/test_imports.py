"""``import isogmm`` is light: no language, no ArviZ, little time."""

import json
import statistics
import subprocess
import sys
from importlib.metadata import version

import pytest

HEAVY = {"numpyro", "pymc", "pytensor", "bambi", "arviz", "arviz_base", "matplotlib", "blackjax"}


def fresh(program: str) -> str:
    """What a program prints in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.stack
def test_import_loads_no_language_and_no_arviz():
    modules = "isogmm, isogmm.model.adapter, isogmm_numpyro, isogmm_pymc"
    program = f"import json, sys, {modules}; print(json.dumps(sorted(sys.modules)))"
    loaded = {name.partition(".")[0] for name in json.loads(fresh(program))}
    assert loaded & HEAVY == set()


@pytest.mark.long
@pytest.mark.stack
def test_a_fit_loads_only_what_it_needs():
    """Pictures, reports, files and languages load their packages when they are used."""
    program = (
        "import json, sys, warnings\n"
        "import jax.numpy as jnp, numpy as np, isogmm\n"
        "warnings.simplefilter('ignore')\n"
        "model = isogmm.LogDensity(lambda x: -0.5 * jnp.sum(x**2), np.zeros(2))\n"
        "isogmm.fit_isogmm(model, random_seed=0, draws=50, refine=0, progressbar=False)\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    loaded = set(json.loads(fresh(program)))
    # ArviZ 1 puts a placeholder for NumPyro there, which has no submodules yet.
    loaded = {name.replace("numpyro.distributions", "NumPyro").partition(".")[0] for name in loaded}
    needless = {"rich", "h5netcdf", "h5py", "netCDF4", "pymc", "pytensor", "NumPyro", "blackjax"}
    if int(version("arviz").partition(".")[0]) >= 1:
        needless.add("matplotlib")  # ArviZ 0.x imports it with itself
    assert loaded & needless == set()


@pytest.mark.long
def test_discovery_loads_no_language():
    program = (
        "import json, sys\n"
        "from isogmm.model.adapter import installed_adapters\n"
        "adapters = installed_adapters()\n"
        "print(json.dumps([sorted(adapters), sorted(sys.modules)]))"
    )
    adapters, loaded = json.loads(fresh(program))
    assert {"numpyro", "pymc"} <= set(adapters)
    assert {name.partition(".")[0] for name in loaded} & HEAVY == set()


@pytest.mark.long
def test_import_leaves_jax_as_it_was():
    program = (
        "import jax, os\n"
        "before = jax.config.jax_enable_x64, dict(os.environ)\n"
        "import isogmm, isogmm.model.adapter\n"
        "isogmm.model.adapter.installed_adapters()\n"
        "print(before == (jax.config.jax_enable_x64, dict(os.environ)))"
    )
    assert fresh(program).strip() == "True"


#: Of the processor time of ``import jax``.  Measured: ``import isogmm`` 0.001, rich's
#: console 0.03, ``isogmm.model.target`` 0.04, pandas 0.3, ``scipy.stats`` 1.2.
MAX_IMPORT_TIME = 0.01


@pytest.mark.long
def test_import_adds_at_most_a_hundredth_of_the_import_of_jax():
    # Processor time, relative to that of JAX in the same process: neither the speed of the machine
    # nor other work on it counts.
    program = (
        "import time\n"
        "begin = time.process_time()\n"
        "import jax\n"
        "middle = time.process_time()\n"
        "import isogmm\n"
        "print((time.process_time() - middle) / (middle - begin))"
    )
    assert statistics.median(float(fresh(program)) for _ in range(3)) <= MAX_IMPORT_TIME


def test_every_public_name_loads_and_is_documented():
    import isogmm

    assert sorted(set(isogmm.__all__)) == sorted(isogmm.__all__)
    bare = [
        name
        for name in isogmm.__all__
        if not name.startswith("__") and not (getattr(isogmm, name).__doc__ or "").strip()
    ]
    assert bare == []
    assert set(isogmm.__all__) <= set(dir(isogmm))


def test_an_unknown_name_is_an_attribute_error():
    import isogmm

    with pytest.raises(AttributeError, match="no_such_name"):
        isogmm.no_such_name  # noqa: B018 - the access is what is tested


@pytest.mark.float32
def test_precision_is_what_the_environment_asks_for():
    import os

    import jax.numpy as jnp

    expected = "float64" if os.environ["JAX_ENABLE_X64"] in ("1", "true", "True") else "float32"
    assert jnp.zeros(1).dtype == expected


@pytest.mark.float32
def test_a_target_works_in_the_precision_of_the_session():
    import jax.numpy as jnp
    import numpy as np

    from isogmm.model.functions.log_density import LogDensity

    center = np.array([1.0, -2.0, 0.5])
    model = LogDensity(
        lambda x: -0.5 * jnp.sum((x - jnp.asarray(center, x.dtype)) ** 2), np.zeros(3)
    )
    points = np.random.default_rng(3).normal(size=(5, 3))
    values, gradients = model.to_target().evaluate(points)
    # The optimization loop stays in double precision whatever the model runs in.
    assert values.dtype == gradients.dtype == np.float64
    tolerance = 1e-12 if jnp.zeros(1).dtype == "float64" else 1e-5
    np.testing.assert_allclose(gradients, center - points, atol=tolerance)
    np.testing.assert_allclose(values, -0.5 * ((points - center) ** 2).sum(1), atol=tolerance)

"""The PyMC forms of the hard models are the NumPyro ones."""

import numpy as np
import pytest

from benchmarks import models

BOTH = [name for name, model in models.MODELS.items() if model.build_pymc is not None]


@pytest.mark.numpyro
@pytest.mark.parametrize("name", models.names())
def test_dimension(name):
    import jax
    from numpyro.distributions import biject_to
    from numpyro.handlers import seed, substitute, trace
    from numpyro.infer import init_to_uniform

    model = models.load(name)
    sites = {}

    def run():
        # Improper sites cannot be drawn from; their value is only asked for its shape.
        seeded = substitute(seed(model.numpyro_model, 0), substitute_fn=init_to_uniform)
        sites.update(trace(seeded).get_trace(**model.numpyro_kwargs))
        return 0.0

    jax.eval_shape(run)
    size = 0
    for site in sites.values():
        if site["type"] == "sample" and not site["is_observed"]:
            shape = biject_to(site["fn"].support).inverse_shape(np.shape(site["value"]))
            size += int(np.prod(shape))
    assert size == model.dim
    assert set(model.variables) <= set(sites)


@pytest.mark.numpyro
@pytest.mark.pymc
@pytest.mark.long  # models of the benchmarks, which no other test needs to agree
@pytest.mark.parametrize("name", BOTH)
def test_pymc_and_numpyro_differ_by_a_constant(name):
    """log joint on the user's scale at draws of the reference: same differences."""
    from numpyro.infer.util import log_density

    model = models.load(name)
    pymc_model = model.pymc_model()
    log_joint = pymc_model.compile_logp(jacobian=False)
    values = {"numpyro": [], "pymc": []}
    for index in range(4):
        point = {key: value[index] for key, value in model.reference.draws.items()}
        numpyro_value, _ = log_density(model.numpyro_model, (), model.numpyro_kwargs, point)
        values["numpyro"].append(float(numpyro_value))
        transformed = {}
        for variable in pymc_model.free_RVs:
            value = np.asarray(point[variable.name], dtype=float)
            transform = pymc_model.rvs_to_transforms[variable]
            if transform is not None:
                inputs = variable.owner.inputs
                value = transform.forward(value, *inputs).eval()
            transformed[pymc_model.rvs_to_values[variable].name] = value
        values["pymc"].append(float(log_joint(transformed)))
    differences = np.subtract(values["numpyro"], values["pymc"])
    assert np.ptp(values["pymc"]) > 1.0
    assert np.ptp(differences) < 1e-6 * np.abs(values["pymc"]).max()

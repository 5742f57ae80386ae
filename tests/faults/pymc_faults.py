"""Faults of the adapter for PyMC."""

from fault import Fault

PYMC_FAULTS = [
    Fault(
        "PyMC: the form of softplus whose gradient is NaN for large values",
        "adapters/isogmm_pymc/_programs/jax_operations.py",
        "    dispatcher.register(Softplus)(lambda op, **_: jax.nn.softplus)\n",
        "",
        ("tests/adapters/test_pymc_gradients.py",),
    ),
]

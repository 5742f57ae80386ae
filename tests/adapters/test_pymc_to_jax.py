"""JAX forms of PyTensor's operations and constants, and checks of parameters in JAX."""

import numpy as np
import pytest
from scipy.interpolate import InterpolatedUnivariateSpline
from scipy.special import erfcinv, erfcx

pm = pytest.importorskip("pymc")

import pytensor.tensor as pt  # noqa: E402
from pymc.distributions.dist_math import SplineWrapper  # noqa: E402

from isogmm_pymc._programs.jax_operations import _positive_definite  # noqa: E402
from isogmm_pymc._programs.to_jax import _constant, jax_dispatcher, jaxify  # noqa: E402

pytestmark = [
    pytest.mark.pymc,
    # PyTensor warns about an operation that belongs to PyMC.
    pytest.mark.filterwarnings("ignore:SplineWrapper should implement:FutureWarning"),
]


@pytest.mark.parametrize("outside", ["extrapolate", "zeros", "const"])
def test_splines_equal_those_of_scipy(outside):
    knots = np.linspace(-1.0, 2.0, 8)
    spline = InterpolatedUnivariateSpline(knots, np.sin(3 * knots), ext=outside)
    points = np.concatenate([knots, np.linspace(-1.3, 2.3, 37)])
    found = jax_dispatcher()(SplineWrapper(spline))(points)
    np.testing.assert_allclose(found, spline(points), atol=1e-12)


def test_a_matrix_with_a_negative_eigenvalue_is_not_positive_definite():
    with pm.Model():
        operation = pm.Normal("x").owner.op
    is_positive_definite = _positive_definite(operation)
    assert is_positive_definite(np.array([[2.0, 1.0], [1.0, 2.0]]))
    assert not is_positive_definite(np.array([[1.0, 2.0], [2.0, 1.0]]))


def test_the_scaled_error_function_equals_that_of_scipy():
    x = pt.vector("x")
    points = np.array([-2.0, 0.0, 1.0, 30.0])
    (found,) = jaxify([x], [pt.erfcx(x)], check_bounds=True)(points)
    np.testing.assert_allclose(found, erfcx(points), rtol=1e-12)


def test_the_inverse_error_function_equals_that_of_scipy_also_near_zero():
    x = pt.vector("x")
    points = np.array([1e-30, 1e-10, 0.5, 1.0, 1.9])
    function = jaxify([x], [pt.erfcinv(x)], check_bounds=True)
    (found,) = function(points)
    np.testing.assert_allclose(found, erfcinv(points), rtol=1e-9, atol=1e-15)
    assert function(np.float32(points))[0].dtype == np.float32


def test_parameters_are_checked_as_the_model_says():
    with pm.Model() as model:
        shape = pm.Flat("shape")
        pm.Gamma("obs", alpha=shape, beta=1.0, observed=1.0)
    checked, unchecked = (
        jaxify(model.value_vars, [model.logp()], check_bounds=check)(np.array(-1.5))[0]
        for check in (True, False)
    )
    assert checked == -np.inf
    assert np.isfinite(unchecked)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_of_a_graph_keep_their_precision(dtype):
    """A Python number has no precision: a product has that of its other factor."""
    found = _constant(np.array(0.1, dtype=dtype))
    assert found.dtype == dtype
    assert found == np.array(0.1, dtype=dtype)
    assert isinstance(_constant(np.array(3)), int)

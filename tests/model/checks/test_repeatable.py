"""A log density that changes from call to call is refused; minibatches make it do so."""

import numpy as np
import pytest

import isogmm
from helpers.targets import make_target
from isogmm.errors import ModelError

pytestmark = [
    pytest.mark.usefixtures("unchecked", "short_search"),
    pytest.mark.filterwarnings("ignore:isogmm. The fit reached max_iterations"),
]

X = np.random.default_rng(0).normal(size=(1000, 3))
QUICK = {"random_seed": 0, "progressbar": False}
MESSAGE = r"changes from call to call.*differ by .*minibatches.*isogmm.fit_rows"


def of_rows(rows, points):
    """Log density and gradient of the means, from some rows of the data."""
    scale = len(X) / len(rows)
    residuals = X[rows] - points[..., None, :]
    return -0.5 * scale * (residuals**2).sum((-1, -2)), scale * residuals.sum(-2)


def minibatches(size):
    generator = np.random.default_rng(1)
    return lambda points: of_rows(generator.choice(1000, size, replace=False), points)


@pytest.mark.parametrize("size", [1, 900])
def test_minibatches_are_refused(size):
    with pytest.raises(ModelError, match=MESSAGE):
        isogmm.LogDensity(None, np.zeros(3), value_and_grad=minibatches(size))


def test_a_target_with_minibatches_has_no_factorized_fit():
    """Its means would be 0.6 sds off with 100 of 10,000 rows, although the fit converges."""
    with pytest.raises(ModelError, match=MESSAGE):
        isogmm.fit_factorized(make_target(minibatches(100), 3), **QUICK)


@pytest.mark.parametrize("noise", [0.0, 1e-5])
def test_all_rows_and_rounding_errors_are_accepted(noise):
    generator = np.random.default_rng(0)

    def value_and_grad(point):
        value, gradient = of_rows(np.arange(1000), point)
        return value, gradient * (1.0 + noise * generator.normal(size=3))

    model = isogmm.LogDensity(None, np.zeros(3), value_and_grad=value_and_grad)
    idata = isogmm.fit_factorized(model, max_iterations=10, **QUICK)
    assert idata.attrs["iterations"] == 10

"""Plateaus without a finite integral, and proper densities that resemble them."""

import jax.numpy as jnp
import numpy as np
import pytest
from jax.nn import softplus

import isogmm
from isogmm.errors import ModelError
from isogmm.locate.gaussian.factors import map_of
from isogmm.locate.locate import locate
from isogmm.locate.modes.open_cone import check_no_open_cone
from isogmm.locate.options import Locate
from isogmm.locate.paths.maxima import LocalMaximum
from isogmm.model.fit_target import FitTarget

pytestmark = pytest.mark.usefixtures("unchecked")

OWN = map_of(np.zeros(2), np.eye(2))


def target_of(log_density, dim=2):
    return FitTarget.of(isogmm.LogDensity(log_density, np.zeros(dim)).to_target())


def maximum_at(*position):
    return LocalMaximum(np.array(position), np.eye(len(position)), 0.0, 0.0)


def check(log_density, *position):
    target = target_of(log_density)
    check_no_open_cone(target, np.random.default_rng(0), OWN, [maximum_at(*position)])


def test_separable_classes_with_flat_priors_end_the_search_with_an_error():
    generator = np.random.default_rng(0)
    x = generator.standard_normal((60, 4))
    sign = np.where(x[:, 0] + 0.5 * x[:, 1] > 0.0, 1.0, -1.0)
    target = target_of(lambda b: -jnp.sum(softplus(-sign * (b[0] + x @ b[1:]))), 5)
    with pytest.raises(ModelError, match=r"improper.* x\[1\] .*separable classes"):
        locate(target, np.random.default_rng(0))
    # Without the test further modes seem to be found until the limit.
    assert target.num_gradient_evaluations < Locate().max_evaluations


def test_the_error_names_the_direction_of_a_plateau():
    with pytest.raises(ModelError, match=r"0\.80 x\[0\] \+ 0\.60 x\[1\]"):
        check(lambda x: -softplus(-x[0]) - softplus(-x[1]), 8.0, 6.0)


def test_a_cone_may_be_narrow():
    with pytest.raises(ModelError, match=r"along x\[0\] "):
        check(lambda x: -softplus(200.0 * x[1] - x[0]) - softplus(-200.0 * x[1] - x[0]), 8.0, 0.0)


@pytest.mark.parametrize(
    ("log_density", "position"),
    [
        # Along x[1] = 0 the density is constant, and around this line it becomes narrower.
        pytest.param(
            lambda x: -0.5 * (x[1] * (1.0 + x[0] ** 2)) ** 2 - 3.0 * softplus(-x[0]),
            (8.0, 0.0),
            id="ridge",
        ),
        pytest.param(
            lambda x: -softplus(-x[0]) - softplus(-x[1]) - 0.5 * jnp.sum((x / 1e6) ** 2),
            (8.0, 6.0),
            id="wide prior",
        ),
        pytest.param(lambda x: -jnp.sum(jnp.log1p((x / 2.5) ** 2)), (8.0, 6.0), id="Cauchy"),
        pytest.param(
            lambda x: jnp.where(jnp.sum(x**2) < 1e4, 0.0, -jnp.inf), (8.0, 6.0), id="support"
        ),
    ],
)
def test_proper_densities_have_no_open_cone(log_density, position):
    check(log_density, *position)


def test_maxima_at_the_center_and_on_both_sides_give_no_direction():
    target = target_of(lambda x: -0.5 * jnp.sum((jnp.abs(x) - 5.0) ** 2))
    maxima = [maximum_at(5.0, 5.0), maximum_at(-5.0, -5.0), maximum_at(0.0, 1e-12)]
    check_no_open_cone(target, np.random.default_rng(0), OWN, maxima)
    check_no_open_cone(target, np.random.default_rng(0), OWN, maxima[2:])


def test_the_most_distant_maxima_are_tested():
    log_density = lambda x: -softplus(-x[0]) - softplus(-x[1])  # noqa: E731
    near = [maximum_at(-0.1 * k, 0.0) for k in range(1, 10)]
    target = target_of(log_density)
    check_no_open_cone(target, np.random.default_rng(0), OWN, near)
    with pytest.raises(ModelError):
        check_no_open_cone(target, np.random.default_rng(0), OWN, [*near, maximum_at(5.0, 5.0)])

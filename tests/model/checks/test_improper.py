"""Improper densities are distinguished from proper densities with heavy tails."""

import jax.numpy as jnp
import numpy as np
import pytest

import isogmm
from isogmm.inference_data import attributes
from isogmm.model.checks.improper import improper_direction
from isogmm.model.fit_target import FitTarget
from isogmm.model.to_target import to_target

pytestmark = pytest.mark.usefixtures("unchecked")

WIDE = 1e7


def target(density):
    return to_target(isogmm.LogDensity(density, np.zeros(2)), (), {}, 0)


PROPER = {
    "wide normal": lambda x: -0.5 * x[0] ** 2 - 0.5 * (x[1] / WIDE) ** 2,
    "wide Cauchy": lambda x: -0.5 * x[0] ** 2 - jnp.log1p((x[1] / WIDE) ** 2),
    "wide Laplace": lambda x: -0.5 * x[0] ** 2 - jnp.abs(x[1]) / WIDE,
    "wide difference": lambda x: -0.5 * (x[0] + x[1]) ** 2 - 0.5 * ((x[0] - x[1]) / WIDE) ** 2,
}
IMPROPER = {
    "flat": (lambda x: -0.5 * x[0] ** 2 + 0.0 * x[1], "x[1]"),
    # Decays like |t|^-0.98: by slightly less than log 10 over every factor of ten.
    "too heavy a tail": (lambda x: -0.5 * x[0] ** 2 - 0.49 * jnp.log1p(x[1] ** 2), "x[1]"),
    "flat on one side": (lambda x: -0.5 * x[0] ** 2 - jnp.log1p(jnp.exp(-x[1])), "x[1]"),
    "flat on the other side": (lambda x: -0.5 * x[0] ** 2 - jnp.log1p(jnp.exp(x[1])), "x[1]"),
    "rising": (lambda x: -0.5 * x[0] ** 2 + x[1], "x[1]"),
}


@pytest.mark.parametrize("name", PROPER)
def test_proper_densities_pass(name):
    turned = np.array([[1.0, WIDE], [-1.0, WIDE]])[:, ::-1] / np.sqrt(2.0)
    factor = turned * [[1.0], [-1.0]] if name == "wide difference" else np.diag([1.0, WIDE])
    assert improper_direction(target(PROPER[name]), np.ones(2), factor) is None


@pytest.mark.parametrize("name", IMPROPER)
def test_improper_densities_are_named_with_the_coordinate(name):
    density, direction = IMPROPER[name]
    assert improper_direction(target(density), np.ones(2), np.diag([1.0, WIDE])) == direction
    assert improper_direction(target(density), np.ones(2), np.array([1.0, WIDE])) == direction


def test_many_dimensions_need_no_square_matrix():
    """A matrix of the 300,000 axes would need 670 GiB."""
    flat = isogmm.LogDensity(lambda x: -0.5 * jnp.sum(x[1:] ** 2), np.zeros(300_000))
    width = np.ones(300_000)
    width[0] = WIDE
    assert improper_direction(to_target(flat, (), {}, 0), np.zeros(300_000), width) == "x[0]"


def test_usual_widths_need_no_gradients():
    flat = FitTarget.of(target(IMPROPER["flat"][0]))
    assert improper_direction(flat, np.ones(2), np.diag([1.0, 1e4])) is None
    assert flat.num_gradient_evaluations == 0


@pytest.mark.parametrize(
    ("density", "words"),
    [
        (IMPROPER["flat"][0], r"improper.*along x\[1\] "),
        (lambda x: -0.5 * (x[0] + x[1]) ** 2, r"0\.71 x\[\d\] - 0\.71 x\[\d\].*proper priors"),
    ],
)  # fmt: skip
def test_a_search_that_ends_in_an_improper_direction_is_an_error(density, words):
    with pytest.raises(isogmm.ModelError, match=words):
        isogmm.fit_isogmm(isogmm.LogDensity(density, np.zeros(2)), random_seed=0, progressbar=False)


@pytest.mark.long
@pytest.mark.slow
def test_chains_that_diverge_give_a_warning():
    with pytest.warns(isogmm.FitWarning, match="improper"):
        idata = isogmm.fit_isogmm(
            isogmm.LogDensity(IMPROPER["flat on one side"][0], np.zeros(2)),
            random_seed=0,
            progressbar=False,
            refine=isogmm.Refine(max_gradients=50_000),
        )
    found = attributes(idata)
    assert found["verdict"] == "unreliable"
    assert np.isnan(found["log_evidence"])

"""The numbers that a report shows are those of the result."""

import re

import numpy as np
import pytest
import xarray as xr

import isogmm
from helpers.results import fitted
from isogmm import inference_data as idt
from isogmm.results.stop_reason import StopReason
from isogmm.views.report import convergence, gather, trace
from isogmm.views.report.damage import Damage
from isogmm.views.report.html import BAR_WIDTH
from isogmm.views.report.modes import modes_of


def test_the_examined_variables_have_their_own_names():
    draws = np.random.default_rng(0).normal(size=(2, 20, 300))
    groups = {
        "posterior": xr.Dataset(
            {"mu": (("chain", "draw"), draws[..., 0]), "x": (("chain", "draw", "i"), draws)}
        )
    }
    values, names, total = convergence._scalars(idt.from_groups(groups))
    assert (values.shape, len(set(names)), total) == ((2, 20, 200), 200, 301)
    assert (names[0], names[-1]) == ("mu", "x[299]")
    for column, name in enumerate(names[1:], start=1):
        expected = draws[..., int(re.findall(r"\d+", name)[0])]
        np.testing.assert_array_equal(values[..., column], expected)


def test_the_trace_has_the_gradient_evaluations_of_the_result():
    idata = fitted()
    found = gather.gather(idata)
    stats = idt.get_group(idata, "fit_stats")
    np.testing.assert_array_equal(found.trace, stats["elbo"].values)
    np.testing.assert_array_equal(found.trace_gradients, stats["gradient_evaluations"].values)
    document = isogmm.report(idata)._repr_html_()
    assert "in 19,200 gradient evaluations" in document
    # Bars are as long as the shares of the time and of the mass.
    widths = [int(width) for width in re.findall(r'isogmm-share" style="width:(\d+)px', document)]
    shares = [0.5, 0.5, 0.8 / 1.5, 0.6 / 1.5, 0.1 / 1.5]
    assert widths == [round(BAR_WIDTH * share) for share in shares]


def test_the_picture_of_the_trace_rises_with_the_elbo():
    elbo = np.array([[-3.0, -4.0], [-2.0, -2.0], [-1.0, -1.0]])
    document = trace.svg(elbo, np.array([100, 110, 200]))
    lines = [
        np.array([point.split(",") for point in points.split()], dtype=float)
        for points in re.findall(r'points="([^"]*)"', document)
    ]
    across = trace.PAD + np.array([0.0, 0.1, 1.0]) * (trace.WIDTH - 2 * trace.PAD)
    for chain, points in enumerate(lines):
        np.testing.assert_allclose(points[:, 0], across, atol=0.05)  # one digit is written
        share = (elbo[:, chain] + 4.0) / 3.0
        down = trace.HEIGHT - trace.PAD - share * (trace.HEIGHT - 2 * trace.PAD)
        np.testing.assert_allclose(points[:, 1], down, atol=0.05)


def test_the_line_of_blocks_is_the_mean_of_the_finite_chains():
    partly = np.array([[-4.0, np.nan], [-3.0, -1.0], [-1.0, -1.0]])
    mean = np.array([-4.0, -2.0, -1.0])[:, None]
    assert trace.blocks(partly) == trace.blocks(mean) == "▁▆█"


@pytest.mark.parametrize("iterations", [0, 5])
def test_a_fit_without_iterations_says_that_one_gaussian_is_enough(iterations):
    attributes = {"stop_reason": "converged", "iterations": iterations}
    sentence = gather._stop(attributes)
    assert ("One Gaussian is enough" in sentence) == (iterations == 0)
    assert iterations == 0 or sentence == StopReason.CONVERGED.sentence


def test_draws_without_finite_density_are_counted():
    text = str(isogmm.report(fitted(attributes={"num_nonfinite": 1234})))
    assert re.search(r"draws without finite log density\s+1,234", text)


def test_modes_have_their_own_errors_components_and_coordinates():
    components = np.array([[0, 1, 1], [0, 0, 0]])
    # The rows of the factor have lengths 1 and 10, its columns 10 and 0.1.
    factor = np.array([[1.0, 0.0], [10.0, 0.1]])
    fit = xr.Dataset(
        {
            "mode_mass": ("mode", [0.3, 0.7]),
            "mode_mass_se": ("mode", [0.01, 0.02]),
            "mode_mean": (("mode", "coordinate"), [[0.0, 0.0], [2.0, 5.0]]),
            "component_mode": (("chain", "component"), components),
            "whitening_factor": (("chain", "coordinate", "coordinate_bis"), np.stack([factor] * 2)),
        },
        coords={"coordinate": ["a", "b"]},
    )
    first, second = modes_of(fit, Damage())
    assert (first.number, first.mass, first.mass_se, first.num_components) == (1, 0.7, 0.02, 2)
    assert (second.number, second.mass, second.mass_se, second.num_components) == (0, 0.3, 0.01, 4)
    # In units of the scales, the modes are 2 apart along a and 0.5 along b.
    assert first.means == (("a", 2.0), ("b", 5.0))
    assert second.means == (("a", 0.0), ("b", 0.0))

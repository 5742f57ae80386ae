"""The numbers that plots show are those of the results."""

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.patches import Ellipse

import isogmm
from helpers.results import CHAINS, DIM, fitted
from isogmm import inference_data as idt
from isogmm.views.plots import modes as plot_of_modes
from isogmm.views.plots import pairs
from isogmm.views.plots.density import density
from isogmm.views.plots.style import panels
from isogmm.views.plots.unconstrained import UnconstrainedSpace


@pytest.fixture(scope="module")
def idata():
    return fitted()


@pytest.fixture
def axis():
    import matplotlib.pyplot as plt

    return plt.subplots()[1]


def heights(artist):
    """The lowest and the highest vertical coordinate of an area."""
    if hasattr(artist, "get_paths"):
        vertices = artist.get_paths()[0].vertices
    else:
        vertices = artist.get_patch_transform().transform(artist.get_path().vertices)
    return vertices[:, 1].min(), vertices[:, 1].max()


def test_the_elbo_and_the_evidence_have_two_standard_errors(idata):
    ax = isogmm.plot_elbo(idata)
    stats = idt.get_group(idata, "fit_stats")
    elbo, error = stats["elbo"].values, stats["elbo_se"].values
    for chain in range(CHAINS):
        expected = (elbo - 2 * error)[:, chain].min(), (elbo + 2 * error)[:, chain].max()
        np.testing.assert_allclose(heights(ax.collections[chain]), expected, rtol=1e-12)
        np.testing.assert_array_equal(ax.lines[chain].get_ydata(), elbo[:, chain])
    bar, diamond = ax.collections[CHAINS:]
    last = stats["gradient_evaluations"].values[-1]
    np.testing.assert_array_equal(diamond.get_offsets(), [[last, -30.01]])
    np.testing.assert_allclose(heights(bar), [-30.05, -29.97], rtol=1e-12)
    assert ax.lines[-1].get_ydata()[0] == -29.8
    np.testing.assert_allclose(heights(ax.patches[0]), [-29.86, -29.74], rtol=1e-12)


def test_marginals_are_densities_of_their_scalars():
    generator = np.random.default_rng(0)
    results = {
        name: {"x": place + generator.normal(size=(2, 100, 2)) * [1.0, 10.0]}
        for name, place in (("a", 0.0), ("b", 1.0))
    }
    axes = isogmm.plot_compare_marginals(results, "b")
    for scalar, panel in enumerate(axes):
        grid, height = density(results["a"]["x"][..., scalar].ravel())
        np.testing.assert_array_equal(panel.lines[0].get_xdata()[1:-1], grid)
        np.testing.assert_array_equal(panel.lines[0].get_ydata()[1:-1], height)
        # The area is that of the reference.
        grid, height = density(results["b"]["x"][..., scalar].ravel())
        np.testing.assert_allclose(heights(panel.collections[0]), [0.0, height.max()])


def test_repeated_draws_are_no_more_information():
    values = np.random.default_rng(1).normal(size=200)
    np.testing.assert_allclose(density(np.tile(values, 20))[1], density(values)[1], rtol=1e-8)


def test_the_largest_mode_is_first_and_has_two_standard_errors(monkeypatch):
    monkeypatch.setattr(plot_of_modes, "MAX_DRAWS", 200)
    tables = {
        "mode_mass": (("mode",), np.array([0.2, 0.8])),
        "mode_mass_se": (("mode",), np.array([0.01, 0.03])),
    }
    idata = fitted(tables=tables)
    masses, places = isogmm.plot_modes(idata)
    rows = dict(zip(masses.get_yticks(), masses.get_yticklabels(), strict=True))
    assert rows[1].get_text() == "mode 1"
    np.testing.assert_allclose([bar.get_width() for bar in masses.patches], [0.8, 0.2])
    assert [text.get_text() for text in masses.texts] == ["0.800", "0.200"]
    (bars,) = (found for found in masses.collections if isinstance(found, LineCollection))
    ends = np.array([segment[:, 0] for segment in bars.get_segments()])
    np.testing.assert_allclose(ends, [[0.74, 0.86], [0.18, 0.22]])
    # The first dots, and the first number among them, are those of mode 1.
    assert [text.get_text() for text in places.texts] == ["1", "0"]
    theta = idt.get_group(idata, "posterior")["theta"].values[..., 0].ravel()
    modes = idt.get_group(idata, "sample_stats")["mode"].values.ravel()
    for mode, dots in zip((1, 0), places.collections, strict=True):
        assert np.isin(dots.get_offsets()[:, 0], theta[modes == mode]).all()
    assert sum(len(dots.get_offsets()) for dots in places.collections) == 200


def test_the_bar_of_further_modes_has_the_sum_of_their_masses(axis):
    masses, errors = np.array([0.3, 0.2, *[0.1] * 4, 0.07, 0.03]), np.full(8, 0.01)
    errors[-2:] = 0.003, 0.004
    plot_of_modes._draw_masses(axis, masses, errors, np.arange(8))
    assert axis.get_yticklabels()[-1].get_text() == "2 others"
    assert axis.patches[-1].get_width() == pytest.approx(0.1)
    (bars,) = (found for found in axis.collections if isinstance(found, LineCollection))
    # Independent errors: 0.003² + 0.004² = 0.005².
    np.testing.assert_allclose(bars.get_segments()[-1][:, 0], [0.09, 0.11])


def test_ellipses_are_those_of_the_chain_and_the_region_is_that_of_the_reference(
    idata, monkeypatch
):
    seen, original = [], pairs.plane_density

    def watched(points, *arguments):
        seen.append(points)
        return original(points, *arguments)

    monkeypatch.setattr(pairs, "plane_density", watched)
    other = fitted(num_modes=1)
    results = {"isogmm": idata, "other": other}
    (panel,) = isogmm.plot_compare_pairs(results, "other", ["mu", "theta[1]"], chain=2, num_sds=3.0)
    mixture = isogmm.Mixture.from_idata(idata)[2]
    centers, covariances = mixture.block([0, 3])
    ellipses = [patch for patch in panel.patches if isinstance(patch, Ellipse)]
    np.testing.assert_allclose([ellipse.center for ellipse in ellipses], centers)
    # The half axes are three sds long; their squares add up to nine times the trace.
    squares = [(e.width**2 + e.height**2) / 4 for e in ellipses]
    np.testing.assert_allclose(squares, 9 * np.trace(covariances, axis1=1, axis2=2))
    positions = idt.positions_from(other).reshape(-1, DIM)
    np.testing.assert_array_equal(seen[0], positions[:, [0, 3]])


def test_each_entry_of_a_vector_has_its_own_draws(idata):
    space, other = UnconstrainedSpace(idata), fitted(num_modes=1)
    positions = idt.positions_from(other)
    only = idt.from_groups({"posterior": idt.get_group(other, "posterior")})
    for coordinate in range(DIM):
        expected = positions[..., coordinate].ravel()
        np.testing.assert_array_equal(space.draws_of(other, coordinate, "other"), expected)
        found = space.draws_of(only, coordinate, "only")
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("number", "size"), [(2, (4.0, 3.0)), (4, (8.0, 3.0)), (5, (8.0, 6.0))])
def test_few_panels_leave_no_empty_columns(number, size):
    figure, axes = panels(number, (2.0, 3.0))
    assert len(axes) == len(figure.axes) == number
    np.testing.assert_allclose(figure.get_size_inches(), size)

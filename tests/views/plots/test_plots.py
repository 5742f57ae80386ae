"""Plots: what is drawn, for new and reloaded results and together with other methods."""

import inspect

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from matplotlib.patches import Ellipse
from scipy import integrate, stats

import isogmm
from helpers.results import CHAINS, COMPONENTS, DIM, DRAWS, fitted
from isogmm import inference_data as idt
from isogmm.errors import OptionError
from isogmm.views.plots.density import density, plane_density
from isogmm.views.plots.unconstrained import UnconstrainedSpace, separating


@pytest.fixture(scope="module")
def idata():
    return fitted()


def other_method(scale=1.0, names=("mu", "tau")):
    """A result of another library: constrained draws only, dimensions without labels."""
    generator = np.random.default_rng(3)
    draws = {
        names[0]: (("chain", "draw"), generator.normal(size=(2, 300)) * scale),
        names[1]: (("chain", "draw"), np.exp(generator.normal(size=(2, 300)) * scale)),
        "theta": (("chain", "draw", "theta_dim_0"), generator.normal(size=(2, 300, 2))),
    }
    return idt.from_groups({"posterior": xr.Dataset(draws)})


def draw(axes):
    """Lay out and render the figure, which fails if something cannot be drawn."""
    figure = np.ravel(axes)[0].figure
    figure.canvas.draw()
    return figure


# --- densities --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "truth",
    [stats.norm(3.0, 0.01), stats.expon(), stats.uniform(-1, 2)],
    ids=["normal", "exponential", "uniform"],
)
def test_densities_have_mass_one_and_reflect_at_bounds(truth):
    draws = truth.rvs(4000, random_state=np.random.default_rng(5))
    grid, height = density(draws)
    assert integrate.trapezoid(height, grid) == pytest.approx(1.0, abs=0.01)
    # Integrated absolute error: under a tenth for these sizes (about 0.03 to 0.06 in theory).
    assert integrate.trapezoid(np.abs(height - truth.pdf(grid)), grid) < 0.12


def test_densities_resolve_modes_far_apart():
    generator = np.random.default_rng(6)
    draws = np.r_[generator.normal(-20, 1, 2000), generator.normal(20, 1, 2000)]
    _, height = density(draws)
    # A bandwidth from the overall sd of 20 would flatten peaks of 0.2 to a tenth of that.
    assert height.max() == pytest.approx(0.5 * stats.norm.pdf(0), rel=0.15)


def test_densities_of_few_values_are_finite():
    for values in (np.array([1.0, 1.0, 2.0]), np.repeat([0.0, 1.0], 500)):
        _, height = density(values)
        assert np.isfinite(height).all()


# --- marginals --------------------------------------------------------------------------------


def test_marginals_have_one_panel_per_scalar_and_one_line_per_method(idata):
    axes = isogmm.plot_compare_marginals(
        {"isogmm": idata, "nuts": other_method(), "advi": other_method(0.5)}, "nuts"
    )
    draw(axes)
    assert [axis.get_title(loc="left") for axis in axes] == ["mu", "tau", "theta[A]", "theta[B]"]
    assert all(len(axis.lines) == 2 for axis in axes)
    figure = axes[0].figure
    (legend,) = figure.legends
    assert [t.get_text() for t in legend.get_texts()] == ["nuts (reference)", "isogmm", "advi"]
    # Lines differ in style as well as in color.
    assert len({str(line.get_linestyle()) for line in axes[0].lines}) == 2


def test_marginals_show_the_scalars_that_differ_most(idata):
    moved = other_method()
    posterior = idt.get_group(moved, "posterior")
    posterior = posterior.assign(theta=posterior["theta"] + np.array([0.0, 50.0]))
    axes = isogmm.plot_compare_marginals(
        {"a": idt.from_groups({"posterior": posterior}), "b": other_method()}, "b", max_panels=1
    )
    figure = draw(axes)
    assert [axis.get_title(loc="left") for axis in axes] == ["theta[1]"]
    assert "1 of 4" in figure.get_supxlabel()


def test_constant_and_broken_draws_are_drawn_as_far_as_possible():
    values = np.random.default_rng(0).normal(size=(2, 50))
    broken = values.copy()
    broken[0, 0] = np.nan
    axes = isogmm.plot_compare_marginals(
        {"a": {"x": broken, "c": np.ones((2, 50))}}, {"x": values, "c": np.ones((2, 50))}
    )
    draw(axes)
    assert len(axes) == 2


# --- pairs ------------------------------------------------------------------------------------


def test_components_are_ellipses_of_the_right_covariance(idata):
    axes = isogmm.plot_compare_pairs(
        {"isogmm": idata, "nuts": other_method()}, "nuts", ["tau", "theta[0]"]
    )
    draw(axes)
    (axis,) = axes
    ellipses = [patch for patch in axis.patches if isinstance(patch, Ellipse)]
    assert len(ellipses) == COMPONENTS
    mixture = isogmm.Mixture.from_idata(idata)[0]
    root = mixture.affine_map.factor[[1, 2]]
    for ellipse, mean, variance in zip(
        ellipses, mixture.affine_map.forward(mixture.means), mixture.variances, strict=True
    ):
        np.testing.assert_allclose(ellipse.center, mean[[1, 2]], rtol=1e-10)
        angle = np.radians(ellipse.angle)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        halves = np.array([ellipse.width, ellipse.height]) / 2
        np.testing.assert_allclose(
            (turn * halves**2) @ turn.T, variance * root @ root.T, atol=1e-10
        )
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("tau (unconstrained)", "theta[A]")


def test_all_chains_and_entries_by_number(idata):
    axes = isogmm.plot_compare_pairs({"isogmm": idata}, var_names=["mu", "theta[1]"], chain=None)
    draw(axes)
    assert len([p for p in axes[0].patches if isinstance(p, Ellipse)]) == CHAINS * COMPONENTS
    assert axes[0].get_xlabel() == "mu"


@pytest.mark.parametrize(
    "transform",
    [
        lambda u: 3.0 * u - 1.0,
        lambda u: 2.0 + np.exp(u),
        lambda u: 5.0 - np.exp(u),
        lambda u: -1.0 + 4.0 / (1 + np.exp(-u)),
        lambda u: np.logaddexp(0, u),
    ],
    ids=["affine", "lower bound", "upper bound", "interval", "softplus"],
)
def test_unconstrained_draws_of_other_methods_are_computed_from_the_fit(transform):
    generator = np.random.default_rng(2)
    own, theirs = generator.normal(size=(4, 100)), 1.5 * generator.normal(size=(4, 100))
    sample = ("chain", "draw")
    fit = idt.get_group(fitted(), "fit").isel(coordinate=[0], coordinate_bis=[0])
    fit = fit.assign_coords(coordinate=["x"], coordinate_bis=["x"])
    del fit.attrs["unconstrained_draws"]  # of the variables that were there
    idata = idt.from_groups(
        {
            "posterior": xr.Dataset({"x": (sample, transform(own))}),
            "unconstrained_posterior": xr.Dataset({"x": (sample, own)}),
            "fit": fit,
        }
    )
    other = idt.from_groups({"posterior": xr.Dataset({"x": (sample, transform(theirs))})})
    found = UnconstrainedSpace(idata).draws_of(other, 0, "nuts")
    np.testing.assert_allclose(found, theirs.ravel(), atol=1e-6)


def test_an_unknown_transform_is_refused(idata):
    other = other_method()
    posterior = idt.get_group(idata, "posterior")
    squared = idt.add_group(
        idata.copy(), "posterior", posterior.assign(tau=posterior["tau"] ** 2 + posterior["tau"])
    )
    with pytest.raises(OptionError, match="'nuts' has no draws of 'tau'"):
        isogmm.plot_compare_pairs({"isogmm": squared, "nuts": other}, var_names=["tau", "mu"])


@pytest.mark.usefixtures("unchecked")
def test_pairs_refuse_invalid_options(idata):
    with pytest.raises(OptionError, match="needs one result of fit_isogmm"):
        isogmm.plot_compare_pairs({"nuts": other_method()})
    with pytest.raises(OptionError, match="no coordinate 'sigma'"):
        isogmm.plot_compare_pairs({"isogmm": idata}, var_names=["sigma", "mu"])
    with pytest.raises(OptionError, match=r"Did you mean 'theta'\?"):
        isogmm.plot_compare_pairs({"isogmm": idata}, var_names=["thetta", "mu"])
    with pytest.raises(OptionError, match=r"must be two coordinates.*select 1"):
        isogmm.plot_compare_pairs({"isogmm": idata}, var_names=["mu"])
    with pytest.raises(OptionError, match="not a key of results"):
        isogmm.plot_compare_pairs({"isogmm": idata}, "nuts")
    assert isogmm.plot_compare_pairs({"isogmm": idata}, idata).shape == (1,)
    with pytest.raises(OptionError, match="the order of the arguments"):
        isogmm.plot_compare_pairs({"isogmm": idata}, ["mu", "tau"], "nuts")


# --- ELBO and modes ---------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize("x", ["gradient_evaluations", "iteration", "seconds"])
def test_elbo_has_one_line_per_chain_and_the_evidence(idata, x):
    ax = isogmm.plot_elbo(idata, x=x)
    draw(ax)
    labels = [line.get_label() for line in ax.lines]
    assert labels == [*(f"chain {chain}" for chain in range(CHAINS)), "log evidence"]
    stored = idt.get_group(idata, "fit_stats")
    np.testing.assert_array_equal(ax.lines[1].get_xdata(), stored[x].values)
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), stored["elbo"].values[:, 1])
    assert ax.lines[-1].get_ydata()[0] == -29.8


def test_elbo_draws_into_given_axes(idata):
    import matplotlib.pyplot as plt

    _, mine = plt.subplots()
    assert isogmm.plot_elbo(idata, ax=mine) is mine
    assert len(mine.lines) == CHAINS + 1


def test_elbo_without_evidence_or_history():
    ax = isogmm.plot_elbo(fitted(attributes={"log_evidence": float("nan")}))
    assert len(ax.lines) == CHAINS
    with pytest.raises(OptionError, match="fit_stats"):
        isogmm.plot_elbo(other_method())
    with pytest.raises(OptionError, match="x must be one of"):
        isogmm.plot_elbo(fitted(), x="epochs")


def test_modes_show_masses_and_the_coordinates_that_separate(idata):
    masses, places = isogmm.plot_modes(idata)
    draw(masses)
    assert [label.get_text() for label in masses.get_yticklabels()] == ["mode 0", "mode 1"]
    np.testing.assert_allclose([bar.get_width() for bar in masses.patches], 0.5)
    assert places.get_xlabel() == "theta[A]"
    assert sum(len(dots.get_offsets()) for dots in places.collections) == CHAINS * DRAWS


def test_one_mode_and_many_modes():
    (places,) = isogmm.plot_modes(fitted(num_modes=1), ["mu", "tau"])
    draw(places)
    assert (places.get_xlabel(), places.get_ylabel()) == ("mu", "tau (unconstrained)")
    assert len(places.figure.axes) == 1  # nothing beside the draws
    masses, _ = isogmm.plot_modes(fitted(num_modes=6))
    assert len(masses.patches) == 6


def test_separating_coordinates_are_measured_in_sds_within_modes():
    generator = np.random.default_rng(0)
    points = generator.normal(size=(400, 3)) * [100.0, 1.0, 1.0]
    modes = np.repeat([0, 1], 200)
    points[modes == 1] += [50.0, 5.0, 0.0]
    assert separating(points, modes, 2)[0] == 1
    assert separating(points, np.zeros(400, dtype=int), 2) == [0, 1]


def test_names_with_dollar_signs_are_drawn_unchanged():
    idata = fitted(("$\\mu_{", "tau_<b>"))
    names = ["$\\mu_{", "tau_<b>"]
    draw(isogmm.plot_modes(idata, names))
    axes = isogmm.plot_compare_pairs({"isogmm": idata}, var_names=names)
    draw(axes)
    assert axes[0].get_xlabel() == "$\\mu_{"


def test_settings_of_the_session_stay_as_they_were(idata):
    import matplotlib

    before = dict(matplotlib.rcParams)
    isogmm.plot_modes(idata)
    assert dict(matplotlib.rcParams) == before


@pytest.mark.long
def test_a_reloaded_result_is_drawn_the_same(idata, tmp_path):
    idt.save(idata, tmp_path / "fit.nc")
    reloaded = idt.load(tmp_path / "fit.nc")
    for plot in (isogmm.plot_elbo, isogmm.plot_modes):
        first, second = plot(idata), plot(reloaded)
        assert len(np.ravel(first)) == len(np.ravel(second))
    fresh = isogmm.plot_compare_pairs({"isogmm": idata}, var_names=["mu", "tau"])
    again = isogmm.plot_compare_pairs({"isogmm": reloaded}, var_names=["mu", "tau"])
    centers = [[p.center for p in a[0].patches if isinstance(p, Ellipse)] for a in (fresh, again)]
    np.testing.assert_allclose(centers[0], centers[1])
    assert UnconstrainedSpace(reloaded).positions.shape == (CHAINS, DRAWS, DIM)


def test_regions_of_the_plane_hold_their_shares():
    generator = np.random.default_rng(7)
    root = np.array([[1.0, 0.0], [0.99, 0.1]])
    points = generator.standard_normal((4000, 2)) @ root.T
    low, high = points.min(axis=0), points.max(axis=0)
    first, second, height, levels = plane_density(points, low, high, (0.9, 0.5))
    fresh = generator.standard_normal((4000, 2)) @ root.T
    places = [np.searchsorted(grid, fresh[:, axis]) for axis, grid in enumerate((first, second))]
    inside = height[np.minimum(places[1], 199), np.minimum(places[0], 199)]
    for level, share in zip(levels, (0.9, 0.5), strict=True):
        # Smoothing widens the regions, by a few percent at this bandwidth.
        assert share - 0.05 < (inside > level).mean() < share + 0.05


def test_an_elbo_that_is_never_finite_is_drawn_empty():
    history = {
        "elbo": np.full((3, CHAINS), np.nan),
        "elbo_se": np.full((3, CHAINS), np.nan),
        "gradient_evaluations": np.arange(3),
    }
    ax = isogmm.plot_elbo(fitted(history=history))
    draw(ax)
    assert len(ax.lines) == CHAINS + 1


# --- one vocabulary -----------------------------------------------------------------------------


def test_all_plots_and_compare_take_the_same_arguments_in_the_same_order():
    def names(function):
        return list(inspect.signature(function).parameters)

    for function in (
        isogmm.compare,
        isogmm.plot_compare_marginals,
        isogmm.plot_compare_pairs,
    ):
        assert names(function)[:4] == ["results", "reference", "var_names", "coords"]
    assert names(isogmm.plot_modes) == ["idata", "var_names", "coords"]


def test_coords_select_by_the_labels_of_the_user(idata):
    results = {"isogmm": idata, "again": idata.copy()}
    chosen = {"coords": {"school": ["B", "A"]}, "var_names": "theta"}
    axes = isogmm.plot_compare_marginals(results, "again", **chosen)
    assert [axis.get_title(loc="left") for axis in axes] == ["theta[B]", "theta[A]"]
    for place in (
        isogmm.plot_compare_pairs(results, "again", **chosen)[0],
        isogmm.plot_modes(idata, **chosen)[-1],
    ):
        assert (place.get_xlabel(), place.get_ylabel()) == ("theta[B]", "theta[A]")
    table = isogmm.compare(
        results, "again", ["mu", "theta"], coords={"school": "B"}, per_variable=True
    )
    assert list(table.loc["again"].index) == ["mu", "theta[B]"]


@pytest.mark.usefixtures("unchecked")
def test_invalid_coords_are_refused_with_the_labels_that_exist(idata):
    for function, first in (
        (isogmm.plot_modes, (idata,)),
        (isogmm.plot_compare_marginals, ({"isogmm": idata}, "isogmm")),
    ):
        with pytest.raises(OptionError, match="has the labels A, B"):
            function(*first, var_names="theta", coords={"school": ["C"]})
        with pytest.raises(OptionError, match=r"names the dimensions \['skool'\]"):
            function(*first, var_names="theta", coords={"skool": ["A"]})
        with pytest.raises(OptionError, match="coords must be a dict"):
            function(*first, var_names="theta", coords=["A"])
        with pytest.raises(OptionError, match="var_names has the entry 0"):
            function(*first, var_names=[0, 1])


def test_one_dimension_has_densities_in_place_of_pairs():
    density_of_one = isogmm.LogDensity(
        lambda x: jnp.logaddexp(-0.5 * ((x - 4) ** 2).sum(), -0.5 * ((x + 4) ** 2).sum()),
        np.zeros(1),
    )
    idata = isogmm.fit_isogmm(density_of_one, random_seed=0, draws=200, refine=0, chains=2)
    axes = isogmm.plot_modes(idata)
    draw(axes)
    assert (axes[-1].get_xlabel(), axes[-1].get_ylabel()) == ("x[0]", "density")
    with pytest.raises(OptionError, match="needs two coordinates"):
        isogmm.plot_compare_pairs({"isogmm": idata})


def test_the_noisy_end_of_a_trace_is_combined():
    elbo = np.full((6, CHAINS), -30.0) + np.linspace(-1, 0, 6)[:, None]
    error = np.full((6, CHAINS), 0.02)
    elbo[-1], error[-1] = -34.0, 1.0  # few iterations: not a divergence
    history = {
        "iteration": np.arange(25, 175, 25),
        "elbo": elbo,
        "elbo_se": error,
        "gradient_evaluations": 3200 * np.arange(1, 7),
        "seconds": np.linspace(0.1, 0.6, 6),
    }
    ax = isogmm.plot_elbo(fitted(history=history))
    last = ax.lines[0].get_ydata()[-1]
    # The weighted mean of both: the point without noise counts 2,500 times as much.
    assert last == pytest.approx((-30.2 * 2500 - 34.0) / 2501, abs=1e-6)
    assert ax.lines[0].get_xdata()[-1] == 19200
    assert "final mixture" in [text.get_text() for text in ax.get_legend().get_texts()]

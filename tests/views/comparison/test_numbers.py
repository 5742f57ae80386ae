"""Units, signs and dimensions of the numbers of ``compare``, by their closed forms."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import isogmm
from isogmm import inference_data as idt
from isogmm.views.comparison import distances, moments
from isogmm.views.comparison.draws import read
from isogmm.views.comparison.reference import Reference
from isogmm.views.comparison.reported import reported

SAMPLE = ("chain", "draw")


def draws_of(seed, shape=(2, 100, 2)):
    return np.random.default_rng(seed).standard_normal(shape)


def test_errors_are_in_standard_deviations_and_have_the_sign_of_the_method():
    sd = np.array([2.0, 50.0])

    def normal(mean, sd):
        quantile = mean + np.outer(stats.norm.ppf(moments.LEVELS), sd)
        return {"mean": mean, "log_sd": np.log(sd), "quantile": quantile}

    found = moments.errors(normal(np.array([1.0, 25.0]), 0.5 * sd), normal(np.zeros(2), sd))
    np.testing.assert_allclose(found["mean"], [0.5, 0.5], rtol=1e-12)
    np.testing.assert_allclose(found["log_sd"], np.log([0.5, 0.5]), rtol=1e-12)
    expected = 0.5 - 0.5 * stats.norm.ppf(moments.LEVELS)
    np.testing.assert_allclose(found["quantile"], np.outer(expected, [1, 1]), rtol=1e-12)


def test_each_statistic_has_its_own_effective_sample_size():
    """The scale of these draws changes slowly, so that their squares are dependent."""
    noise = draws_of(0, (2, 200, 1))
    scale = np.exp(2 * np.sin(np.arange(200) / 20))[:, None]
    values = noise * scale
    found = moments.effective_draws(values)
    np.testing.assert_allclose(found["mean"], idt.ess(values, method="mean"))
    squares = (values - values.mean()) ** 2
    np.testing.assert_allclose(found["log_sd"], idt.ess(squares, method="mean"))
    assert found["log_sd"] < 0.5 * found["mean"]


def test_the_effective_sample_size_of_ranks_does_not_depend_on_the_scale():
    draws = draws_of(0, (2, 200)) + 2 * np.sin(np.arange(200) / 20)
    stretched = np.exp(3 * draws)
    assert idt.ess(stretched) == pytest.approx(idt.ess(draws))
    assert idt.ess(stretched, method="mean") > 2 * idt.ess(draws, method="mean")


def test_the_discrepancy_of_two_points_has_a_closed_form():
    """The reference has equal numbers of 1 and -1, the method has 1 only; k(1, -1) = 1/e."""
    n, far = 1000, np.exp(-1)
    reference, rows = np.repeat([[1.0], [-1.0]], n // 2, axis=0), np.ones((n, 1))
    value, se, floor = distances.maximum_mean_discrepancy(rows, reference, 4.0)
    # Pairs of different draws of the reference: n/2 - 1 of n - 1 are equal.
    within = ((n / 2 - 1) + n / 2 * far) / (n - 1)
    assert value == pytest.approx(1 + within - (1 + far), rel=1e-10)
    # h_ij = 2 (1 - k) B_i B_j, where B is 1 for a draw at -1 of the reference.
    first, second = (1 - far) ** 2 / 4, 4 * (1 - far) ** 2 * 3 / 16
    variance = 4 * (n - 2) / (n * (n - 1)) * first + 2 / (n * (n - 1)) * second
    assert se == pytest.approx(np.sqrt(variance), rel=10 / n)
    # The centered kernel is plus or minus (1 - k) / 2.
    assert floor == pytest.approx((1 - far) * np.sqrt(2 / (n * (n - 1))), rel=1e-10)


def test_the_bandwidth_is_the_median_squared_distance():
    assert distances.bandwidth(np.array([[0.0], [1.0], [3.0]])) == pytest.approx(4.0)


def test_the_sliced_noise_is_that_of_independent_samples():
    generator = np.random.default_rng(0)
    noise = distances.sliced_noise(generator.standard_normal((4000, 50)), generator)
    found = [
        distances.sliced_wasserstein(*generator.standard_normal((2, 1000, 50))) for _ in range(20)
    ]
    # W² of one direction has a relative sd of about one, so the mean of 50 has 0.14, its root
    # 0.07, and each median of 20 of them 0.02.
    assert np.median(found) / np.sqrt(2 / 1000) == pytest.approx(noise, rel=0.15)


@pytest.fixture(scope="module")
def known():
    """A reference, and a method whose lower half is twice as wide."""
    values = draws_of(1) * [1.0, 30.0]
    wide = np.where(values < 0, 2 * values, values)
    methods, _ = read({"wide": {"x": wide}, "reference": {"x": values}}, "reference")
    wide, reference = methods
    return Reference(reference, np.random.default_rng(0)), wide


def test_the_table_of_scalars(known):
    reference, method = known
    table = reference.scalar_table(method)
    np.testing.assert_allclose(table["mean"], method.rows.mean(axis=0))
    np.testing.assert_allclose(table["sd"], method.rows.std(axis=0, ddof=1))
    base = np.quantile(reference.draws.rows, [0.05, 0.95], axis=0)
    width = (base[1] - base[0]) / moments.NORMAL_RANGE
    # The lower quantile is twice as far; the upper one is unchanged.
    np.testing.assert_allclose(table["quantile_error"], base[0] / width)
    # The largest of five quantiles has a larger error than the mean.
    assert (table["quantile_error_floor"] > table["mean_error_floor"]).all()


def test_the_worst_scalar_sets_the_diagnostics(known):
    reference, method = known
    sticky = method.values.copy()
    sticky[0, :, 1] += 60.0
    found = reference.scores(type(method)("sticky", sticky, method.labels))
    sizes, rhats = idt.ess(sticky), idt.rhat(sticky)
    assert found["ess_min"] == sizes.min() < sizes.max()
    assert found["rhat_max"] == rhats.max() > rhats.min()


def test_dependent_draws_are_thinned_for_the_discrepancy(known, monkeypatch):
    reference, method = known
    sizes = []
    original = distances.thinned

    def watched(rows, size):
        sizes.append(size)
        return original(rows, size)

    monkeypatch.setattr(distances, "thinned", watched)
    reference._discrepancy(method.rows, ({"mean": np.full(2, 90.0)}, {"mean": np.full(2, 25.0)}))
    assert sizes == [25, 25]


def test_densities_of_several_variables_are_added_and_their_errors_in_quadrature():
    generator = np.random.default_rng(3)
    log_likelihood = {
        name: ((*SAMPLE, f"{name}_i"), -0.5 * (scale * generator.normal(size=(2, 100, 8))) ** 2)
        for name, scale in (("y", 0.3), ("z", 1.0))
    }
    groups = {
        "posterior": xr.Dataset({"x": (SAMPLE, draws_of(4, (2, 100)))}),
        "log_likelihood": xr.Dataset(log_likelihood),
    }
    idata = idt.from_groups(groups)
    y, z = (idt.loo(idata, var_name=name) for name in ("y", "z"))
    found = reported(idata)
    assert found["elpd_loo"] == pytest.approx(y.elpd + z.elpd, rel=1e-12)
    assert found["elpd_loo_se"] == pytest.approx(np.hypot(y.se, z.se), rel=1e-12)
    assert found["loo_k_max"] == max(y.pareto_k.max(), z.pareto_k.max())


def test_dimensions_are_matched_by_name():
    values = draws_of(5, (2, 100, 2, 2)) + np.array([[0.0, 10.0], [20.0, 30.0]])
    coords = {"a": ["p", "q"], "b": ["r", "s"]}
    one = xr.Dataset({"x": ((*SAMPLE, "a", "b"), values)}, coords)
    for dims in ((*SAMPLE, "b", "a"), ("draw", "chain", "a", "b"), ("b", "draw", "a", "chain")):
        methods, _ = read({"other": one.transpose(*dims), "one": one}, "one")
        np.testing.assert_array_equal(methods[0].values, methods[1].values)
    # A table of one entry is that of its own draws.
    table = isogmm.compare({"one": one}, "one", "x[q, r]", per_variable=True)
    assert list(table.index) == [("one", "x[q, r]")]
    assert table["mean"].iloc[0] == pytest.approx(values[..., 1, 0].mean())

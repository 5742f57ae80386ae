"""``compare``: exact methods score near the floor, others above it; errors name what differs."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import isogmm
from helpers.tolerances import NUM_STANDARD_ERRORS
from isogmm import inference_data as idt
from isogmm.errors import OptionError
from isogmm.views.comparison import distances, moments

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")

CHAINS, DRAWS, DIM = 4, 500, 6
NAMES = [f"school {letter}" for letter in "ABCDE"]
#: Chance of a false alarm on one side, that of five standard errors.
TINY = stats.norm.sf(NUM_STANDARD_ERRORS)
LEVEL_COLUMNS = [
    "mean_rms",
    "mean_max",
    "log_sd_rms",
    "log_sd_max",
    "quantile_rms",
    "quantile_max",
    "sliced_w2",
]


def gaussian_draws(seed, shift=0.0, scale=1.0, correlation=0.0, chains=CHAINS, draws=DRAWS):
    """mu and theta[5], each chain an autoregression of the same N(0, 1) or N(10, 100²)."""
    generator = np.random.default_rng(seed)
    noise = generator.standard_normal((draws, chains, DIM))
    for step in range(1, draws):
        noise[step] = correlation * noise[step - 1] + np.sqrt(1 - correlation**2) * noise[step]
    noise = np.swapaxes(noise * scale + shift, 0, 1)
    return {"mu": noise[..., 0], "theta": 10 + 100 * noise[..., 1:]}


def dataset(draws, names=None, dim="school"):
    coords = {dim: NAMES if names is None else names}
    return xr.Dataset(
        {"mu": (("chain", "draw"), draws["mu"]), "theta": (("chain", "draw", dim), draws["theta"])},
        coords={
            **coords,
            "chain": np.arange(len(draws["mu"])),
            "draw": np.arange(draws["mu"].shape[1]),
        },
    )


def result(draws, **attrs):
    return idt.from_groups({"posterior": dataset(draws)}, attrs)


# --- floors -----------------------------------------------------------------------------------


def test_an_exact_method_scores_at_the_floor():
    table = isogmm.compare(
        {"exact": gaussian_draws(1), "nuts": gaussian_draws(2)}, reference="nuts"
    )
    row = table.loc["exact"]
    # p · rms² / (1/n + 1/n') is chi-squared with p degrees of freedom.
    variance = 2.0 / (CHAINS * DRAWS)
    squared = DIM * row["mean_rms"] ** 2 / variance
    assert stats.chi2.ppf(TINY, DIM) < squared < stats.chi2.isf(TINY, DIM)
    # The floor is the median of that distribution.  Its error: that of the median of 100
    # bootstrap samples, at most 10 % here, and that of effective sizes estimated from 2,000 draws.
    expected = np.sqrt(stats.chi2.median(DIM) * variance / DIM)
    assert abs(np.log(row["mean_rms_floor"] / expected)) < 0.25
    # The sd of n normal draws has relative variance 1 / 2n.
    expected = np.sqrt(stats.chi2.median(DIM) * variance / 2 / DIM)
    assert abs(np.log(row["log_sd_rms_floor"] / expected)) < 0.25
    assert abs(row["mmd2"]) < NUM_STANDARD_ERRORS * row["mmd2_floor"]


@pytest.mark.long
@pytest.mark.usefixtures("unchecked")
def test_exact_methods_lie_around_the_floor_not_below_or_above_it():
    reference = gaussian_draws(0, draws=625)
    methods = {f"exact {seed}": gaussian_draws(seed, draws=125) for seed in range(1, 25)}
    table = isogmm.compare({**methods, "nuts": reference}, reference="nuts")
    for name in LEVEL_COLUMNS:
        ratio = (table[name] / table[f"{name}_floor"]).drop("nuts")
        # The floor is a median: 24 independent methods are above it with even odds, up to what
        # the shared reference (a fifth of the variance) and the floor's own error do.
        above = int((ratio > 1).sum())
        assert stats.binom.ppf(1e-5, 24, 0.35) <= above <= stats.binom.isf(1e-5, 24, 0.65), name
        assert 0.7 < ratio.median() < 1.4, name


def test_the_reference_shows_its_own_error_and_no_score():
    table = isogmm.compare({"a": gaussian_draws(1), "nuts": gaussian_draws(2)}, reference="nuts")
    row = table.loc["nuts"]
    assert row[[*LEVEL_COLUMNS, "mmd2"]].isna().all()
    for name in LEVEL_COLUMNS:
        assert 0 < row[f"{name}_floor"] < table.loc["a", f"{name}_floor"]


@pytest.mark.long
def test_autocorrelation_raises_the_floor():
    # Effective sizes of means fall to (1 - r) / (1 + r) = 1/19 of 8,000 draws at r = 0.9.
    table = isogmm.compare(
        {
            "slow": gaussian_draws(1, correlation=0.9, draws=2000),
            "fast": gaussian_draws(3, draws=2000),
            "nuts": gaussian_draws(2, draws=2000),
        },
        reference="nuts",
    )
    ratio = table.loc["slow", "mean_rms_floor"] / table.loc["fast", "mean_rms_floor"]
    assert ratio == pytest.approx(np.sqrt((19 + 1) / 2), rel=0.25)
    assert table.loc["slow", "mean_rms"] < 3 * table.loc["slow", "mean_rms_floor"]


# --- errors are found -------------------------------------------------------------------------


def test_a_shifted_method_is_found_with_the_size_of_its_shift():
    table = isogmm.compare(
        {"shifted": gaussian_draws(1, shift=0.3), "nuts": gaussian_draws(2)}, reference="nuts"
    )
    row = table.loc["shifted"]
    error = NUM_STANDARD_ERRORS * np.sqrt(2.0 / (CHAINS * DRAWS))
    assert row["mean_rms"] == pytest.approx(0.3, abs=error)
    # A shift by a is at distance |a·θ| in direction θ: rms |a| / √p = 0.3 per standardized scalar.
    assert row["sliced_w2"] == pytest.approx(0.3, abs=error)
    for name in ("mean_rms", "mean_max", "quantile_rms", "sliced_w2"):
        assert row[name] > 3 * row[f"{name}_floor"], name
    assert row["mmd2"] > NUM_STANDARD_ERRORS * row["mmd2_se"]
    assert row["log_sd_rms"] < 3 * row["log_sd_rms_floor"]


def test_a_narrow_method_is_found_in_the_spread_and_not_in_the_mean():
    table = isogmm.compare(
        {"narrow": gaussian_draws(1, scale=0.5), "nuts": gaussian_draws(2)}, reference="nuts"
    )
    row = table.loc["narrow"]
    error = NUM_STANDARD_ERRORS * np.sqrt(1.0 / (CHAINS * DRAWS))
    assert row["log_sd_rms"] == pytest.approx(np.log(2), abs=error)
    assert row["mean_rms"] < 3 * row["mean_rms_floor"]
    assert row["sliced_w2"] == pytest.approx(0.5, abs=error)


def test_the_standard_error_of_the_discrepancy_is_its_spread():
    generator = np.random.default_rng(4)
    for shift in (0.0, 1.0):
        found = []
        for _ in range(60):
            second = generator.standard_normal((80, 2))
            first = generator.standard_normal((80, 2)) + shift
            width = distances.bandwidth(second)
            found.append(distances.maximum_mean_discrepancy(first, second, width))
        values, ses, floors = np.array(found).T
        # The sd of 60 values of a skewed distribution is known to about a fifth.
        assert np.sqrt((ses**2).mean()) == pytest.approx(values.std(ddof=1), rel=0.6)
        if shift == 0:
            assert floors.mean() == pytest.approx(values.std(ddof=1), rel=0.6)
            assert abs(values.mean()) < NUM_STANDARD_ERRORS * values.std() / np.sqrt(60)


def test_sliced_wasserstein_of_equal_sizes_is_exact():
    first, second = np.array([[3.0], [1.0], [2.0]]), np.array([[2.0], [3.0], [5.0]])
    # Sorted: 1, 2, 3 against 2, 3, 5.
    assert distances.sliced_wasserstein(first, second) == pytest.approx(np.sqrt(6 / 3))


def test_one_row_per_scalar_names_the_worst():
    draws = gaussian_draws(1)
    draws["theta"][..., 3] += 50.0
    table = isogmm.compare(
        {"advi": dataset(draws), "nuts": dataset(gaussian_draws(2))},
        reference="nuts",
        per_variable=True,
    )
    advi = table.loc["advi"]
    assert list(advi.index) == ["mu", *(f"theta[{name}]" for name in NAMES)]
    assert advi["mean_error"].abs().idxmax() == "theta[school D]"
    error = NUM_STANDARD_ERRORS * np.sqrt(2.0 / (CHAINS * DRAWS))
    assert advi.loc["theta[school D]", "mean_error"] == pytest.approx(0.5, abs=error)
    assert table.loc["nuts", "mean_error"].isna().all()
    assert (table["mean_error_floor"] > 0).all()


# --- forms of results, and whether they can be compared ---------------------------------------


def test_costs_evidence_and_diagnostics_come_from_the_result():
    told = {
        "sampling_time": 1.5,
        "num_gradient_evaluations": 700,
        "pareto_k": 0.2,
        "log_evidence": -3.0,
        "log_evidence_se": 0.1,
    }
    table = isogmm.compare(
        {"isogmm": result(gaussian_draws(1), **told), "nuts": result(gaussian_draws(2))},
        reference="nuts",
    )
    row = table.loc["isogmm"]
    assert (row["seconds"], row["gradient_evaluations"]) == (1.5, 700)
    assert (row["pareto_k"], row["log_evidence"], row["log_evidence_se"]) == (0.2, -3.0, 0.1)
    assert table.loc["nuts", ["seconds", "pareto_k", "elpd_loo"]].isna().all()
    assert 0.99 < row["rhat_max"] < 1.05


def test_pareto_k_is_computed_where_both_densities_are_stored():
    draws = gaussian_draws(1)
    stats_group = xr.Dataset(
        {"lp": (("chain", "draw"), -(draws["mu"] ** 2) / 2)}
        | {"log_q": (("chain", "draw"), -(draws["mu"] ** 2) / 2 - 3.0)}
    )
    idata = idt.from_groups({"posterior": dataset(draws), "sample_stats": stats_group})
    table = isogmm.compare({"advi": idata}, reference=gaussian_draws(2))
    assert table.loc["advi", "pareto_k"] == 0.0  # constant ratios


def test_draws_that_are_all_the_same():
    draws = {name: np.zeros_like(value) for name, value in gaussian_draws(1).items()}
    collapsed = {
        "posterior": dataset(draws),
        "log_likelihood": xr.Dataset(
            {"y": (("chain", "draw", "i"), np.tile([-1.0, -2.0, -3.0], (CHAINS, DRAWS, 1)))}
        ),
    }
    table = isogmm.compare(
        {"svgd": idt.from_groups(collapsed), "nuts": gaussian_draws(2)}, reference="nuts"
    )
    # Zero is about the mean, and the logarithm of no sd is infinitely wrong.
    assert table.loc["svgd", "mean_rms"] < NUM_STANDARD_ERRORS / np.sqrt(CHAINS * DRAWS)
    assert table.loc["svgd", "log_sd_rms"] == np.inf
    assert table.loc["svgd", "elpd_loo"] == pytest.approx(-6.0)
    assert table.loc["svgd", "loo_k_max"] == 0.0


def test_terms_whose_largest_ratios_are_equal():
    """ArviZ 0.x answers, ArviZ 1.x refuses to smooth ratios that do not vary."""
    values = np.tile([[-1.0], [-2.0]], (CHAINS, DRAWS // 2, 1))
    terms = xr.Dataset({"y": (("chain", "draw", "i"), values)})
    table = isogmm.compare(
        {"a": idt.from_groups({"posterior": dataset(gaussian_draws(1)), "log_likelihood": terms})},
        reference=gaussian_draws(2),
    )
    assert np.isfinite(table.loc["a", "elpd_loo"]) == idt.is_first_generation()


def test_elpd_is_that_of_a_normal_model():
    draws = gaussian_draws(1)
    generator = np.random.default_rng(9)
    data = generator.normal(size=20)
    log_likelihood = stats.norm.logpdf(data, loc=draws["mu"][..., None] / 10)
    groups = {
        "posterior": dataset(draws),
        "log_likelihood": xr.Dataset({"y": (("chain", "draw", "obs"), log_likelihood)}),
    }
    table = isogmm.compare({"a": idt.from_groups(groups)}, reference=gaussian_draws(2))
    # Predictive density under mu ~ N(0, 0.1²): leave-one-out changes little.
    expected = stats.norm.logpdf(data, scale=np.sqrt(1.01)).sum()
    assert table.loc["a", "elpd_loo"] == pytest.approx(expected, abs=1.0)
    assert table.loc["a", "elpd_loo_se"] > 0
    assert table.loc["a", "loo_k_max"] < 0.7


def test_a_plain_reference_takes_any_form():
    draws = gaussian_draws(2)
    flat = {name: values.reshape(-1, *values.shape[2:]) for name, values in draws.items()}
    a = dataset(gaussian_draws(1))
    tables = [isogmm.compare({"a": a}, reference=form) for form in (draws, dataset(draws))]
    np.testing.assert_allclose(tables[0].loc["a", "mean_rms"], tables[1].loc["a", "mean_rms"])
    one_chain = isogmm.compare({"a": a}, reference=flat)
    np.testing.assert_allclose(one_chain.loc["a", "mean_rms"], tables[0].loc["a", "mean_rms"])
    assert list(one_chain.index) == ["a", "reference"]


def test_labels_are_matched_by_name_not_by_place():
    draws = gaussian_draws(1)
    draws["theta"] += 1000.0 * np.arange(5)
    order = [3, 0, 4, 1, 2]
    shuffled = dataset(
        {"mu": draws["mu"], "theta": draws["theta"][..., order]}, [NAMES[i] for i in order]
    )
    table = isogmm.compare({"a": shuffled, "b": dataset(draws)}, reference="b")
    assert table.loc["a", "mean_max"] == pytest.approx(0.0, abs=1e-12)


def test_numbers_as_labels_are_matched_by_name_too():
    """Labels 0, 1, 2, ... may be names: another method's 2, 0, 1, ... say so."""
    draws, order = gaussian_draws(1), [3, 0, 4, 1, 2]
    draws["theta"] += 1000.0 * np.arange(5)
    shuffled = dataset({"mu": draws["mu"], "theta": draws["theta"][..., order]}, order)
    table = isogmm.compare({"a": shuffled, "b": dataset(draws, list(range(5)))}, reference="b")
    assert table.loc["a", "mean_max"] == pytest.approx(0.0, abs=1e-12)


def test_unnamed_dimensions_are_matched_by_place():
    unnamed = dataset(gaussian_draws(1), np.arange(5), dim="theta_dim_0")
    table = isogmm.compare({"a": unnamed, "b": dataset(gaussian_draws(2))}, reference="b")
    assert table.loc["a", "mean_rms"] < 3 * table.loc["a", "mean_rms_floor"]


def test_constant_entries_are_left_out():
    first, second = gaussian_draws(1), gaussian_draws(2)
    first["theta"][..., 0] = second["theta"][..., 0] = 1.0
    table = isogmm.compare({"a": first, "b": second}, reference="b")
    assert np.isfinite(table.loc["a", LEVEL_COLUMNS].astype(float)).all()
    rows = isogmm.compare({"a": first, "b": second}, reference="b", per_variable=True)
    assert np.isnan(rows.loc[("a", "theta[0]"), "mean_error"])


def test_draws_that_are_not_finite_score_nan():
    broken = gaussian_draws(1)
    broken["mu"][0, 3] = np.inf
    table = isogmm.compare({"a": broken, "b": gaussian_draws(2)}, reference="b")
    assert table.loc["a", LEVEL_COLUMNS].isna().all()
    with pytest.raises(OptionError, match="not finite"):
        isogmm.compare({"a": broken, "b": gaussian_draws(2)}, reference="a")


def without_theta():
    return dataset(gaussian_draws(1)).drop_vars("theta")


def with_tau():
    data = dataset(gaussian_draws(1))
    return data.assign(tau=data["mu"])


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (without_theta, ["'advi' does not have ['theta']", "var_names=['mu']"]),
        (with_tau, ["'advi' has ['tau']", "'nuts' does not have"]),
        (
            lambda: dataset(gaussian_draws(1), [*NAMES[:4], "school Z"]),
            ["'advi'", "theta, dimension 'school'", "school E", "school Z"],
        ),
        (
            lambda: dataset(gaussian_draws(1)).isel(school=slice(3)),
            ["theta, dimension 'school'", "school D"],
        ),
        (
            lambda: {"mu": gaussian_draws(1)["mu"], "theta": gaussian_draws(1)["theta"][..., :2]},
            ["theta, dimension 'school'", "2 entries, expected 5"],
        ),
        (
            lambda: {name: value.astype(str) for name, value in gaussian_draws(1).items()},
            ["'advi'", "mu contains", "not numbers"],
        ),
    ],
    ids=["missing", "extra", "label", "labels", "shape", "text"],
)
def test_results_that_do_not_fit_are_named(other, words):
    with pytest.raises(OptionError) as caught:
        isogmm.compare({"advi": other(), "nuts": dataset(gaussian_draws(2))}, reference="nuts")
    for word in words:
        assert word in str(caught.value)


def test_options_that_make_no_sense_are_named():
    with pytest.raises(OptionError, match="not a key of results"):
        isogmm.compare({"a": gaussian_draws(1)}, reference="nuts")
    with pytest.raises(OptionError, match="mapping such as"):
        isogmm.compare({}, reference="nuts")
    with pytest.raises(OptionError, match="Rename the key"):
        isogmm.compare({"reference": gaussian_draws(1)}, reference=gaussian_draws(2))
    with pytest.raises(OptionError, match="give an ArviZ object"):
        isogmm.compare({"a": 3}, reference=gaussian_draws(1))
    constant = {"mu": np.ones((4, 100))}
    with pytest.raises(OptionError, match="varies"):
        isogmm.compare({"a": constant}, reference=constant)


def test_var_names_choose():
    table = isogmm.compare(
        {"a": with_tau(), "b": dataset(gaussian_draws(2))},
        reference="b",
        var_names="mu",
        per_variable=True,
    )
    assert list(table.index) == [("a", "mu"), ("b", "mu")]
    results = {"a": with_tau(), "b": with_tau()}
    table = isogmm.compare(results, "b", var_names=["~tau", "~theta"], per_variable=True)
    assert list(table.index) == [("a", "mu"), ("b", "mu")]


def test_inputs_are_not_changed():
    first, second = gaussian_draws(1), gaussian_draws(2)
    before = {name: values.copy() for name, values in first.items()}
    isogmm.compare({"a": first, "b": second}, reference="b")
    for name, values in before.items():
        np.testing.assert_array_equal(first[name], values)


@pytest.mark.long
def test_a_reloaded_result_compares_the_same(tmp_path):
    idata = result(gaussian_draws(1), sampling_time=2.0)
    idt.save(idata, tmp_path / "fit.nc")
    reference = gaussian_draws(2)
    before = isogmm.compare({"a": idata}, reference=reference)
    after = isogmm.compare({"a": idt.load(tmp_path / "fit.nc")}, reference=reference)
    np.testing.assert_allclose(after.loc["a"], before.loc["a"], rtol=1e-12)


def test_noise_scales_with_the_effective_sizes():
    noise = {"mean": np.ones((3, 2))}
    scaled = moments.exact_errors(
        noise, {"mean": np.array([100.0, 50.0])}, {"mean": np.full(2, 100)}
    )
    np.testing.assert_allclose(scaled["mean"][0], [np.sqrt(0.02), np.sqrt(0.03)])

"""The ArviZ object of a fit: groups, attributes, files, and the functions of ArviZ on it."""

import functools
import json
import re
import subprocess
import sys
from importlib.metadata import version

import matplotlib
import numpy as np
import pytest
import xarray as xr

from isogmm import inference_data as idt
from isogmm.errors import ModelError, OptionError
from isogmm.mixtures.affine_map import AffineMap, dense_map, diagonal_map, identity_map
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.model.target import Target
from isogmm.results.building.datasets import dataset
from isogmm.results.building.fit_result import FitResult

matplotlib.use("Agg")
FIRST = int(version("arviz").split(".")[0]) < 1
SCHOOLS = [f"school {letter}" for letter in "ABCDEFGH"]
EFFECTS = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
ERRORS = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])
CHAINS, DRAWS, COMPONENTS = 4, 250, 3

# Warnings of the plot libraries about deprecations do not concern these tests.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]


def constrain(positions, seed):
    mu, log_tau, offset = positions[:, 0], positions[:, 1], positions[:, 2:]
    tau = np.exp(log_tau)
    theta = mu[:, None] + tau[:, None] * offset
    error = (EFFECTS - theta) / ERRORS
    return {
        "posterior": {"mu": mu, "tau": tau, "offset": offset, "scope/theta": theta},
        "log_likelihood": {"effect": -0.5 * error**2 - np.log(ERRORS) - 0.5 * np.log(2 * np.pi)},
        "log_prior": {"mu": -0.5 * (mu / 5) ** 2, "offset": -0.5 * offset**2},
    }


def no_program(positions):
    raise AssertionError("building a result evaluates no density")


def schools_target(**changes):
    fields = {
        "variables": {"mu": (), "tau": (), "offset": (8,)},
        "evaluate_point": no_program,
        "evaluate_batch": no_program,
        "constrain": constrain,
        "initial_positions": lambda generator, n: generator.uniform(-2, 2, (n, 10)),
        "dims": dict.fromkeys(("offset", "scope/theta", "effect", "error"), ("school",)),
        "coords": {"school": SCHOOLS},
        "observed_data": {"effect": EFFECTS},
        "constant_data": {"error": ERRORS},
        "library": "teststan",
        "library_version": "9.9",
    }
    return Target(**{**fields, **changes})


def affine(kind, dim=10):
    generator = np.random.default_rng(8)
    center, scale = generator.normal(size=dim), generator.uniform(0.1, 3, dim)
    if kind == "dense":
        root = generator.normal(size=(dim, dim))
        return dense_map(center, root @ root.T + np.eye(dim))
    if kind == "low_rank":
        vectors = np.linalg.qr(generator.normal(size=(dim, 2)))[0]
        return AffineMap(center, scale, vectors=vectors, values=np.array([3.0, 0.2]))
    return diagonal_map(center, scale) if kind == "diagonal" else identity_map(dim)


def fit_result(kind="dense", target=None, **changes):
    generator = np.random.default_rng(1)
    weights = generator.dirichlet(np.ones(COMPONENTS), CHAINS)
    mixture = IsotropicMixture(
        means=0.3 * generator.normal(size=(CHAINS, COMPONENTS, 10)),
        variances=generator.uniform(0.05, 0.3, (CHAINS, COMPONENTS)),
        log_weights=np.log(weights),
        affine_map=affine(kind),
    )
    positions, components = mixture.sample(generator, DRAWS)
    log_q = np.stack([mixture[c].log_prob(positions[c]) for c in range(CHAINS)])
    fields = {
        "target": schools_target() if target is None else target,
        "mixture": mixture,
        "positions": positions,
        "log_density": log_q - 30.0,
        "log_q": log_q,
        "log_weights": np.full((CHAINS, DRAWS), -np.log(CHAINS * DRAWS)),
        "components": components,
        "modes": np.zeros_like(components),
        "history": {
            "elbo": generator.normal(size=(5, CHAINS)),
            "seconds": np.arange(5.0),
            "num_gradient_evaluations": np.arange(5),
        },
        "tables": {"drift": (("coordinate",), np.arange(10.0)), "mass": (("mode",), np.ones(1))},
        "attributes": {
            "sampling_time": 1.5,
            "random_seed": 3,
            "converged": True,
            "stop_reason": "converged",
            "elbo": np.float64(-31.5),
            "num_gradient_evaluations": np.int64(1000),
        },
    }
    return FitResult(**{**fields, **changes})


@functools.cache
def shared():
    return idt.to_inference_data(fit_result())


@pytest.fixture
def idata():
    return shared().copy()


# --- groups -----------------------------------------------------------------------------------


def test_all_groups_have_names_dims_and_labels(idata):
    assert set(idt.group_names(idata)) == {
        "posterior",
        "sample_stats",
        "unconstrained_posterior",
        "log_likelihood",
        "log_prior",
        "observed_data",
        "constant_data",
        "fit",
        "fit_stats",
    }
    posterior = idt.get_group(idata, "posterior")
    assert set(posterior.data_vars) == {"mu", "tau", "offset", "scope.theta"}
    assert posterior["mu"].dims == ("chain", "draw")
    assert posterior["scope.theta"].dims == ("chain", "draw", "school")
    assert posterior.sizes == {"chain": CHAINS, "draw": DRAWS, "school": 8}
    assert list(posterior["school"].values) == SCHOOLS
    assert idt.get_group(idata, "log_likelihood")["effect"].dims == ("chain", "draw", "school")
    np.testing.assert_array_equal(idt.get_group(idata, "observed_data")["effect"], EFFECTS)
    np.testing.assert_array_equal(idt.get_group(idata, "constant_data")["error"], ERRORS)
    fit = idt.get_group(idata, "fit")
    assert fit["means"].dims == ("chain", "component", "coordinate")
    assert fit["whitening_factor"].dims == ("chain", "coordinate", "coordinate_bis")
    assert list(fit["coordinate"].values)[:3] == ["mu", "tau", "offset[0]"]
    assert fit["drift"].dims == ("coordinate",)
    stats = idt.get_group(idata, "fit_stats")
    assert stats["elbo"].dims == ("check", "chain")
    assert stats["seconds"].dims == ("check",)


def test_the_class_is_that_of_the_installed_arviz(idata):
    expected = "InferenceData" if FIRST else "DataTree"
    assert type(idata).__name__ == expected


def test_draws_and_statistics_are_those_of_the_fit(idata):
    result = fit_result()
    posterior = idt.get_group(idata, "posterior")
    np.testing.assert_array_equal(posterior["tau"], np.exp(result.positions[..., 1]))
    stats = idt.get_group(idata, "sample_stats")
    assert set(stats.data_vars) == {"lp", "log_q", "log_weight", "component", "mode"}
    np.testing.assert_array_equal(stats["lp"], result.log_density)
    np.testing.assert_array_equal(stats["component"], result.components)


def test_only_transformed_variables_are_in_unconstrained_posterior(idata):
    unconstrained = idt.get_group(idata, "unconstrained_posterior")
    assert list(unconstrained.data_vars) == ["tau"]
    # A view would keep the draws of all variables in memory.
    tau = unconstrained["tau"].values
    assert tau.base is None or tau.base.size == tau.size
    np.testing.assert_array_equal(unconstrained["tau"], fit_result().positions[..., 1])
    np.testing.assert_array_equal(idt.positions_from(idata), fit_result().positions)


def test_constrain_is_called_once_on_all_draws():
    calls = []

    def counted(positions, seed):
        calls.append(len(positions))
        return constrain(positions, seed)

    idt.to_inference_data(fit_result(target=schools_target(constrain=counted)))
    assert calls == [CHAINS * DRAWS]


def test_finish_changes_the_finished_result():
    def finish(result):
        assert "fit" in idt.group_names(result)
        posterior = idt.get_group(result, "posterior")
        return idt.add_group(result, "posterior", posterior.assign(mu=posterior["mu"] + 1.0))

    idata = idt.to_inference_data(fit_result(target=schools_target(finish=finish)))
    result = fit_result()
    posterior = idt.get_group(idata, "posterior")
    np.testing.assert_array_equal(posterior["mu"], result.positions[..., 0] + 1.0)
    # The posterior no longer has the unconstrained draws of mu, so they are kept.
    assert "mu" in idt.get_group(idata, "unconstrained_posterior")
    np.testing.assert_array_equal(idt.positions_from(idata), result.positions)


@pytest.mark.parametrize(
    ("options", "absent"),
    [
        ({"log_likelihood": False}, {"log_likelihood"}),
        ({"log_prior": False}, {"log_prior"}),
        ({"log_likelihood": [], "log_prior": False}, {"log_likelihood", "log_prior"}),
        ({"include_transformed": False}, {"unconstrained_posterior"}),
    ],
)
def test_idata_kwargs_leave_groups_out(options, absent):
    every = set(idt.group_names(shared()))
    names = set(idt.group_names(idt.to_inference_data(fit_result(), idata_kwargs=options)))
    assert every - names == absent


def test_idata_kwargs_add_dims_and_coords():
    plain = schools_target(dims={}, coords={})
    options = {"dims": {"offset": ["place"]}, "coords": {"place": list("abcdefgh")}}
    idata = idt.to_inference_data(fit_result(target=plain), idata_kwargs=options)
    posterior = idt.get_group(idata, "posterior")
    assert list(posterior["place"].values) == list("abcdefgh")
    assert posterior["scope.theta"].dims == ("chain", "draw", "scope.theta_dim_0")


def test_unknown_options_and_names_are_errors():
    with pytest.raises(OptionError, match="log_likelyhood"):
        idt.to_inference_data(fit_result(), idata_kwargs={"log_likelyhood": False})
    with pytest.raises(OptionError, match="other"):
        idt.to_inference_data(fit_result(), idata_kwargs={"log_likelihood": ["other"]})


def test_labels_that_do_not_fit_are_errors_that_name_the_variable():
    target = schools_target(coords={"school": SCHOOLS[:5]})
    with pytest.raises(ModelError, match=r"offset.*8 entries.*'school'.*5 labels"):
        idt.to_inference_data(fit_result(target=target))


def test_a_transform_that_changes_the_size_loses_the_labels():
    def simplex(positions, seed):
        weights = np.concatenate([np.exp(positions), np.ones((len(positions), 1))], -1)
        return {"posterior": {"share": weights / weights.sum(-1, keepdims=True)}}

    target = schools_target(
        variables={"share": (10,)},
        constrain=simplex,
        dims={"share": ("party",)},
        coords={"party": [f"p{i}" for i in range(11)]},
    )
    idata = idt.to_inference_data(fit_result(target=target))
    assert idt.get_group(idata, "posterior")["share"].dims == ("chain", "draw", "party")
    unconstrained = idt.get_group(idata, "unconstrained_posterior")["share"]
    assert unconstrained.dims == ("chain", "draw", "share_dim_0")
    assert "log_likelihood" not in idt.group_names(idata)


def test_names_that_collide_after_renaming_are_an_error():
    def colliding(positions, seed):
        return {"posterior": {"a/b": positions[:, 0], "a.b": positions[:, 1]}}

    with pytest.raises(ModelError, match=r"a\.b"):
        idt.to_inference_data(fit_result(target=schools_target(constrain=colliding)))


@pytest.mark.long
def test_repeated_dimensions_and_tuples_as_labels(tmp_path):
    def covariance(positions, seed):
        return {"posterior": {"cov": positions[:, :, None] * positions[:, None, :]}}

    target = schools_target(
        constrain=covariance,
        dims={"cov": ("axis", "axis")},
        coords={"axis": [(i, "x") for i in range(10)]},
    )
    idata = idt.to_inference_data(fit_result(target=target))
    assert idt.get_group(idata, "posterior")["cov"].dims == ("chain", "draw", "axis", "axis_bis")
    idt.save(idata, tmp_path / "tuples.nc")
    again = idt.get_group(idt.load(tmp_path / "tuples.nc"), "posterior")
    assert again["axis"].values[3] == "(3, 'x')"


def test_a_dimension_whose_name_ends_like_a_repeated_one_keeps_its_labels():
    arrays = {"x": np.zeros((2, 5, 3))}
    coords = {"state": [1, 2, 3], "state_bis": ["a", "b", "c"]}
    found = dataset(arrays, ("chain", "draw"), dims={"x": ["state_bis"]}, coords=coords)
    assert found["state_bis"].values.tolist() == ["a", "b", "c"]


# --- attributes -------------------------------------------------------------------------------


def test_attributes_at_the_root_and_on_the_posterior(idata):
    attrs = idt.attributes(idata)
    assert attrs["inference_library"] == "isogmm"
    assert attrs["inference_library_version"] == version("isogmm")
    assert attrs["modeling_library"] == "teststan"
    assert attrs["arviz_version"] == version("arviz")
    assert attrs["sampling_time"] == 1.5
    assert attrs["converged"] == 1
    assert attrs["created_at"].startswith("20")
    assert dict(idata.attrs) == attrs
    assert dict(idt.get_group(idata, "posterior").attrs) == attrs
    types = {type(value) for value in attrs.values()}
    assert types <= {str, int, float}


def test_all_attributes_become_text_or_numbers(tmp_path):
    odd = {"flag": np.bool_(True), "none": None, "seed": 2**100, "list": [1, 2], "k": np.inf}
    draws = xr.Dataset({"x": (("chain", "draw"), np.zeros((2, 3)))})
    idata = idt.from_groups({"posterior": draws}, odd)
    idt.save(idata, tmp_path / "odd.nc")
    attrs = idt.attributes(idt.load(tmp_path / "odd.nc"))
    assert attrs["flag"] == 1
    assert "none" not in attrs
    assert attrs["seed"] == str(2**100)
    assert json.loads(attrs["list"]) == [1, 2]
    assert attrs["k"] == np.inf


# --- the mixture ------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize("kind", ["identity", "diagonal", "dense", "low_rank"])
def test_a_saved_mixture_is_unchanged(kind, tmp_path):
    result = fit_result(kind)
    path = tmp_path / "fit.nc"
    idt.save(idt.to_inference_data(result), path)
    mixture = IsotropicMixture.from_idata(idt.load(path))
    path.unlink()  # works because the file is closed
    assert mixture.affine_map.kind == result.mixture.affine_map.kind
    np.testing.assert_allclose(mixture.log_prob(result.positions), result.log_q, rtol=0, atol=1e-10)
    draws, _ = mixture.sample(np.random.default_rng(0), 10)
    same, _ = result.mixture.sample(np.random.default_rng(0), 10)
    np.testing.assert_allclose(draws, same, rtol=1e-12)


def test_resume_needs_the_same_variables(idata):
    mixture = idt.resume_mixture(idata, schools_target())
    assert mixture.means.shape == (CHAINS, COMPONENTS, 10)
    other = schools_target(variables={"mu": (), "sigma": (), "offset": (7,)})
    with pytest.raises(OptionError, match=r"tau.*offset\[7\].*only in the model: sigma"):
        idt.resume_mixture(idata, other)
    swapped = schools_target(variables={"tau": (), "mu": (), "offset": (8,)})
    with pytest.raises(OptionError, match="order differs"):
        idt.resume_mixture(idata, swapped)


def test_a_result_of_another_library_has_no_mixture():
    draws = xr.Dataset({"x": (("chain", "draw"), np.zeros((2, 3)))})
    foreign = idt.from_groups({"posterior": draws}, {"inference_library": "stan"})
    with pytest.raises(OptionError, match="stan"):
        idt.mixture_from(foreign)
    with pytest.raises(OptionError, match="log_likelihood"):
        idt.get_group(foreign, "log_likelihood")


@pytest.mark.long
def test_groups_can_be_added_and_replaced(idata, tmp_path):
    for value in (1.0, 2.0):
        idata = idt.add_group(idata, "extra", xr.Dataset({"a": ("z", np.full(3, value))}))
    assert idt.group_names(idata).count("extra") == 1
    idt.save(idata, tmp_path / "extra.nc")
    assert idt.get_group(idt.load(tmp_path / "extra.nc"), "extra")["a"].values[0] == 2.0


# --- functions of ArviZ -----------------------------------------------------------------------


def test_arviz_statistics_run_on_the_result(idata):
    import arviz as az

    assert az.summary(idata, var_names=["mu", "tau"]).shape[0] == 2
    for function in (az.ess, az.rhat, az.hdi):
        values = function(idata)
        if isinstance(values, xr.DataTree):
            values = values.to_dataset()
        assert np.isfinite(values["scope.theta"].values).all()
    single = az.loo(idata)
    assert np.isfinite(single.elpd_loo if FIRST else single.elpd)
    second = idt.to_inference_data(fit_result("diagonal"))
    table = az.compare({"dense": idata, "diagonal": second})
    assert set(table.index) == {"dense", "diagonal"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "plot",
    ["plot_trace", "plot_pair", "plot_forest", "plot_posterior"]
    if FIRST
    else ["plot_trace", "plot_trace_dist", "plot_pair", "plot_forest", "plot_dist"],
)
def test_arviz_plots_run_on_the_result(idata, plot):
    import arviz as az
    import matplotlib.pyplot as plt
    from matplotlib.text import Text

    getattr(az, plot)(idata, var_names=["mu", "tau"])
    figures = [plt.figure(number) for number in plt.get_fignums()]
    texts = " ".join(text.get_text() for figure in figures for text in figure.findobj(Text))
    assert {"mu", "tau"} <= set(re.findall(r"[a-z]+", texts)), texts
    limits = [
        interval
        for figure in figures
        for axis in figure.axes
        for interval in (axis.get_xlim(), axis.get_ylim())
    ]
    # An axis shows the middle of the draws; a forest has one axis for both variables.
    draws = [idt.get_group(idata, "posterior")[name].values for name in ("mu", "tau")]
    widest = 40 * max(each.std() for each in draws)
    for low, high in (np.quantile(each, [0.25, 0.75]) for each in draws):
        assert any(a < low < high < b < a + widest for a, b in limits)
    plt.close("all")


def test_arviz_reads_and_writes_files(idata, tmp_path):
    import arviz as az

    # The default engine of 1.x is not a dependency of this library.
    engine = {} if FIRST else {"engine": "h5netcdf"}
    idata.to_netcdf(str(tmp_path / "theirs.nc"), **engine)
    again = az.from_netcdf(str(tmp_path / "theirs.nc"), **engine)
    assert set(idt.group_names(again)) == set(idt.group_names(idata))
    assert idt.attributes(again) == idt.attributes(idata)
    again.close()


def test_zarr_stores_the_result(idata, tmp_path):
    pytest.importorskip("zarr")
    # ArviZ 0.x does not support zarr 3, but a DataTree does.
    tree = idata.to_datatree() if FIRST else idata
    tree.to_zarr(tmp_path / "fit.zarr")
    again = xr.open_datatree(tmp_path / "fit.zarr", engine="zarr")
    assert set(again.children) == set(idt.group_names(idata))
    np.testing.assert_array_equal(again["posterior"]["mu"], idt.get_group(idata, "posterior")["mu"])
    assert idt.attributes(again)["inference_library"] == "isogmm"


def test_summary_has_the_same_columns_in_both_generations(idata):
    table = idt.summary(idata, var_names=["mu", "tau"])
    assert list(table.columns) == [
        "mean",
        "sd",
        "hdi_3%",
        "hdi_97%",
        "mcse_mean",
        "mcse_sd",
        "ess_bulk",
        "ess_tail",
        "r_hat",
    ]
    mu = idt.get_group(idata, "posterior")["mu"].values
    np.testing.assert_allclose(table.loc["mu", "mean"], mu.mean(), rtol=1e-12)
    assert list(idt.summary(idata, ci_prob=0.5).columns)[2:4] == ["hdi_25%", "hdi_75%"]


def test_loo_of_a_known_model():
    """LOO of independent draws compared with the log pointwise predictive density."""
    idata = shared()
    result = idt.loo(idata)
    log_likelihood = idt.get_group(idata, "log_likelihood")["effect"].values.reshape(-1, 8)
    lpd = np.log(np.exp(log_likelihood).mean(0)).sum()
    assert result.pareto_k.shape == (8,)
    assert np.isfinite(result.se)
    # p = lpd - elpd by definition, so the smoothing does not matter.
    np.testing.assert_allclose(result.elpd + result.p, lpd, rtol=1e-8)


def test_loo_of_several_variables_needs_var_name(idata):
    both = idt.get_group(idata, "log_likelihood")
    idata = idt.add_group(idata, "log_likelihood", both.assign(second=both["effect"]))
    with pytest.raises(OptionError, match="var_name"):
        idt.loo(idata)
    assert np.isfinite(idt.loo(idata, var_name="second").elpd)


IMPORTS_SCRIPT = """
import sys
import numpy as np
from isogmm import inference_data as idt
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.results.building.fit_result import FitResult
from isogmm.model.target import Target

def fail(positions):
    raise AssertionError

target = Target(
    variables={"x": (2,)},
    evaluate_point=fail,
    evaluate_batch=fail,
    constrain=lambda positions, seed: {"posterior": {"x": positions}},
    initial_positions=fail,
    dims={"x": ["place"]},
    coords={"place": ["here", "there"]},
)
mixture = IsotropicMixture(np.zeros((2, 1, 2)), np.ones((2, 1)), np.zeros((2, 1)))
zeros = np.zeros((2, 5))
whole = zeros.astype(int)
idata = idt.to_inference_data(
    FitResult(
        target=target,
        mixture=mixture,
        positions=np.zeros((2, 5, 2)),
        log_density=zeros,
        log_q=zeros,
        log_weights=zeros,
        components=whole,
        modes=whole,
    )
)
idt.attributes(idata), idt.get_group(idata, "posterior")["x"].values
heavy = {"arviz", "arviz_stats", "matplotlib", "numba", "sparse", "scipy.stats"}
print(sorted(heavy & set(sys.modules)))
"""


@pytest.mark.skipif(FIRST, reason="arviz itself contains InferenceData of ArviZ 0.x")
def test_building_a_result_imports_no_heavy_packages():
    done = subprocess.run([sys.executable, "-c", IMPORTS_SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"

"""A report of a damaged result is still a report, as text and as HTML."""

import json
import warnings

import numpy as np
import pytest
import xarray as xr

import isogmm
from helpers.results import fitted
from isogmm import inference_data as idt
from isogmm.results.groups import add_group
from isogmm.views.report import trace
from isogmm.views.report.damage import number_of

# Annotations are checked by the tests of the report of a whole result.
pytestmark = pytest.mark.usefixtures("unchecked")

DEEP = "[" * 100_000
SEARCH = {
    "starts_by_source": '{"prior": 12}',
    "paths_by_mode": "[7, 5]",
    "unseen_mode_bound": 0.01,
    "num_starts_since_new_mode": 9,
    "num_screened_points": 100,
    "search_end": "enough paths",
}


def some_pairs(names, kinds):
    """Pairs with every name and every kind; three quarters of all pairs are marked as long."""
    return [
        pytest.param(name, kind, marks=pytest.mark.long if (i + j) % 4 else ())
        for i, name in enumerate(names)
        for j, kind in enumerate(kinds)
    ]


def shown(idata):
    """The text of a report whose HTML can be made too, without a warning of NumPy."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = isogmm.report(idata)
        html, text = report._repr_html_(), str(report)
    assert html.startswith("<div")
    assert html.endswith("</div>")
    assert report.verdict in text
    return text


def changed(group, change, **given):
    """A result with a changed group."""
    idata = fitted(**given)
    add_group(idata, group, change(idt.get_group(idata, group).copy(deep=True)))
    return idata


def test_a_whole_result_names_no_damage():
    text = shown(fitted(attributes=SEARCH))
    assert "could not be read" not in text
    assert "12 from the prior; 100 further points" in text


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999", "null", '"x"', "{}"])
@pytest.mark.parametrize("name", ["stage_seconds", "stage_gradient_evaluations"])
def test_costs_that_are_no_numbers(name, value):
    text = shown(fitted(attributes={name: f'{{"locate": {value}, "mixture": 1}}'}))
    assert "optimizing the mixture" in text


@pytest.mark.parametrize(
    ("name", "value"),
    some_pairs(
        ["stage_seconds", "stage_gradient_evaluations", *SEARCH],
        ["", "x", DEEP, '{"a":' * 50_000, "[]", "3", "null", "{}", "9" * 400, "9" * 5000, np.nan],
    ),
)
def test_attributes_that_cannot_be_read(name, value):
    text = shown(fitted(attributes={**SEARCH, name: value}))
    assert "variable" in text


@pytest.mark.parametrize("name", SEARCH)
def test_missing_attributes_of_the_search(name):
    idata = fitted(attributes=SEARCH)
    for holder in (idata, idata["posterior"]):
        holder.attrs.pop(name, None)
    text = shown(idata)
    assert ("could not be read" in text) == (name != "starts_by_source")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, "text", 10**400])
def test_numbers_of_the_summary(value):
    names = ("log_evidence", "elbo", "elbo_se", "pareto_k", "sampling_time", "rhat_max")
    attributes = dict.fromkeys((*names, "num_gradient_evaluations", "num_nonfinite"), value)
    if isinstance(value, int):
        assert np.isnan(number_of(value))
        return
    shown(fitted(attributes=attributes))


FIT = ("mode_mass", "mode_mass_se", "mode_mean", "component_mode", "mean_shift", "log_sd_shift")
MORE = ("refine_memory", "refine_drift", "refine_drift_se", "whitening_factor")


@pytest.mark.parametrize(
    ("name", "kind"),
    some_pairs(
        [*FIT, *MORE, "means", "weights"],
        ["NaN", "infinite", "missing", "text", "dimension", "scalar"],
    ),
)
def test_variables_of_the_group_fit(name, kind):
    def change(fit):
        array = fit[name]
        fit = fit.drop_vars(name)
        if kind == "missing":
            return fit
        value = {"NaN": np.nan, "infinite": np.inf, "text": "x"}.get(kind, 0.5)
        dims = array.dims
        if kind == "dimension":
            dims = tuple(f"other_{dim}" for dim in dims)
        if kind == "scalar":
            return fit.assign({name: ((), value)})
        return fit.assign({name: (dims, np.full(array.shape, value))})

    text = shown(changed("fit", change))
    assert "gradient evaluations" in text


def test_a_mode_without_a_mass_is_shown():
    def change(fit):
        fit["mode_mass"].values[0] = np.nan
        return fit

    assert "Modes" in shown(changed("fit", change))


def test_an_empty_group_fit():
    assert "refined" in shown(changed("fit", lambda fit: xr.Dataset()))


def test_a_group_fit_without_coordinates():
    assert "refined" in shown(changed("fit", lambda fit: fit.drop_vars(list(fit.coords))))


def test_the_damaged_part_is_named():
    idata = fitted(attributes={"stage_seconds": "{"})
    assert "could not be read: costs" in shown(idata)


@pytest.mark.parametrize("name", ["elbo", "elbo_se", "gradient_evaluations"])
@pytest.mark.parametrize("kind", ["NaN", "infinite", "huge", "missing", "text", "dimension"])
def test_variables_of_the_trace(name, kind):
    def change(stats):
        array = stats[name]
        stats = stats.drop_vars(name)
        if kind == "missing":
            return stats
        values = {"NaN": np.nan, "infinite": np.inf, "text": "x", "huge": 1e308}
        new = np.full(array.shape, values.get(kind, 0.5))
        if kind == "huge":
            new[0] = -new[0]
        dims = tuple(f"other_{dim}" for dim in array.dims) if kind == "dimension" else array.dims
        return stats.assign({name: (dims, new)})

    assert "refined" in shown(changed("fit_stats", change))


@pytest.mark.parametrize("group", ["fit_stats", "posterior", "sample_stats"])
def test_an_empty_group(group):
    idata = fitted()
    attrs = dict(idata.attrs)
    add_group(idata, group, xr.Dataset())
    idata.attrs.update(attrs)
    assert "refined" in shown(idata)


@pytest.mark.parametrize("level", [1e16, 1e300, 1e308])
def test_a_constant_trace_of_any_size(level):
    values = np.full((5, 2), level)
    assert trace.blocks(values) == ""
    assert trace.svg(values, np.arange(5.0)) == ""


@pytest.mark.long
def test_a_saved_and_damaged_file(tmp_path):
    path = tmp_path / "fit.nc"
    idt.save(fitted(attributes=SEARCH), path)
    idata = idt.load(path)
    fit = idt.get_group(idata, "fit").drop_vars(["mode_mass_se", "component_mode"])
    add_group(idata, "fit", fit)
    idata.attrs["stage_seconds"] = json.dumps({"locate": float("nan")})
    assert "Modes" in shown(idata)

"""Draws, statistics, seeds, types and labels of a result are those of the fit."""

from dataclasses import replace

import numpy as np
import pytest

from isogmm import inference_data as idt
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.model.fit_target import FitTarget
from isogmm.model.target import Target
from isogmm.results.building import constrained as module
from isogmm.results.building.constrained import (
    constrained,
    log_likelihood_bytes,
    narrowed,
    seed_of_model,
)
from isogmm.results.building.constrained_in_time import _with_draws, constrained_in_time
from isogmm.results.building.datasets import dataset
from isogmm.results.building.fit_result import FitResult
from isogmm.results.building.from_draws import Labels, groups_of_draws, result_of_draws
from isogmm.results.building.minimal_result import minimal_result
from isogmm.results.building.result_options import ResultOptions

CHAINS, DRAWS = 2, 12
SHAPE = (CHAINS, DRAWS)


def transform(positions, seed):
    """A positive variable and the seed of the model's own random numbers."""
    return {
        "posterior": {"scale": np.exp(positions), "label": np.full(len(positions), seed)},
        "log_likelihood": {
            "y": positions[:, :1] + np.arange(7.0),
            "z": np.full(len(positions), float(seed)),
        },
        "log_prior": {"scale": -positions},
    }


def log_density(positions):
    return -0.5 * (positions**2).sum(-1), -positions


def target(**changes):
    fields = {
        "variables": {"scale": (3,)},
        "evaluate_point": log_density,
        "evaluate_batch": log_density,
        "constrain": transform,
        "initial_positions": lambda generator, n: generator.normal(size=(n, 3)),
        "dims": {"scale": ["place"], "y": ["row"]},
        "coords": {"place": list("abc")},
        "observed_data": {"y": np.zeros(7), "z": np.zeros(())},
        "constant_data": {"x": np.zeros(2)},
    }
    return Target(**{**fields, **changes})


def arrays(number):
    """Arrays of numbers that differ everywhere; the fourth and later ones are integers."""
    every = np.arange(CHAINS * DRAWS).reshape(SHAPE)
    return [every + 100 * i if i > 2 else every / 7.0 + 100 * i for i in range(number)]


def result(model=None, **changes):
    log_density, log_q = arrays(2)
    fields = {
        "target": target() if model is None else model,
        "mixture": IsotropicMixture(np.zeros((2, 1, 3)), np.ones((2, 1)), np.zeros((2, 1))),
        "positions": np.random.default_rng(0).normal(size=(*SHAPE, 3)),
        "log_density": log_density,
        "log_q": log_q,
        "attributes": {"random_seed": 3},
    }
    return FitResult(**{**fields, **changes})


# --- draws in parts ---------------------------------------------------------------------------


def test_each_part_of_the_draws_has_its_own_seed(monkeypatch):
    monkeypatch.setattr(module, "MAX_DRAWS_PER_CALL", 5)
    positions = result().positions
    found = constrained(target(), positions, 40, {"log_prior"})
    np.testing.assert_allclose(found["posterior"]["scale"], np.exp(positions))
    np.testing.assert_array_equal(
        found["posterior"]["label"].ravel(), 40 + 5 * (np.arange(CHAINS * DRAWS) // 5)
    )
    assert found.keys() == {"posterior", "log_likelihood"}


def test_draws_that_are_computed_in_time_keep_their_order():
    limited = FitTarget.of(target(), 1e4)
    limited.limit.deadline = None  # the first grace period has passed
    fit = result(limited)
    found, groups = constrained_in_time(fit, 40, set())
    np.testing.assert_array_equal(found.positions, fit.positions)
    np.testing.assert_array_equal(found.log_q, fit.log_q)
    np.testing.assert_allclose(groups["posterior"]["scale"], np.exp(fit.positions))
    # Parts of 1, 8 and 3 draws of each chain.
    seeds, counts = np.unique(groups["posterior"]["label"][0], return_counts=True)
    assert dict(zip(seeds.tolist(), counts.tolist(), strict=True)) == {40: 1, 41: 8, 49: 3}


def test_a_part_of_the_draws_has_its_statistics_and_normalized_weights():
    log_density, _, log_weights, components, modes = arrays(5)
    fit = result(log_weights=log_weights, components=components, modes=modes)
    kept = _with_draws(fit, np.array([7, 2]))
    np.testing.assert_array_equal(kept.positions, fit.positions[:, [7, 2]])
    np.testing.assert_array_equal(kept.log_density, log_density[:, [7, 2]])
    np.testing.assert_array_equal(kept.modes, modes[:, [7, 2]])
    assert np.exp(kept.log_weights).sum() == pytest.approx(1.0)
    ratios = kept.log_weights - log_weights[:, [7, 2]]
    np.testing.assert_allclose(ratios, ratios[0, 0])


def test_types_are_at_most_as_large_as_that_of_the_positions():
    given = {name: np.zeros(2, name) for name in ("float16", "float32", "float64", "int64", "bool")}
    found = narrowed({"posterior": given}, np.dtype("float32"))["posterior"]
    types = {name: array.dtype.name for name, array in found.items()}
    assert types == {**{name: name for name in given}, "float64": "float32"}


def test_the_seed_of_the_model_is_that_of_the_fit():
    seeds = {seed_of_model({"random_seed": seed}) for seed in range(10)}
    assert len(seeds) == 10
    assert max(seeds) < 2**31
    label = idt.get_group(idt.to_inference_data(result()), "posterior")["label"]
    assert (label == seed_of_model({"random_seed": 3})).all()


@pytest.mark.parametrize(("names", "entries"), [(None, 8), ("y", 7), (["z"], 1)])
@pytest.mark.parametrize(("dtype", "size"), [("float32", 4), ("float64", 8)])
def test_the_size_of_the_log_likelihood_is_that_of_all_chains(names, entries, dtype, size):
    positions = np.zeros((CHAINS, DRAWS, 3), dtype)
    assert log_likelihood_bytes(target(), positions, names) == size * entries * CHAINS * DRAWS


# --- groups and labels ------------------------------------------------------------------------


def test_each_statistic_has_its_own_values():
    log_density, log_q, log_weights, components, modes = arrays(5)
    fit = result(log_weights=log_weights, components=components, modes=modes)
    expected = {
        "lp": log_density,
        "log_q": log_q,
        "log_weight": log_weights,
        "component": components,
        "mode": modes,
    }
    found = fit.statistics()
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)
    lp = idt.get_group(minimal_result(fit), "sample_stats")["lp"]
    np.testing.assert_array_equal(lp, log_density)


def test_both_axes_of_a_repeated_dimension_have_its_labels():
    found = dataset(
        {"cov": np.zeros((*SHAPE, 3, 3))},
        ("chain", "draw"),
        dims={"cov": ["axis", "axis"]},
        coords={"axis": list("abc")},
    )
    assert found["cov"].dims == ("chain", "draw", "axis", "axis_bis")
    assert found["axis"].values.tolist() == found["axis_bis"].values.tolist() == list("abc")


def test_a_log_density_of_a_whole_vector_has_no_dimension_of_the_vector():
    draws = {
        "posterior": {"x": np.zeros((*SHAPE, 3))},
        "log_prior": {"x": np.zeros((*SHAPE, 1))},
    }
    labels = Labels("", "", {"x": ["place"]}, {"place": list("abc")})
    groups = groups_of_draws(draws, labels, {})
    assert groups["posterior"]["x"].dims[2:] == ("place",)
    assert groups["log_prior"]["x"].dims[2:] == ("x_dim_0",)


def test_unconstrained_draws_are_read_by_name_of_their_dimensions():
    fit = result()
    idata = idt.to_inference_data(fit)
    group = "unconstrained_posterior"
    swapped = idt.get_group(idata, group).transpose("place", "draw", "chain")
    np.testing.assert_array_equal(
        idt.positions_from(idt.add_group(idata, group, swapped)), fit.positions
    )
    # The result of another method has no group ``fit``.
    only = idt.from_groups({group: swapped})
    np.testing.assert_array_equal(idt.positions_from(only), fit.positions)


def test_the_draws_of_a_method_have_their_density_and_the_seed():
    positions = np.random.default_rng(1).normal(size=(*SHAPE, 3))
    idata = result_of_draws(target(), positions, library="isogmm", seed=9, attributes={})
    posterior, stats = idt.get_group(idata, "posterior"), idt.get_group(idata, "sample_stats")
    np.testing.assert_allclose(posterior["scale"], np.exp(positions))
    np.testing.assert_allclose(stats["lp"], -0.5 * (positions**2).sum(-1), rtol=1e-6)
    assert (posterior["label"] == 9).all()


# --- options ----------------------------------------------------------------------------------


def test_options_of_the_user_have_precedence_over_those_of_the_fit():
    defaults = dict.fromkeys(("log_likelihood", "log_prior", "include_transformed", "data"), False)
    fit = result(group_defaults=defaults)
    names = set(idt.group_names(idt.to_inference_data(fit)))
    assert names == {"posterior", "sample_stats", "fit"}
    asked = {"log_likelihood": True, "include_transformed": True}
    names = set(idt.group_names(idt.to_inference_data(fit, idata_kwargs=asked))) - names
    assert names == {"log_likelihood", "unconstrained_posterior"}


def test_labels_of_the_user_have_precedence_over_those_of_the_model():
    options = {
        "coords": {"place": list("uvw"), "line": np.arange(7) + 0.5},
        "dims": {"y": ["line"]},
    }
    idata = idt.to_inference_data(result(), idata_kwargs=options)
    assert idt.get_group(idata, "posterior")["place"].values.tolist() == list("uvw")
    found = idt.get_group(idata, "log_likelihood")["y"]
    assert found.dims[2:] == ("line",)
    assert found["line"].values[-1] == 6.5


@pytest.mark.parametrize("names", [["z"], True])
def test_the_limit_applies_to_the_chosen_variables(names):
    options = {"log_likelihood": names, "max_log_likelihood_bytes": 8 * CHAINS * DRAWS}
    if names is True:
        with pytest.warns(UserWarning, match="is left out"):
            idata = idt.to_inference_data(result(), idata_kwargs=options)
        assert "log_likelihood" not in idt.group_names(idata)
    else:
        idata = idt.to_inference_data(result(), idata_kwargs=options)
        assert list(idt.get_group(idata, "log_likelihood").data_vars) == ["z"]


def test_a_log_likelihood_that_the_user_asks_for_has_no_limit():
    limit = module.MAX_LOG_LIKELIHOOD_BYTES
    for given, expected in (
        ({}, limit),
        ({"log_likelihood": False}, limit),
        ({"log_likelihood": ["y"]}, None),
        ({"log_likelihood": True, "max_log_likelihood_bytes": 10}, 10.0),
    ):
        options = ResultOptions.of(given)
        assert options.max_log_likelihood_bytes == expected
        assert options.unlabelled() == replace(options, dims={}, coords={})

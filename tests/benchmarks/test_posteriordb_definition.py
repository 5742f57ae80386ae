"""posteriordb's definition of reference draws, on draws that satisfy it and on others."""

import numpy as np
import pytest

from benchmarks import cases, run
from benchmarks.posteriordb import collection, definition, table


def independent(seed=0):
    return np.random.default_rng(seed).normal(size=(10, 1_000, 3))


def test_independent_draws_satisfy_the_definition():
    row = definition.criteria(independent())
    assert row["satisfied"]
    assert row["repeated"] == 0
    # Standard error 0.01 for each of three quantities.
    assert row["autocorrelation"] < 0.045


def test_autocorrelation_is_that_of_an_autoregression():
    noise = independent()
    draws = noise.copy()
    for t in range(1, draws.shape[1]):
        draws[:, t, 0] = 0.2 * draws[:, t - 1, 0] + noise[:, t, 0]
    # Bias -1.6 / 1,000, standard error 0.01.
    assert definition.autocorrelation(draws)[0] == pytest.approx(0.2, abs=0.05)
    assert not definition.criteria(draws)["satisfied"]


def test_fewer_draws_repeated_draws_and_chains_that_disagree():
    draws = independent()
    assert not definition.criteria(draws[:, :999])["satisfied"]
    repeated = draws.copy()
    repeated[1] = repeated[0]
    assert definition.criteria(repeated)["repeated"] == 1_000
    shifted = draws.copy()
    shifted[0, :, 1] += 1.0
    row = definition.criteria(shifted)
    assert row["rhat"] > definition.MAX_RHAT
    assert not row["satisfied"]


def test_quantities_without_a_variance_are_compared_by_quantiles():
    name = "one_comp_mm_elim_abs-one_comp_mm_elim_abs"
    reference = collection.load(name).reference
    for variable, is_finite in (("k_a", True), ("K_m", False), ("V_m", False), ("sigma", True)):
        assert np.isfinite(reference.mean[variable]) == is_finite
        assert np.isfinite(reference.sd[variable]) == is_finite
        assert np.isfinite(reference.quantiles[variable]).all()
    row = run.run_case(f"posteriordb/{name}", 0, "exact")
    assert all(np.isfinite(row[key]) for key in collection.SCORES)


def test_errors_beyond_those_of_exact_draws_are_counted():
    name = "arK-arK"
    floors = collection.load(name).floors
    rows = [
        {"case": f"posteriordb/{name}", "seed": seed, "verdict": "good", **floors}
        | {"mean_max": floors["mean_max"] + shift, "num_gradient_evaluations": 10, "seconds": 1.0}
        for seed, shift in enumerate((-0.01, 0.01, 0.2))
    ]
    assert [table.excess(row)["mean_max"] > 0 for row in rows] == [False, True, True]
    assert table.of_kind("series", [name], rows, {})["above"] == 2
    assert table.line(name, rows, None)["mean_max"] == f"{rows[2]['mean_max']:.3f} (" + (
        f"{floors['mean_max']:.3f})"
    )
    assert set(cases.names("numpyro", ("posteriordb",))) == {
        f"posteriordb/{name}" for name in collection.names()
    }

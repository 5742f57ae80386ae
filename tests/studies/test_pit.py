"""PIT values of known draws: ties, data sets, and variables that cannot be compared."""

import numpy as np
import xarray as xr
from scipy.stats import kstest

from isogmm.results.arviz.versions import from_groups
from isogmm.results.groups import attributes, get_group
from isogmm.studies.datasets import Job
from isogmm.studies.pit import PIT, PitOfTruth


def pit_of(truth, values, index=0, seed=0, **others):
    """The PIT values of draws (chain, draw, ...) of a variable x, and of others at 1."""
    values = np.asarray(values)
    dims = ("chain", "draw", "row")[: values.ndim]
    posterior = xr.Dataset({"x": (dims, values), **others})
    result = from_groups({"posterior": posterior}, {"verdict": "good"})
    truths = {"x": np.asarray(truth), **{name: np.ones(index + 1) for name in others}}
    found = PitOfTruth(truths)(Job(index, index, None, seed), result)
    assert attributes(found)["verdict"] == "good"
    return get_group(found, PIT)


def test_the_share_of_draws_below_the_truth_of_the_data_set():
    draws = np.array([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]])
    truths = [0.5, 2.5, 8.5]
    assert [float(pit_of(truths, draws, index)["x"]) for index in range(3)] == [0.0, 0.25, 1.0]
    each = pit_of([[2.5, 7.5]], np.stack([draws, draws], axis=-1))["x"]
    np.testing.assert_array_equal(each, [0.25, 0.875])


def test_ties_are_broken_at_random():
    """Draws of a constant have PIT values that are uniform and differ between data sets."""
    truth = np.full((1, 200), 3)
    first, second = (pit_of(truth, np.full((2, 4, 200), 3), seed=s)["x"].values for s in (0, 1))
    assert kstest(first, "uniform").pvalue > 1e-4
    assert not np.isclose(first, second).all()
    # Half of the draws are equal to the truth, a quarter is below.
    part = pit_of(truth, np.tile([[[1], [3], [3], [5]]], 200))["x"].values
    assert kstest(part, "uniform", args=(0.25, 0.5)).pvalue > 1e-4


def test_variables_of_other_shapes_are_left_out():
    """Variables whose values are text are also left out."""
    y = ("chain", "draw"), np.zeros((2, 4))
    for truth, values in (([[1.0, 2.0]], np.zeros((2, 4))), ([1.0], np.full((2, 4), "a"))):
        assert set(pit_of(truth, values, y=y).data_vars) == {"y"}

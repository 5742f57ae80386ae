"""Names of the entries of arrays, by the labels of the user."""

import datetime

import numpy as np
import pandas as pd
import pytest

from isogmm.arrays import entry_names, logsumexp, logsumexp_and_shares

pytestmark = pytest.mark.usefixtures("unchecked")


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["a", "b"], ["x[a]", "x[b]"]),
        ((1990, 2000), ["x[1990]", "x[2000]"]),
        (np.array([0.5, 1.0]), ["x[0.5]", "x[1.0]"]),
        ([b"a", b"b"], ["x[a]", "x[b]"]),
        ([("a", 1), ("b", 2)], ["x[a, 1]", "x[b, 2]"]),
        (pd.date_range("2020-01-01", periods=2), ["x[2020-01-01]", "x[2020-01-02]"]),
        (pd.date_range("2020-01-01", periods=2).to_numpy(), ["x[2020-01-01]", "x[2020-01-02]"]),
        (
            [datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 2)],
            ["x[2020-01-01]", "x[2020-01-02]"],
        ),
        (pd.period_range("2020-01", periods=2, freq="M"), ["x[2020-01]", "x[2020-02]"]),
        (["a", "a"], ["x[0]", "x[1]"]),  # repeated labels do not tell entries apart
        (["a"], ["x[0]", "x[1]"]),
        (None, ["x[0]", "x[1]"]),
    ],
    ids=str,
)
def test_labels_of_every_kind_give_readable_names(labels, names):
    assert entry_names("x", (2,), [labels]) == names


def test_names_of_several_axes_and_of_scalars():
    assert entry_names("x", ()) == ["x"]
    assert entry_names("x", (2, 1), [None, ["a"]]) == ["x[0, a]", "x[1, a]"]


@pytest.mark.parametrize("rows", [[[0.0, 1.0], [700.0, -800.0]], [[-np.inf, 2.0], [-1e4, -1e4]]])
def test_shares_and_their_logarithmic_sum(rows):
    values = np.array(rows)
    total, shares = logsumexp_and_shares(values)
    np.testing.assert_allclose(total, np.logaddexp.reduce(values, axis=1), rtol=1e-15)
    np.testing.assert_array_equal(total, logsumexp(values))
    np.testing.assert_allclose(shares, np.exp(values - total[:, None]), rtol=1e-12)


def test_shares_of_a_row_without_a_finite_entry():
    with np.errstate(invalid="ignore", divide="ignore"):
        total, shares = logsumexp_and_shares(np.array([[-np.inf, -np.inf]]))
    assert total[0] == -np.inf
    assert np.isnan(shares).all()

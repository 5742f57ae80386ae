"""What the table of a comparison prints."""

import numpy as np
import pytest

import isogmm
from isogmm.views.comparison.shown import PRINTED

pytestmark = pytest.mark.usefixtures("unchecked")


@pytest.fixture(scope="module")
def results():
    generator = np.random.default_rng(0)
    return {name: {"x": generator.normal(size=(4, 200, 3))} for name in ("isogmm", "nuts")}


@pytest.fixture(scope="module")
def table(results):
    return isogmm.compare(results, "nuts")


def header(text):
    """The names of the printed columns, in all blocks of a wide table."""
    return {word for word in text.replace("\\", " ").split() if "_" in word or word == "seconds"}


def test_a_selection_is_printed_and_all_columns_are_there(table):
    text = repr(table)
    assert header(text.split("\n[")[0]) == set(PRINTED)
    assert str(table) == repr(table)
    assert "[8 of 27 columns; compare(..., all_columns=True) prints all]" in text
    assert len(table.columns) == 27
    assert table.loc["isogmm", "mmd2_floor"] > 0
    document = table._repr_html_()
    assert "mean_rms_floor" in document
    assert "sliced_w2" not in document


def test_all_columns_are_printed_on_request(results):
    full = isogmm.compare(results, "nuts", all_columns=True)
    assert header(repr(full)) >= set(full.columns) - {"mmd2"}
    assert all(f"<th>{name}</th>" in full._repr_html_() for name in full.columns)


def test_what_the_user_selects_is_printed_as_a_whole(table):
    assert "mmd2" in repr(table[["mmd2", "mmd2_se"]])
    assert "columns;" not in repr(table[["mean_rms", "sliced_w2"]])
    assert "gradient_evaluations" in repr(table.T)
    assert "8 of 27" in repr(table.round(2))
    assert "8 of 27" in repr(table.sort_values("mean_rms"))


def test_numbers_that_are_missing_are_printed(table):
    broken = table.copy()
    broken.loc["isogmm", ["ess_min", "gradient_evaluations"]] = [np.nan, np.inf]
    assert "<NA>" in repr(broken)

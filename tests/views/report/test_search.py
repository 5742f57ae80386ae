"""The rows of a report about the search for modes."""

import json
import re

import pytest

import isogmm
from helpers.results import fitted
from isogmm.views.report.damage import Damage
from isogmm.views.report.search import search_rows


def rows(paths, bound, since):
    attrs = {
        "paths_by_mode": json.dumps(paths),
        "starts_by_source": json.dumps({"model": 160, "prior": 0, "chains": 8}),
        "num_screened_points": 4096,
        "search_end": "further paths led to no new mode",
        "unseen_mode_bound": bound,
        "num_starts_since_new_mode": since,
    }
    return dict(search_rows(attrs, Damage()))


def test_the_search_is_summarized():
    found = rows([120, 40], 0.02, 150)
    assert found["modes"] == "2 (paths that ended there: 120, 40)"
    assert found["starting points"] == (
        "160 from the model, 8 from HMC chains; 4,096 further points were evaluated once"
    )
    assert found["chance of a new mode"] == (
        "at most 0.02 for the next path (the last 150 paths found none)"
    )


@pytest.mark.parametrize(("bound", "since"), [(1.0, 3), (0.005, 572)])
def test_the_chance_of_a_new_mode_is_left_out_if_no_path_ended_in_a_mode(bound, since):
    found = rows([0], bound, since)
    assert found["modes"] == "1"
    assert "chance of a new mode" not in found


@pytest.mark.parametrize("count", [0, 98_304])
def test_values_without_gradients_have_a_row_of_their_own(count):
    text = str(isogmm.report(fitted(attributes={"num_value_evaluations": count})))
    label = "evaluations without gradient"
    assert re.search(rf"{label}\s+98,304", text) if count else label not in text

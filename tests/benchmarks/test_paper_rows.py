"""The table of the paper's rows: one search for both families, medians, what won."""

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import paper_rows
from isogmm.recipe import find_coordinates


def test_the_second_search_returns_the_first(monkeypatch):
    calls = []

    def search(target, generator, options):
        calls.append(generator.random())
        return SimpleNamespace(means=np.zeros(3))

    monkeypatch.setattr(find_coordinates, "locate", search)
    with paper_rows.searched_once():
        generators = [np.random.default_rng(seed) for seed in (0, 1)]
        found = [find_coordinates.locate(None, generator, None) for generator in generators]
        # What follows the search has the same random numbers too.
        assert generators[0].random() == generators[1].random()
        assert found[0] is not found[1]
    assert len(calls) == 1
    assert find_coordinates.locate is search


def test_a_table_has_medians_and_ranges():
    row = {"name": "a", "covariances": "isotropic", "components": 16, "verdict": "refined"}
    rows = [
        {**row, "family": family, "seed": seed, "kl": kl + seed, "gradients": 1000 * (seed + 1)}
        | ({"covariances": "full", "components": 5} if family == "auto" else {})
        for family, kl in (("isotropic", 3.0), ("auto", 0.25))
        for seed in (0, 1, 2)
    ]
    (line,) = paper_rows.table(rows).splitlines()[2:]
    assert line == ("| a | 4 (3, 5) | 1.25 (0.25, 2.25) | full, 5 | refined | 2,000 |")


@pytest.mark.long
@pytest.mark.parametrize("name", ["logistic_31", "planar_robot"])
def test_models_of_unknown_evidence(name):
    model, log_evidence = paper_rows.model_of(name)
    assert np.isnan(log_evidence)
    assert model.to_target().dim in (10, 31)

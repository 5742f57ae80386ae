"""The script for data in blocks prints its table, and its methods find the posterior."""

import functools

import numpy as np
import pytest

import isogmm
from benchmarks import row_blocks


@pytest.mark.long  # a script for measurements; fast: tests/rows
@pytest.mark.numpyro
@pytest.mark.weak_dtypes  # the models of the script are written as users write theirs
@pytest.mark.usefixtures("unchecked")
def test_the_script_prints_its_table(capsys, monkeypatch):
    monkeypatch.setattr(row_blocks, "DIM", 3)
    monkeypatch.setattr(row_blocks, "BATCH", 200)
    smaller = functools.partial(isogmm.fit_rows, sample_rows=1_000)
    monkeypatch.setattr(isogmm, "fit_rows", smaller)
    row_blocks.main(["--rows", "4000", "--methods", "fit_rows", "control_variates", "svi"])
    header, _, *rows = capsys.readouterr().out.splitlines()
    assert all(row.count("|") == header.count("|") for row in rows)
    errors = {row.split(" | ")[0][2:]: np.array(row.split(" | ")[2:4], float) for row in rows}
    # Five standard errors of 4,000 draws, and the skewness of the posterior of 4,000 rows.
    assert np.all(errors["fit_rows"] < 5 / np.sqrt(4_000) + 0.05)
    # The reference is the mode of all rows for the other methods, too.
    assert np.all(errors["control_variates"] < 0.5)
    assert errors["svi"][0] > errors["fit_rows"][0]

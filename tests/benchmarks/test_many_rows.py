"""The script for many rows prints its table."""

import pytest

from benchmarks import many_rows


@pytest.mark.long  # a script for measurements
@pytest.mark.weak_dtypes  # the model of the script is written as users write theirs
@pytest.mark.usefixtures("unchecked")
def test_the_script_prints_its_table(capsys, monkeypatch):
    monkeypatch.setattr(many_rows, "SECONDS", 0.01)
    monkeypatch.setattr(many_rows, "in_fresh_process", many_rows.measure)
    many_rows.main(["--rows", "10", "20", "--fit", "0.3"])
    header, _, *rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 4
    assert all(row.count("|") == header.count("|") for row in rows)
    for row, precision in zip(rows, ["float64", "float64", "float32", "float32"], strict=True):
        assert f"| {precision} |" in row


def test_the_exponent():
    first, second = {"rows": 10, "ms": 1.0}, {"rows": 1000, "ms": 100.0}
    assert many_rows.slope(first, second) == pytest.approx(1.0, rel=1e-12)

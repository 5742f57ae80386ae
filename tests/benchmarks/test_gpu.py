"""The script for accelerators runs on a CPU."""

import pytest

from benchmarks import gpu


@pytest.mark.long  # a script for measurements
@pytest.mark.weak_dtypes  # the models of the script are written as users write theirs
@pytest.mark.usefixtures("unchecked")
def test_the_script_prints_both_tables(capsys, monkeypatch):
    monkeypatch.setattr(gpu, "SECONDS", 0.01)
    gpu.main(["--small"])
    printed = capsys.readouterr().out
    assert "microseconds per gradient by rows per batch" in printed
    for name in gpu.MODELS:
        assert printed.count(name) >= 2

"""The script of the page about several processes."""

import importlib
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from helpers.sources import ROOT

FOLDER = ROOT / "docs" / "examples"


@pytest.mark.long  # fast: model/workers/test_executor.py
@pytest.mark.usefixtures("unchecked", "short_search")
def test_workers_example(monkeypatch, capsys):
    """With threads: tests/model/workers/test_executor.py starts processes, which takes seconds."""
    monkeypatch.syspath_prepend(FOLDER)
    script = importlib.import_module("workers")
    monkeypatch.setattr(
        script, "ProcessPoolExecutor", lambda workers, mp_context: ThreadPoolExecutor(workers)
    )
    script.main()
    assert "the same draws: True" in capsys.readouterr().out
    # A worker imports the script, and must not start workers then.
    text = (FOLDER / "workers.py").read_text(encoding="utf-8")
    assert re.search(r'^if __name__ == "__main__":.*\n    main\(\)$', text, re.MULTILINE)
    assert not re.search(r"^main\(", text, re.MULTILINE)

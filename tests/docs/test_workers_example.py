"""The script of the page about several processes."""

import subprocess
import sys

from helpers.sources import ROOT


def test_workers_example():
    script = ROOT / "docs" / "examples" / "workers.py"
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "the same draws: True" in done.stdout

"""Data on several devices; JAX needs a process of its own to have two on one CPU."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.numpyro
def test_data_stay_on_their_devices():
    script = Path(__file__).with_name("sharded_fit.py")
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "done"

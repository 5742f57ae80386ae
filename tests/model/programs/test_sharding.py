"""Data on several devices; JAX needs a process of its own to have two on one CPU."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.long
@pytest.mark.numpyro
def test_data_stay_on_their_devices():
    script = Path(__file__).with_name("sharded_fit.py")
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "done"


@pytest.mark.long
@pytest.mark.numpyro
def test_two_processes_make_the_same_fit():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = Path(__file__).with_name("shared_fit.py")
    started = [
        subprocess.Popen(
            [sys.executable, script, str(process), str(port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for process in range(2)
    ]
    try:
        outputs = [process.communicate(timeout=600) for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0, 0], outputs
    lines = [output.strip().splitlines()[-1] for output, _ in outputs]
    assert lines[0] == lines[1]
    assert "max_seconds" in lines[0]

"""A fit in a forked process is an error, not an endless wait."""

import subprocess
import sys

import pytest

PROGRAM = """
import os, sys
import jax.numpy as jnp
import numpy as np
import isogmm
from isogmm.errors import IsogmmError

def fitted():
    model = isogmm.LogDensity(lambda x: -0.5 * jnp.sum(x**2), np.zeros(2))
    few = isogmm.Locate(num_starts=4, num_evaluations=0, num_candidate_paths=1)
    isogmm.fit_isogmm(model, random_seed=0, draws=20, refine=0, init=few, progressbar=False)

fitted()
if os.fork() == 0:
    try:
        fitted()
    except IsogmmError as error:
        print(error, flush=True)
    finally:
        os._exit(0)
os.wait()
fitted()
print("done")
"""


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_a_fit_in_a_forked_process_is_an_error():
    # The time limit is that of the test: without the error, the program waits forever.
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    message, end = done.stdout.splitlines()
    assert "forked after a fit" in message
    assert "get_context('spawn')" in message
    assert end == "done"

"""Programs on disk: only where the user asks for them."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys

import pytest
import jax, jax.numpy as jnp, numpy as np
import isogmm
if len(sys.argv) > 1:
    assert isogmm.enable_compilation_cache(sys.argv[1]) == sys.argv[1]
hits = []
jax.monitoring.register_event_listener(lambda event, **_: hits.append(event))
model = isogmm.LogDensity(lambda x: -0.5 * jnp.sum(x**2), np.zeros(2))
model.to_target().prepare()
print(sum(event == "/jax/compilation_cache/cache_hits" for event in hits))
"""


def hits(*arguments):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


@pytest.mark.long  # two processes; fast: the cache of the process in test_fit_many.py
def test_a_second_process_reads_the_programs(tmp_path):
    folder = str(tmp_path / "programs")
    assert hits(folder) == 0
    assert any((tmp_path / "programs").iterdir())
    assert hits(folder) >= 2

"""Programs on disk: only where the user asks for them."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from isogmm.studies import compilation_cache as module

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


def test_the_default_folder_is_that_of_jax_or_in_the_cache_of_the_user(tmp_path, monkeypatch):
    settings = {}
    config = SimpleNamespace(update=settings.__setitem__, jax_compilation_cache_dir=None)
    monkeypatch.setattr(module, "jax", SimpleNamespace(config=config))
    monkeypatch.setattr(module, "_forget_that_there_was_no_cache", lambda: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "cache" / "isogmm" / "jax"
    for _ in range(2):  # the second time the folder exists
        assert module.enable_compilation_cache() == str(folder)
    assert folder.is_dir()
    assert settings["jax_compilation_cache_dir"] == str(folder)
    # Every program is stored, however small and quickly compiled.
    assert settings["jax_persistent_cache_min_compile_time_secs"] == 0
    assert settings["jax_persistent_cache_min_entry_size_bytes"] == -1
    config.jax_compilation_cache_dir = str(tmp_path / "known")
    assert module.enable_compilation_cache() == str(tmp_path / "known")

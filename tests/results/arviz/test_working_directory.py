"""A fit in a directory that has been deleted, as that of a job can be."""

import os
import subprocess
import sys
import textwrap

import pytest

from isogmm.results.arviz.working_directory import existing_directory

PROGRAM = """
    import os, shutil, tempfile

    folder = tempfile.mkdtemp()
    os.chdir(folder)
    shutil.rmtree(folder)
    import jax.numpy as jnp
    import numpy as np

    import isogmm

    model = isogmm.LogDensity(lambda x: -0.5 * jnp.sum(x**2), np.zeros(2))
    few = isogmm.Locate(num_starts=4, num_evaluations=0, num_candidate_paths=1)
    options = {"random_seed": 0, "draws": 50, "refine": 0, "init": few, "progressbar": False}
    idata = isogmm.fit_isogmm(model, **options)
    print(idata.attrs["verdict"], len(isogmm.inference_data.summary(idata)))
"""


@pytest.mark.long  # a process; fast: the test below
def test_a_fit_in_a_deleted_directory(tmp_path):
    # A file, because JAX itself cannot be imported by ``python -c`` in a deleted directory.
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(PROGRAM), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["good", "2"], done.stderr


def test_the_directory_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with existing_directory():
        assert os.getcwd() == str(tmp_path)
    deleted = tmp_path / "deleted"
    deleted.mkdir()
    monkeypatch.chdir(deleted)
    deleted.rmdir()
    with existing_directory():
        os.getcwd()
    with pytest.raises(FileNotFoundError):
        os.getcwd()


def test_no_file_stays_open_after_a_deleted_directory(tmp_path, monkeypatch):
    def lowest_free():
        number = os.dup(0)
        os.close(number)
        return number

    monkeypatch.chdir(tmp_path)
    tmp_path.rmdir()
    before = lowest_free()
    with existing_directory():
        os.getcwd()
    assert lowest_free() == before

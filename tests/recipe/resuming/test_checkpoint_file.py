"""A checkpoint never costs the fit: bad paths, full disks, damaged files, shared paths."""

import errno
import os
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest

import isogmm
from helpers.targets import correlated_gaussian
from isogmm import inference_data as idt
from isogmm.errors import FitWarning, ModelError, OptionError
from isogmm.recipe.resuming import checkpoint_file
from isogmm.recipe.resuming.checkpoint_file import checked_path, read_arrays, write_arrays

pytestmark = pytest.mark.usefixtures("unchecked", "short_search")

QUICK = {"random_seed": 0, "progressbar": False, "draws": 50, "refine": 0}


@pytest.fixture(scope="module")
def target():
    return correlated_gaussian(2).target()


@pytest.fixture(scope="module")
def stored(target, tmp_path_factory):
    """The arrays of a real checkpoint."""
    path = tmp_path_factory.mktemp("checkpoint") / "fit.npz"
    isogmm.fit_isogmm(target, **QUICK, num_components=3, checkpoint=path)
    assert list(path.parent.iterdir()) == [path]
    return read_arrays(path)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("", "empty path"),
        ("  ", "empty path"),
        (".", "is a folder"),
        ("missing/fit.npz", "does not exist: create 'missing' first"),
        ("file/fit.npz", "does not exist|cannot be written"),
        ("a\0b.npz", "cannot be written"),
        ("x" * 300, "cannot be written"),
        ("/dev/null", "not a regular file"),
        ("/proc/fit.npz", "cannot be written"),
        (b"fit.npz", "must be the path"),
        (3, "must be the path"),
        (True, "must be the path"),
    ],
)
def test_a_bad_path_is_refused_before_the_fit(path, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    calls = []

    def value_and_grad(x):
        calls.append(x)
        return -0.5 * float(x @ x), -x

    model = isogmm.LogDensity(None, np.zeros(2), value_and_grad=value_and_grad)
    calls.clear()
    with pytest.raises(OptionError, match=message):
        isogmm.fit_isogmm(model, checkpoint=path, progressbar=False)
    assert not calls
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_path_without_a_folder_is_one_in_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert str(checked_path("fit.npz")) == "fit.npz"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_full_disk_is_reported_once_and_the_fit_goes_on(number, target, tmp_path, monkeypatch):
    path = tmp_path / "fit.npz"
    real, tries = np.savez, []

    def full(file, **arrays):
        real(file, **arrays)
        tries.append(file.name)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(checkpoint_file.np, "savez", full)
    with pytest.warns(FitWarning) as record:
        idata = isogmm.fit_isogmm(target, **QUICK, num_components=3, checkpoint=path)
    own = [str(one.message) for one in record if "checkpoint" in str(one.message)]
    assert len(own) == 1
    assert os.strerror(number) in own[0]
    assert str(path) in own[0]
    assert len(tries) > 1
    assert len(set(tries)) == len(tries)
    assert idata.attrs["converged"] == 1
    assert not list(tmp_path.iterdir())


def test_a_folder_that_disappears_does_not_end_the_fit(target, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()

    def remove(check):
        if folder.exists():
            (folder / "fit.npz").unlink()
            folder.rmdir()

    with pytest.warns(FitWarning, match="could not be written"):
        idata = isogmm.fit_isogmm(
            target, **QUICK, num_components=3, checkpoint=folder / "fit.npz", callback=remove
        )
    assert idata.attrs["converged"] == 1


def test_a_failed_write_keeps_the_earlier_file(tmp_path, monkeypatch):
    path = tmp_path / "fit.npz"
    write_arrays(path, {"names": np.array(["x"])})

    def stops(file, **arrays):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint_file.np, "savez", stops)
    with pytest.raises(KeyboardInterrupt):
        write_arrays(path, {})
    assert read_arrays(path)["names"].tolist() == ["x"]
    assert list(tmp_path.iterdir()) == [path]


def test_temporary_files_of_killed_processes_are_removed_later(tmp_path):
    old, new = (tmp_path / f".fit.npz.{name}.part" for name in ("old", "new"))
    for one in (old, new):
        one.write_bytes(b"half")
    os.utime(old, (time.time() - 2 * checkpoint_file.MAX_TEMPORARY_AGE,) * 2)
    checked_path(tmp_path / "fit.npz")
    assert list(tmp_path.iterdir()) == [new]


def test_a_link_stays_a_link(tmp_path):
    file, link = tmp_path / "file.npz", tmp_path / "link.npz"
    link.symlink_to(file)
    write_arrays(link, {"names": np.array(["x"])})
    assert link.is_symlink()
    assert read_arrays(file)["names"].tolist() == ["x"]


def damage(arrays, path, kind):
    """Write a damaged checkpoint; returns nothing."""
    write_arrays(path, arrays)
    whole = path.read_bytes()
    if kind == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("no mixture")
    elif kind == "modified":
        place = whole.index(np.asarray(arrays["means"]).tobytes())
        path.write_bytes(whole[:place] + b"\xff" * 8 + whole[place + 8 :])
    elif kind == "pickle":
        np.savez(path, names=np.array([{"a": 1}], dtype=object))
    elif kind == "pickled array":
        with path.open("wb") as file:
            np.save(file, np.array([None]), allow_pickle=True)
    elif kind == "plain array":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    elif kind == "another archive":
        with path.open("wb") as file:
            np.savez(file, x=np.zeros(3))


KINDS = (
    "truncated",
    "empty",
    "text",
    "modified",
    "pickle",
    "pickled array",
    "plain array",
    "another archive",
)


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_named_with_the_remedy(kind, stored, target, tmp_path):
    path = tmp_path / "fit.npz"
    damage(stored, path, kind)
    before = path.read_bytes()
    with pytest.raises(ModelError, match=r"not a complete checkpoint.*Remove the file") as error:
        isogmm.fit_isogmm(target, **QUICK, checkpoint=path)
    assert str(path) in str(error.value)
    assert "pickle" not in str(error.value)
    assert path.read_bytes() == before


def test_every_truncated_file_is_refused(stored, tmp_path):
    path = tmp_path / "fit.npz"
    write_arrays(path, stored)
    whole = path.read_bytes()
    for size in range(0, len(whole), 97):
        path.write_bytes(whole[:size])
        with pytest.raises(ModelError, match="Remove the file"):
            read_arrays(path)


CHANGES = {
    "NaN means": ("means", lambda a: a * np.nan, "means are not finite"),
    "an infinite mean": ("means", lambda a: np.where(a == a.max(), np.inf, a), "1 of its means"),
    "zero variances": ("variances", lambda a: a * 0, "variances are not positive"),
    "negative variances": ("variances", lambda a: -a, "variances are not positive"),
    "NaN variances": ("variances", lambda a: a * np.nan, "variances are not finite"),
    "large weights": ("log_weights", lambda a: a + 1, "sums of weights are not 1"),
    "NaN weights": ("log_weights", lambda a: a * np.nan, "sums of weights are not 1"),
    "no weights": ("log_weights", None, "no 'log_weights'"),
    "no means": ("means", None, "no 'means'"),
    "text": ("means", lambda a: a.astype(str), "damaged|not a complete"),
    "fewer components": ("means", lambda a: a[:, :1], "Remove the file"),
    "fewer coordinates": ("means", lambda a: a[..., :1], "Remove the file"),
    "a singular map": ("map_scale", lambda a: a * 0, "must be positive"),
    "an undefined map": ("map_center", lambda a: a * np.nan, "not finite"),
    "a map of another size": ("map_center", lambda a: a[:1], "Remove the file"),
    "undefined modes": ("centers", lambda a: a * np.nan, "centers of its modes"),
    "modes of another size": ("centers", lambda a: a[:, :1], "centers of its modes"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_invalid_parameters_are_refused(name, stored, target, tmp_path):
    variable, change, message = CHANGES[name]
    path, arrays = tmp_path / "fit.npz", dict(stored)
    if change is None:
        del arrays[variable]
    else:
        arrays[variable] = change(arrays[variable])
    write_arrays(path, arrays)
    with pytest.raises(ModelError, match=message) as error:
        isogmm.fit_isogmm(target, **QUICK, checkpoint=path)
    assert str(path) in str(error.value)
    assert "Remove the file" in str(error.value)


def test_the_checkpoint_of_another_function_is_refused(target, tmp_path):
    path = tmp_path / "fit.npz"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        isogmm.fit_factorized(
            target, random_seed=0, progressbar=False, draws=50, max_iterations=5, checkpoint=path
        )
    with pytest.raises(ModelError, match="Remove the file"):
        isogmm.fit_isogmm(target, **QUICK, checkpoint=path)


@pytest.mark.parametrize(
    ("variable", "change", "message"),
    [
        ("variances", lambda a: -a, "variances are not positive"),
        ("variances", lambda a: a * 0, "variances are not positive"),
        ("weights", lambda a: a * 2, "sums of weights are not 1"),
        ("weights", lambda a: -a, "sums of weights are not 1"),
        ("means", lambda a: a * np.nan, "not finite"),
    ],
)
def test_a_damaged_result_is_not_continued(variable, change, message, target):
    earlier = isogmm.fit_isogmm(target, **QUICK, num_components=3)
    fit = idt.get_group(earlier, "fit").copy(deep=True)
    fit[variable].values[:] = change(fit[variable].values)
    earlier["fit"] = fit
    with pytest.raises(OptionError, match=message):
        isogmm.fit_isogmm(target, **QUICK, resume=earlier)


SHARED = """
import sys
from pathlib import Path
import numpy as np
from isogmm.recipe.resuming.checkpoint_file import checked_path, read_arrays, write_arrays

path = checked_path(sys.argv[1])
for index in range(150):
    write_arrays(path, {"names": np.full(500, index)})
    assert len(set(read_arrays(path)["names"].tolist())) == 1
"""


@pytest.mark.long
def test_processes_that_share_a_path(tmp_path):
    path = tmp_path / "fit.npz"
    processes = [
        subprocess.Popen([sys.executable, "-c", SHARED, str(path)], stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors.decode()
    assert list(tmp_path.iterdir()) == [path]

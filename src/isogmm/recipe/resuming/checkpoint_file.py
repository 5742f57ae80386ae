"""The file of a checkpoint: its path, and reading and writing it as plain arrays."""

import contextlib
import os
import time
import uuid
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from isogmm.errors import ModelError, OptionError

#: Age in seconds from which a temporary file belongs to a process that was killed.
MAX_TEMPORARY_AGE = 3600


def checked_path(path: object) -> Path | None:
    """The path of a checkpoint, None without one; an error if no file can be written there.

    Raises
    ------
    OptionError
        If the path is no text, is empty or a folder, or if its folder does not exist or cannot be
        written.
    """
    if path is None:
        return None
    if not isinstance(path, str | os.PathLike) or isinstance(os.fspath(path), bytes):
        raise OptionError(
            f"checkpoint must be the path of a file, such as 'fit.npz', or None; it is {path!r} "
            f"({type(path).__name__})"
        )
    if not os.fspath(path).strip():
        raise OptionError(
            "checkpoint is an empty path: pass the path of a file, such as 'fit.npz', or None"
        )
    checked = Path(path)
    try:
        if checked.is_dir():
            raise OptionError(
                f"checkpoint={str(path)!r} is a folder: pass the path of a file in it, such as "
                f"{str(checked / 'fit.npz')!r}"
            )
        if checked.exists() and not checked.is_file():
            raise OptionError(f"checkpoint={str(path)!r} is not a regular file: pass another path")
        if not checked.parent.is_dir():
            raise OptionError(
                f"the folder of checkpoint={str(path)!r} does not exist: create "
                f"{str(checked.parent)!r} first, or pass a path in another folder"
            )
        _remove_old(checked)
        _write_whole(checked, b"", keeps=False)
    except (OSError, ValueError) as error:
        if isinstance(error, OptionError):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise OptionError(
            f"the file checkpoint={str(path)!r} cannot be written ({reason}): pass a path in a "
            "folder that this process can write"
        ) from error
    return checked


def write_arrays(path: Path, arrays: Mapping[str, object]) -> None:
    """Replace the file in one step, so that a crash leaves the old file or the new one.

    Raises
    ------
    OSError
        If the file cannot be written; no temporary file stays.
    """
    _write_whole(path, arrays)


def read_arrays(path: Path) -> dict[str, np.ndarray] | None:
    """The arrays of a checkpoint, or None where no file is there yet.

    Raises
    ------
    ModelError
        If the file cannot be read, is damaged, or is not a checkpoint.
    """
    try:
        # NumPy would take any other file for pickled objects.
        if not zipfile.is_zipfile(path):
            if not path.exists():
                return None
            path.open("rb").close()
            raise damaged(path)
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except FileNotFoundError:
        return None
    except ModelError:
        raise
    except OSError as error:
        raise ModelError(
            f"the checkpoint {path} cannot be read ({error.strerror or error}): make it readable, "
            "or give another path"
        ) from error
    except Exception:  # what a damaged file raises depends on the damaged byte
        raise damaged(path) from None
    if not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise damaged(path)
    return arrays


def damaged(path: Path, detail: str = "") -> ModelError:
    """The error about a file that is not a complete checkpoint."""
    return ModelError(
        f"the file {path} is not a complete checkpoint of a fit: it is truncated, was modified, or "
        f"was written by another program{f' ({detail})' if detail else ''}. Remove the file to "
        "start the fit anew, or give another path."
    )


def _write_whole(path: Path, content: Mapping[str, object] | bytes, keeps: bool = True) -> None:
    """Write a temporary file next to the file, and rename it; or only write and remove it."""
    target = Path(os.path.realpath(path))  # a link stays a link
    # Each write has its own name, so that processes that share a path do not disturb each other.
    # The file gets the permissions of any new file, unlike one of the module tempfile.
    temporary = target.with_name(f".{target.name[:100]}.{uuid.uuid4().hex}.part")
    try:
        with temporary.open("xb") as file:
            if isinstance(content, bytes):
                file.write(content)
            else:
                np.savez(file, **content)  # type: ignore[arg-type]
        if keeps:
            os.replace(temporary, target)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _remove_old(path: Path) -> None:
    """Remove temporary files of processes that were killed while they wrote."""
    target = Path(os.path.realpath(path))
    prefix = f".{target.name[:100]}."
    for other in target.parent.iterdir():
        if other.name.startswith(prefix) and other.name.endswith(".part"):
            with contextlib.suppress(OSError):
                if time.time() - other.stat().st_mtime > MAX_TEMPORARY_AGE:
                    other.unlink()

"""Imports in a process whose working directory has been deleted."""

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def existing_directory() -> Iterator[None]:
    """A context in which the working directory exists.

    ArviZ looks for a file of settings in the working directory when it is imported, and numba for
    one when it compiles.  Both fail if the directory has been deleted, for example that of a job.
    The context changes to the root directory then, and back to the deleted one at its end.
    """
    try:
        os.getcwd()
    except FileNotFoundError:
        deleted = os.open(os.curdir, os.O_RDONLY)
        try:
            os.chdir(os.path.abspath(os.sep))
            yield
        finally:
            os.fchdir(deleted)
            os.close(deleted)
    else:
        yield

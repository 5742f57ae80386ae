"""PyTensor in the workers of an executor."""

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Mapping

#: Settings that decide how a model is evaluated.
SETTINGS = ("floatX", "cxx", "linker", "mode")


def worker_settings() -> dict[str, str]:
    """The settings of this process."""
    import pytensor

    return {name: str(getattr(pytensor.config, name)) for name in SETTINGS}


def apply_settings(settings: Mapping[str, str]) -> None:
    """Apply the settings of the process of the user.

    PyTensor's compile directory cannot change after its import.  A worker that imports PyTensor
    here gets a directory of its own, so that workers do not wait for each other's locks.  The
    threads of the process of the user keep its directory.
    """
    if "pytensor" not in sys.modules and multiprocessing.parent_process() is not None:
        folder = os.path.join(tempfile.gettempdir(), f"isogmm-pytensor-{os.getpid()}")
        flags = [os.environ.get("PYTENSOR_FLAGS", ""), f"base_compiledir={folder}"]
        os.environ["PYTENSOR_FLAGS"] = ",".join(filter(None, flags))
    import pytensor

    for name, value in settings.items():
        if str(getattr(pytensor.config, name)) != value:
            setattr(pytensor.config, name, value)

"""The exceptions of the library and the one place that imports optional packages."""

import importlib
import sys
import warnings
from types import FrameType, ModuleType

#: The packages whose frames a warning does not point at; jaxtyping's stand around ours in tests.
_OURS = ("isogmm", "isogmm_numpyro", "isogmm_pymc", "jaxtyping")


class IsogmmError(Exception):
    """Base class of every error that isogmm raises on purpose."""


class ModelError(IsogmmError, ValueError):
    """The model cannot be fitted as it stands; the message names the site and the remedy."""


class OptionError(IsogmmError, ValueError):
    """An option has a value that makes no sense; the message names it and what is accepted."""


class MissingPackageError(IsogmmError, ImportError):
    """A package that this call needs is not installed; the message names the extra."""


class DeadlineReachedError(KeyboardInterrupt):
    """The time limit of a fit has passed; like Ctrl-C, it ends the stage it interrupts."""


class FitWarning(UserWarning):
    """The fit ended, but something about it deserves attention."""


def warn_user(message: str) -> None:
    """A :class:`FitWarning` that names the line of the caller's own code which led here.

    A number of frames would count decorators and type checks too.
    """
    frame: FrameType | None = sys._getframe(1)
    level, outermost = 1, 1
    while frame is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] in _OURS:
            outermost = level
        frame, level = frame.f_back, level + 1
    warnings.warn(message, FitWarning, stacklevel=outermost + 2)


def require(module: str, *, extra: str) -> ModuleType:
    """Import an optional module, or say which extra brings it.

    Parameters
    ----------
    module
        Dotted name of the module.
    extra
        The extra of isogmm that installs it.

    Raises
    ------
    MissingPackageError
        If the module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and not module.startswith(error.name.split(".")[0]):
            raise
        raise MissingPackageError(
            f"this needs the package '{module.split('.')[0]}', which is not installed: "
            f'pip install "isogmm[{extra}]"'
        ) from error

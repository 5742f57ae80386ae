"""Exceptions and warnings of the library, and imports of optional packages."""

import importlib
import sys
import warnings
from types import FrameType, ModuleType

#: Packages whose frames a warning skips.  jaxtyping wraps functions of the library in its tests.
_OWN_PACKAGES = ("isogmm", "isogmm_numpyro", "isogmm_pymc", "jaxtyping")

#: Characters of an error that a message shows.
MAX_ERROR_CHARACTERS = 300


class IsogmmError(Exception):
    """Base class of every error that isogmm raises on purpose."""


class ModelError(IsogmmError, ValueError):
    """The model cannot be fitted as it is; the message names the variable and the remedy."""


class OptionError(IsogmmError, ValueError):
    """An option has an invalid value; the message names the option and the valid values."""


class KeywordError(OptionError, TypeError):
    """A function does not have this keyword argument; the message names the one to use."""


class MissingPackageError(IsogmmError, ImportError):
    """A package that this call needs is not installed; the message names the extra."""


class WorkersLostError(IsogmmError, RuntimeError):
    """The executor cannot evaluate the model any more; the message says how to continue the fit."""


class DeadlineReachedError(KeyboardInterrupt):
    """The time limit of a fit has passed; like Ctrl-C, this ends the running stage."""


class FitWarning(UserWarning):
    """The fit has ended, but its result has a problem that the message describes."""


def warn_user(message: str) -> None:
    """Issue a :class:`FitWarning` that points at the line of the caller's own code.

    The frames of the library are found by the names of their modules.  A fixed number of frames
    would be wrong under decorators and run-time type checks.
    """
    frame: FrameType | None = sys._getframe(1)
    level, outermost = 1, 1
    while frame is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] in _OWN_PACKAGES:
            outermost = level
        frame, level = frame.f_back, level + 1
    warnings.warn(message, FitWarning, stacklevel=outermost + 2)


def in_words(error: BaseException) -> str:
    """The type of an error and its first line, for use inside a message.

    >>> in_words(ValueError("the file is gone\\nsecond line"))
    'ValueError: the file is gone'
    """
    lines = [line for line in str(error).splitlines() if line.strip()] or [""]
    return f"{type(error).__name__}: {lines[0][:MAX_ERROR_CHARACTERS]}".rstrip(": ")


def how_to_install(*extras: str) -> str:
    """The command that installs one of these extras, for use inside a message.

    isogmm is not on PyPI, and another package could have its name there.  The command therefore
    installs from a checkout of the repository.

    >>> how_to_install("numpyro", "pymc")
    'run pip install ".[numpyro]" or ".[pymc]" in a checkout of the isogmm repository'
    """
    requirements = [f'".[{extra}]"' for extra in extras]
    choice = " or ".join(filter(None, [", ".join(requirements[:-1]), requirements[-1]]))
    return f"run pip install {choice} in a checkout of the isogmm repository"


def require(module: str, *, extra: str) -> ModuleType:
    """Import an optional module, or name the extra that installs it.

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
            f"{how_to_install(extra)}"
        ) from error

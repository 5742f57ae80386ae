"""Filters of warnings for the duration of a block, where they can be restored."""

import contextlib
import threading
import warnings


def kept_filters() -> contextlib.AbstractContextManager[object]:
    """``warnings.catch_warnings()``, whose block changes the filters for itself only.

    Filters belong to the process, and two blocks in two threads would restore those of each other.
    Outside the main thread the block therefore changes nothing, and inside it callers use
    :func:`ignore` instead of ``warnings.simplefilter``.
    """
    return warnings.catch_warnings() if in_main_thread() else contextlib.nullcontext()


def ignore(category: type[Warning] = Warning, message: str = "") -> None:
    """Ignore warnings of a category and a text until the block of :func:`kept_filters` ends.

    In other threads than the main one nothing happens, and the warnings are shown.
    """
    if in_main_thread():
        warnings.filterwarnings("ignore", message, category)


def in_main_thread() -> bool:
    """Whether this is the main thread, the only one that may change the filters."""
    return threading.current_thread() is threading.main_thread()

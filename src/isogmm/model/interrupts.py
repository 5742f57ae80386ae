"""Ctrl-C during a fit is noticed even if a library catches the KeyboardInterrupt."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class _Interrupts:
    """The SIGINT handler of a fit, and whether an interrupt waits to be handled.

    Signals belong to the process, and Python runs their handlers in the main thread.  There is
    therefore one object for all fits, and only the main thread uses it.
    """

    def __init__(self) -> None:
        self.is_pending = False
        #: Number of stages around the running code that handle KeyboardInterrupt, and whether a
        #: stage has begun: before the first one there is no result to keep.
        self.depth = 0
        self.has_begun = False

    def handle(self, signum: int, frame: FrameType | None) -> None:
        """Note the interrupt and raise KeyboardInterrupt.

        Between two stages the exception would end the fit without a result: the first interrupt
        waits there for the next check, and a second one is raised.
        """
        waits = self.has_begun and not self.depth and not self.is_pending
        self.is_pending = True
        if not waits:
            raise KeyboardInterrupt


_INTERRUPTS = _Interrupts()


@contextlib.contextmanager
def interrupts_noticed() -> Iterator[None]:
    """Handle SIGINT in the block, so that no Ctrl-C is lost.

    Python's own handler raises KeyboardInterrupt wherever the main thread is.  In a callback of a
    library, such as a callback of the garbage collector, the exception is printed and dropped.
    The handler of this block also sets a flag, and :func:`check_interrupt` raises the exception
    again.

    Nothing changes outside the main thread, or where SIGINT has another handler than Python's own:
    an event loop or an application then decides what Ctrl-C does.  The previous handler is
    restored at the end of the block.  Blocks can be nested; the outermost block has the handler.

    Raises
    ------
    KeyboardInterrupt
        Instead of an exception that a library made of it, such as the RuntimeError of JAX.
    """
    if not _in_main_thread():
        yield
        return
    _INTERRUPTS.has_begun = False
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    _INTERRUPTS.is_pending = False
    signal.signal(signal.SIGINT, _INTERRUPTS.handle)
    try:
        yield
    except Exception as error:
        if interrupt_is_pending():
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _INTERRUPTS.is_pending = False


def interrupt_is_pending() -> bool:
    """Whether Ctrl-C was pressed and no stage of the fit has ended because of it."""
    return _INTERRUPTS.is_pending and _in_main_thread()


def check_interrupt() -> None:
    """Raise the KeyboardInterrupt of a Ctrl-C that a library has caught.

    Raises
    ------
    KeyboardInterrupt
        If :func:`interrupt_is_pending`.
    """
    if interrupt_is_pending():
        raise KeyboardInterrupt


@contextlib.contextmanager
def stage_of_fit() -> Iterator[None]:
    """A stage that handles KeyboardInterrupt; afterwards the first Ctrl-C waits for a check."""
    if not _in_main_thread():
        yield
        return
    _INTERRUPTS.has_begun = True
    _INTERRUPTS.depth += 1
    try:
        yield
    finally:
        _INTERRUPTS.depth -= 1


def interrupt_is_handled() -> None:
    """State that a stage has ended because of Ctrl-C."""
    if _in_main_thread():
        _INTERRUPTS.is_pending = False


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()

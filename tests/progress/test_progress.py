"""The progress line of any long function."""

import io
import itertools
import re
import sys
import time

import pytest

from isogmm.progress import line, progress
from isogmm.progress.progress import Progress, duration, percent


class Terminal(io.StringIO):
    """A stream that looks like a terminal."""

    def isatty(self):
        return True


def on_terminal(monkeypatch):
    """A terminal in place of the standard error stream."""
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    monkeypatch.setattr(progress, "INTERVAL", 0.01)
    return stream


def test_the_time_advances_while_nothing_else_happens(monkeypatch):
    terminal = on_terminal(monkeypatch)
    count, late = itertools.count(), time.monotonic() + 60.0

    def shown():
        return re.findall(r"isogmm: compiling \[x\], step (\d+), \d+ s", terminal.getvalue())

    with Progress(True, "compiling") as running:
        running.show("compiling [x]", lambda: f"step {next(count)}")
        # On a busy machine the thread that updates the line may have to wait.
        while max(map(int, shown()), default=0) < 6 and time.monotonic() < late:
            time.sleep(0.01)
    assert max(map(int, shown())) >= 6  # also: the brackets are no markup


def test_nothing_is_written_to_a_file(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    assert line.find_line() is None
    with Progress(True, "compiling") as running:
        running.show("running")
    assert stream.getvalue() == ""


def test_an_error_of_the_function_passes_and_the_line_ends(monkeypatch):
    on_terminal(monkeypatch)
    with pytest.raises(KeyboardInterrupt), Progress(True, "running") as running:
        raise KeyboardInterrupt
    assert not running._thread.is_alive()


def test_a_line_that_cannot_be_shown_does_not_end_the_function(monkeypatch):
    on_terminal(monkeypatch)

    def fail():
        raise ValueError

    with Progress(True, "running") as running:
        running._details = fail
        time.sleep(0.1)
    assert not running._thread.is_alive()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.9, "59 s"), (65.0, "1 min 05 s"), (3600.0, "60 min 00 s")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_shares_end_at_all():
    assert (percent(0.314), percent(1.7)) == ("31 %", "100 %")

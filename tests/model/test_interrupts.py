"""Ctrl-C with real signals: what a library catches is raised again at the next check."""

import contextlib
import signal
import threading

import pytest

from helpers.targets import correlated_gaussian
from isogmm.model.fit_target import FitTarget
from isogmm.model.interrupts import (
    check_interrupt,
    interrupt_is_handled,
    interrupt_is_pending,
    interrupts_noticed,
    stage_of_fit,
)
from isogmm.results.interruption import interruptible
from isogmm.results.stop_reason import StopReason


def press():
    signal.raise_signal(signal.SIGINT)


def swallowed():
    """Ctrl-C inside code that drops every exception, such as a callback of a library."""
    with contextlib.suppress(KeyboardInterrupt):
        press()


@pytest.fixture(autouse=True)
def _handler_is_restored():
    # A shell starts background jobs with this signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler
    assert not interrupt_is_pending()


def test_an_interrupt_is_raised_where_it_arrives():
    reached = []

    def program():
        with interrupts_noticed():
            press()
            reached.append("the next statement")

    with pytest.raises(KeyboardInterrupt):
        program()
    assert reached == []


def test_a_caught_interrupt_is_raised_at_the_next_check():
    with interrupts_noticed():
        check_interrupt()
        swallowed()
        with pytest.raises(KeyboardInterrupt):
            check_interrupt()


def test_a_caught_interrupt_is_raised_by_the_next_evaluation():
    truth = correlated_gaussian(2)
    target = FitTarget.of(truth.target())
    with interrupts_noticed():
        swallowed()
        with pytest.raises(KeyboardInterrupt):
            target.evaluate(truth.means)
    target.evaluate(truth.means)


@pytest.mark.parametrize("error", [RuntimeError, ValueError])
def test_an_exception_made_of_an_interrupt_ends_the_stage(error):
    target = FitTarget.of(correlated_gaussian(2).target())
    with interrupts_noticed():
        with interruptible(target) as interruption:
            try:
                press()
            except KeyboardInterrupt:
                raise error("CpuCallback error: KeyboardInterrupt") from None
        assert interruption.reason is StopReason.INTERRUPTED
        check_interrupt()  # it has been handled


def test_an_exception_without_an_interrupt_is_not_caught():
    target = FitTarget.of(correlated_gaussian(2).target())
    with (
        interrupts_noticed(),
        pytest.raises(ValueError, match="of the model"),
        interruptible(target),
    ):
        raise ValueError("of the model")


def test_an_exception_made_of_an_interrupt_before_the_first_stage_is_an_interrupt():
    def program():
        with interrupts_noticed():
            swallowed()
            raise RuntimeError("CpuCallback error: KeyboardInterrupt")

    with pytest.raises(KeyboardInterrupt):
        program()


def test_the_first_interrupt_between_stages_waits_and_the_second_does_not():
    with interrupts_noticed():
        with stage_of_fit():
            pass
        press()
        assert interrupt_is_pending()
        with pytest.raises(KeyboardInterrupt):
            press()


def test_a_handled_interrupt_is_not_raised_again():
    with interrupts_noticed():
        swallowed()
        interrupt_is_handled()
        check_interrupt()


def test_a_nested_block_keeps_the_interrupt_for_the_outer_one():
    with interrupts_noticed():
        with interrupts_noticed():
            swallowed()
        with pytest.raises(KeyboardInterrupt):
            check_interrupt()


def test_an_interrupt_does_not_outlive_its_block():
    with interrupts_noticed():
        swallowed()
    check_interrupt()


def test_another_handler_keeps_working():
    calls = []
    previous = signal.signal(signal.SIGINT, lambda *_: calls.append(1))
    try:
        with interrupts_noticed():
            press()
    finally:
        signal.signal(signal.SIGINT, previous)
    assert calls == [1]


def test_another_thread_leaves_the_handler_alone():
    found = []

    def fit():
        with interrupts_noticed(), stage_of_fit():
            found.append(signal.getsignal(signal.SIGINT))
            check_interrupt()

    with interrupts_noticed():
        swallowed()
        handler = signal.getsignal(signal.SIGINT)
        thread = threading.Thread(target=fit)
        thread.start()
        thread.join()
        assert found == [handler]
        assert interrupt_is_pending()

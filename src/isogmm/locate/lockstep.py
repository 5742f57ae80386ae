"""Several walks at once: each asks for one evaluation at a time, all are served together."""

import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float

Result = TypeVar("Result")
Answer = tuple[Any, Any]
Ask = Callable[[np.ndarray], Answer]


class _AbandonedError(Exception):
    """Nobody answers any more: the walk ends."""


class _Seat:
    """Where one walk sits: what it says is heard by all, its answers are its own.

    Methods, not local functions: type checkers of a test session wrap those anew in every
    thread, and change the filters of warnings, which belong to the whole process, meanwhile.
    """

    def __init__(self, number: int, heard: SimpleQueue[tuple[int, str, Any]]):
        self.number = number
        self.heard = heard
        self.answers: SimpleQueue[Answer | None] = SimpleQueue()

    def ask(self, position: np.ndarray) -> Answer:
        """Value and gradient at a position, once the calling thread has them."""
        self.heard.put((self.number, "asks", position))
        answer = self.answers.get()
        if answer is None:
            raise _AbandonedError
        return answer

    def walk(self, walk: Callable[[Ask], Any]) -> None:
        """Walk to the end, in a thread of its own."""
        try:
            self.heard.put((self.number, "returns", walk(self.ask)))
        except _AbandonedError:
            pass
        except BaseException as error:  # raised again by the calling thread
            self.heard.put((self.number, "raises", error))


def in_lockstep(
    walks: Sequence[Callable[[Ask], Result]],
    evaluate: Callable[[Float[np.ndarray, "n d"]], tuple[np.ndarray, np.ndarray]],
) -> list[Result]:
    """Results of walks that each need many evaluations, one after the other.

    A library's optimizer wants one value at a time, a batched target many.  Every walk runs in
    a thread of its own and waits there for its answer; once all those under way have asked,
    the calling thread answers them with one call of ``evaluate``.  Only the calling thread
    runs the model, and the order of the rows is that of the walks: the same numbers each time.

    Parameters
    ----------
    walks
        Functions of ``ask``, which takes a position (d,) and returns its value and gradient.
    evaluate
        ``(n, d) -> ((n,), (n, d))``.

    Raises
    ------
    BaseException
        Whatever ``evaluate`` (an interrupt, the time limit) or a walk raises; the other walks
        are ended before.
    """
    heard: SimpleQueue[tuple[int, str, Any]] = SimpleQueue()
    seats = [_Seat(number, heard) for number in range(len(walks))]
    threads = [
        threading.Thread(target=seat.walk, args=(walk,), daemon=True)
        for seat, walk in zip(seats, walks, strict=True)
    ]
    results: dict[int, Result] = {}
    try:
        for thread in threads:
            thread.start()
        while len(results) < len(walks):
            asked: dict[int, np.ndarray] = {}
            while len(asked) + len(results) < len(walks):
                number, what, content = heard.get()
                if what == "raises":
                    raise content
                (asked if what == "asks" else results)[number] = content
            numbers = sorted(asked)
            if numbers:
                values, gradients = evaluate(np.stack([asked[number] for number in numbers]))
                for row, number in enumerate(numbers):
                    seats[number].answers.put((values[row], gradients[row]))
    finally:
        for seat in seats:
            seat.answers.put(None)
        for thread in threads:
            if thread.ident is not None:
                thread.join()
    return [results[number] for number in range(len(walks))]

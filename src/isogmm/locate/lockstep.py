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
    answers: list[SimpleQueue[Answer | None]] = [SimpleQueue() for _ in walks]

    def run(seat: int) -> None:
        def ask(position: np.ndarray) -> Answer:
            heard.put((seat, "asks", position))
            answer = answers[seat].get()
            if answer is None:
                raise _AbandonedError
            return answer

        try:
            heard.put((seat, "returns", walks[seat](ask)))
        except _AbandonedError:
            pass
        except BaseException as error:  # raised again by the calling thread
            heard.put((seat, "raises", error))

    threads = [
        threading.Thread(target=run, args=(seat,), daemon=True) for seat in range(len(walks))
    ]
    results: dict[int, Result] = {}
    try:
        for thread in threads:
            thread.start()
        while len(results) < len(walks):
            asked: dict[int, np.ndarray] = {}
            while len(asked) + len(results) < len(walks):
                seat, what, content = heard.get()
                if what == "raises":
                    raise content
                (asked if what == "asks" else results)[seat] = content
            seats = sorted(asked)
            if seats:
                values, gradients = evaluate(np.stack([asked[seat] for seat in seats]))
                for row, seat in enumerate(seats):
                    answers[seat].put((values[row], gradients[row]))
    finally:
        for queue in answers:
            queue.put(None)
        for thread in threads:
            if thread.ident is not None:
                thread.join()
    return [results[seat] for seat in range(len(walks))]

"""Wait for the result of a future in such a way that Ctrl-C is always handled."""

from concurrent.futures import Future
from typing import TypeVar

POLL_S = 0.2
"""Seconds after which a wait begins anew, and a signal is handled at the latest."""

T = TypeVar("T")


def result_of(future: Future[T]) -> T:
    """Wait until a future is done, however long that takes; return its result, or raise the exception that it ended
    with. The wait begins anew every 0.2 s, so that Ctrl-C raises KeyboardInterrupt within that time.

    `Future.result()` without a timeout can miss a signal: Python handles a signal that arrives just before the main
    thread blocks only when the thread runs again.
    """
    while not future.done():
        try:
            return future.result(timeout=POLL_S)
        except TimeoutError:
            continue
    return future.result()

"""Wait for the result of a future (work in another thread) in such a way that Ctrl-C ends the wait at any time."""

from concurrent.futures import Future
from typing import TypeVar

POLL_S = 0.2
"""Seconds after which a wait begins anew, and a signal is handled at the latest."""

T = TypeVar("T")


def result_of(future: Future[T]) -> T:
    """Wait without a time limit until `future` (work in another thread) is done, then return its result or raise its
    exception. The wait begins anew every 0.2 s, so that Ctrl-C raises KeyboardInterrupt within that time.

    `Future.result()` without a timeout can miss a signal: Python handles a signal that arrives just before the main
    thread blocks only when the thread runs again.
    """
    while not future.done():
        try:
            return future.result(timeout=POLL_S)
        except TimeoutError:
            continue
    return future.result()

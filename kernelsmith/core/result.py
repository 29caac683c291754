"""Wait for the result of a future so that Ctrl-C is always handled."""

from concurrent.futures import Future
from typing import TypeVar

POLL_S = 0.2
"""Seconds after which a wait begins anew, and a signal is handled at the latest."""

T = TypeVar("T")


def result_of(future: Future[T]) -> T:
    """Return the result of a future once it is done, or raise the future's exception.

    `Future.result()` without a timeout can miss a signal: Python handles a signal that arrives just before the main
    thread blocks only when the thread runs again.
    """
    while not future.done():
        try:
            return future.result(timeout=POLL_S)
        except TimeoutError:
            continue
    return future.result()

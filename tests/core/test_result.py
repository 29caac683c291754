"""Waiting for a future: its result, its error, and a signal that does not wake the waiting thread."""

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from kernelsmith.core.result import result_of


class Interrupted(Exception):
    """Raised by the signal handler of these tests."""


@pytest.fixture
def interrupting() -> Iterator[None]:
    """Let SIGUSR1 raise Interrupted in the main thread."""

    def interrupt(*_: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGUSR1, interrupt)
    yield
    signal.signal(signal.SIGUSR1, before)


def test_a_future_that_is_done_gives_its_result_or_its_error():
    good: Future[int] = Future()
    good.set_result(7)
    assert result_of(good) == 7
    bad: Future[int] = Future()
    bad.set_exception(TimeoutError("the future's own"))
    with pytest.raises(TimeoutError, match="own"):
        result_of(bad)


def test_a_signal_that_another_thread_receives_ends_the_wait_before_the_future_is_done(interrupting):
    future: Future[int] = Future()
    has_ended = threading.Event()

    def signal_this_thread() -> None:
        # The kernel then wakes this thread and not the main one.
        has_ended.wait(0.5)
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        if not has_ended.wait(20):
            future.set_result(0)  # or a failing test would never end

    helper = threading.Thread(target=signal_this_thread)
    helper.start()
    with pytest.raises(Interrupted):
        result_of(future)
    was_done = future.done()
    has_ended.set()
    helper.join()
    assert not was_done

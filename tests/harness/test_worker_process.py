"""Figures of a worker that the judge watches because no system limit covers them."""

import os
import threading

from harness.worker import process


def test_threads_of_a_process_are_counted_and_an_ended_process_has_none():
    before, end = process._thread_count(os.getpid()), threading.Event()
    started = [threading.Thread(target=end.wait) for _ in range(5)]
    for thread in started:
        thread.start()
    assert process._thread_count(os.getpid()) == before + 5
    end.set()
    for thread in started:
        thread.join()
    assert process._thread_count(1 << 22) == 0

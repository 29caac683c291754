"""What the judge reads of a worker that the system's own limits do not bind."""

import os
import threading

from harness.worker import process


def test_the_threads_of_a_process_are_counted_and_of_one_that_has_ended_there_are_none():
    before, end = process._thread_count(os.getpid()), threading.Event()
    started = [threading.Thread(target=end.wait) for _ in range(5)]
    for thread in started:
        thread.start()
    assert process._thread_count(os.getpid()) == before + 5
    end.set()
    for thread in started:
        thread.join()
    assert process._thread_count(1 << 22) == 0

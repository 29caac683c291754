"""Which cores a user's program may use is the same after a harness was used as before."""

import os
import threading

import pytest

from kernelsmith.judge_client.harness import HarnessProcess

needs_two_cores = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core: nobody keeps off it")


@needs_two_cores
def test_the_thread_that_opened_gets_its_core_back_whichever_thread_closes(small_task, tmp_path):
    before = os.sched_getaffinity(0)
    process = HarnessProcess(small_task, folder=tmp_path, calibration_s=0.1)
    try:
        device = process.open()
        assert os.sched_getaffinity(0) == before - {device.worker_core}
        closer = threading.Thread(target=process.close)
        closer.start()
        closer.join()
        assert os.sched_getaffinity(0) == before
    finally:
        process.close()
        os.sched_setaffinity(0, before)


@needs_two_cores
def test_a_harness_that_was_never_opened_changes_no_cores(small_task, tmp_path):
    before = os.sched_getaffinity(0)
    process = HarnessProcess(small_task, folder=tmp_path)
    try:
        os.sched_setaffinity(0, {min(before)})
        process.close()
        assert os.sched_getaffinity(0) == {min(before)}
    finally:
        os.sched_setaffinity(0, before)

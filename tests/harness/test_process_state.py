"""What the judge changes of its own process while it works, and that it changes back."""

import io
import os
from pathlib import Path

from harness.compiling import gpu
from harness.devices import machine
from harness.program.server import BUILDS_AHEAD_NICE, Server, Settings
from harness.sandbox import launcher as sandbox
from harness.wire import messages as wire

SMALL = Path(__file__).parents[1] / "tasks" / "small_gpu_matmul"


def nice() -> int:
    return os.getpriority(os.PRIO_PROCESS, 0)


def test_a_build_ahead_runs_at_low_priority_and_leaves_the_judges_own_as_it_was(tmp_path, monkeypatch):
    seen: list[int] = []
    monkeypatch.setattr(gpu, "build_ahead", lambda *given, **options: seen.append(nice()))
    before, answers = nice(), io.StringIO()
    server = Server(wire.Answers(answers), Settings("cuda:0", tmp_path, sandbox.probe(), calibration_s=0.1))
    server._answer(wire.Build("build-0", str(SMALL), wire.Source(str(SMALL / "skeleton.cu"), "cuda")))
    assert '"kind": "built"' in answers.getvalue()
    assert seen == [max(before, BUILDS_AHEAD_NICE)]
    assert nice() == before


def test_the_judge_is_off_the_candidates_core_while_it_serves_and_no_longer():
    before, cores = os.sched_getaffinity(0), machine.split_cores()
    with machine.pin_judge(cores):
        assert os.sched_getaffinity(0) == set(cores.judge)
    assert os.sched_getaffinity(0) == before

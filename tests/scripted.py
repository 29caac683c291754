"""Judging by script, for tests of what does not depend on a machine: a harness that judges nothing, and a device."""

import itertools
from collections.abc import Sequence
from concurrent.futures import Future

from kernelsmith.core.candidate import Candidate
from kernelsmith.core.history import Opponent
from kernelsmith.core.kinds import DeviceKind, Unit
from kernelsmith.core.run import Device
from kernelsmith.core.verdict import Interval, Measurement, Promotion, Status, Verdict

DEVICE = Device("Test CPU", DeviceKind.CPU, 1e9, Unit.FP32, isolation=3, spread=0.01, overhead_us=1.0)
BROKEN = Verdict(Status.INCORRECT, "C[0,0] is 1, not 2")


CARD = """
peak = 1.0e9
jitter = 0.003
[vendor]
call_s = 0.002
[[candidates]]
match = "[Bb]roken"
call_s = 0.1
events = [{ mistake = "C[0,0] is 1" }]
[[candidates]]
call_s = 0.1
[[factors]]
match = "LANES [48]"
factor = 0.5
"""
"""Script of a device for `--device scripted:FILE`: a skeleton fails, all else passes."""


def passed(utilization: float, promotion: Promotion | None = None) -> Verdict:
    """Return a verdict with a score."""
    time_us = 1000 / utilization
    interval = Interval(time_us, time_us)
    figures = Measurement(time_us, interval, utilization, utilization * 1e9, 1e9, Unit.FP32, time_us)
    return Verdict(Status.PASSED, "", figures, promotion)


FIRST = passed(0.1, Promotion.FIRST)
SLOWER = passed(0.05)


class ScriptedHarness:
    """A harness that gives these verdicts in turn, the last one for ever; an exception is raised by the future."""

    def __init__(self, *verdicts: Verdict | BaseException) -> None:
        self.judged: list[str] = []
        """The sources, in order."""
        self.incumbents: list[str | None] = []
        self.prepared: list[tuple[int, int]] = []
        """How many candidates had been judged, and how many were to be built ahead, each time."""
        self._verdicts = itertools.chain(verdicts, itertools.repeat(verdicts[-1]))

    def __enter__(self) -> "ScriptedHarness":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def open(self) -> Device:
        return DEVICE

    def prepare(self, candidates: Sequence[Candidate]) -> None:
        self.prepared.append((len(self.judged), len(candidates)))

    def submit(self, candidate: Candidate, incumbent: Opponent | None) -> Future[Verdict]:
        self.judged.append(candidate.source)
        self.incumbents.append(incumbent.candidate.source if incumbent else None)
        answer: Future[Verdict] = Future()
        verdict = next(self._verdicts)
        answer.set_exception(verdict) if isinstance(verdict, BaseException) else answer.set_result(verdict)
        return answer

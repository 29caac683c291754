"""Scripted replacements of the harness and the device, for tests that must not depend on the machine."""

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
"""Content of a file for `--device scripted:FILE`: a source with the word `broken` is incorrect, all others pass."""


def passed(utilization: float, promotion: Promotion | None = None) -> Verdict:
    """Return a passed verdict with this utilization of a peak of 1e9 FLOP/s."""
    time_us = 1000 / utilization
    interval = Interval(time_us, time_us)
    figures = Measurement(time_us, interval, utilization, utilization * 1e9, 1e9, Unit.FP32, time_us)
    return Verdict(Status.PASSED, "", figures, promotion)


FIRST = passed(0.1, Promotion.FIRST)
SLOWER = passed(0.05)


class ScriptedHarness:
    """A harness that judges nothing: `submit` returns the given verdicts in order, and repeats the last one. A given
    exception is raised by the returned future.
    """

    def __init__(self, *verdicts: Verdict | BaseException) -> None:
        self.judged: list[str] = []
        """Sources of the submitted candidates, in order."""
        self.incumbents: list[str | None] = []
        """Source of the incumbent at each submission, or None if there was none."""
        self.prepared: list[tuple[int, int]] = []
        """At each call of `prepare`: number of candidates submitted before, and number of candidates to build ahead."""
        self._verdicts = itertools.chain(verdicts, itertools.repeat(verdicts[-1]))

    def __enter__(self) -> "ScriptedHarness":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def open(self) -> Device:
        """Return the description of an imaginary CPU."""
        return DEVICE

    def prepare(self, candidates: Sequence[Candidate]) -> None:
        """Keep the number of the candidates; nothing is built."""
        self.prepared.append((len(self.judged), len(candidates)))

    def submit(self, candidate: Candidate, incumbent: Opponent | None) -> Future[Verdict]:
        """Keep the sources of both candidates, and return a future with the next verdict or exception."""
        self.judged.append(candidate.source)
        self.incumbents.append(incumbent.candidate.source if incumbent else None)
        future: Future[Verdict] = Future()
        verdict = next(self._verdicts)
        future.set_exception(verdict) if isinstance(verdict, BaseException) else future.set_result(verdict)
        return future

"""The application in this process: in an empty folder, with a state folder that is not the user's."""

from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

import pytest

from kernelsmith.core.candidate import Candidate
from kernelsmith.core.kinds import DeviceKind, Unit
from kernelsmith.core.run import Device
from kernelsmith.core.verdict import Interval, Measurement, Promotion, Status, Verdict

DEVICE = Device("Test CPU", DeviceKind.CPU, 1e9, Unit.FP32, isolation=3, spread=0.01, overhead_us=1.0)


class ScriptedHarness:
    """A harness for what does not depend on the judge: the first candidate reaches half of peak, no other is better."""

    def __init__(self) -> None:
        self.judged: list[Candidate] = []

    def __enter__(self) -> "ScriptedHarness":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def open(self) -> Device:
        return DEVICE

    def prepare(self, candidates: Sequence[Candidate]) -> None:
        pass

    def submit(self, candidate: Candidate, incumbent: object) -> Future[Verdict]:
        self.judged.append(candidate)
        promotion = Promotion.FIRST if len(self.judged) == 1 else None
        utilization = 0.5 / len(self.judged)
        time_us = 1000 / utilization
        interval = Interval(time_us, time_us)
        figures = Measurement(time_us, interval, utilization, utilization * 1e9, 1e9, Unit.FP32, time_us)
        answer: Future[Verdict] = Future()
        answer.set_result(Verdict(Status.PASSED, "", figures, promotion))
        return answer


@pytest.fixture
def scripted() -> ScriptedHarness:
    """A harness that judges nothing."""
    return ScriptedHarness()


@pytest.fixture(autouse=True)
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that the test works in; no model is configured, and the user's state is not touched."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "KERNELSMITH_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path

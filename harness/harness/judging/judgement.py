"""A judgement: one candidate, what the stages have found of it, and how stages follow one another."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from harness.compiling.built import Built
from harness.judging.findings import Findings
from harness.judging.open_task import OpenTask
from harness.timing.failure import CandidateFailed
from harness.timing.score import BatchTime, Score
from harness.wire import messages as wire
from harness.worker import Worker


class Progress(Protocol):
    """Receives each stage as it begins, and each step of a long one: `correctness`, `case odd, 2 of 5`."""

    def __call__(self, stage: str, step: str = "") -> None: ...


def no_progress(stage: str, step: str = "") -> None:
    """Receive stages and steps, and announce none of them."""


MAY_BE_OTHERS = ("crashed", "timed_out", "tampered")
"""Statuses that other processes can cause: they take memory and keep the device busy."""


@dataclass(frozen=True)
class Timed:
    """The batches and the score of every timed case."""

    batches: dict[str, list[BatchTime]]
    scores: dict[str, Score]
    pilot_s: float


@dataclass
class Judgement:
    """One candidate on its way to a verdict; the fields without a default are set by the stages."""

    opened: OpenTask
    source: wire.Source
    progress: Progress
    findings: Findings
    racing_above_s: float | None = None
    """Time per call, seconds; a candidate whose first batches are all slower is scored from those."""
    workers: ExitStack = field(default_factory=ExitStack)
    """Ends the candidate's worker, and the disassembler that runs beside it."""
    built: Built = field(init=False)
    worker: Worker = field(init=False)
    pilots_s: dict[str, float] = field(init=False)
    """Seconds of one call, by case."""
    timed: Timed = field(init=False)
    measurement: wire.Measurement = field(init=False)


class _HasFindings(Protocol):
    @property
    def findings(self) -> Findings: ...

    @property
    def progress(self) -> Progress: ...


S = TypeVar("S", bound=_HasFindings)


def always(state: object) -> bool:
    """Return True: the stage applies to every candidate."""
    return True


@dataclass(frozen=True)
class Stage(Generic[S]):
    """A step of a judgement."""

    name: str
    """Name of the stage in progress answers and among the durations."""
    run: Callable[[S], None]
    """Adds to the findings. Raises Failed: the candidate ends here."""
    applies: Callable[[S], bool] = always
    is_timed: bool = True
    """False for a stage that is too short to be announced and to stand among the durations."""


def run_stages(stages: Iterable[Stage[S]], state: S) -> None:
    """Run the stages that apply, in order. Raises Failed: the candidate failed in one of them."""
    for stage in stages:
        if not stage.applies(state):
            continue
        if not stage.is_timed:
            stage.run(state)
            continue
        state.progress(stage.name)
        with state.findings.timed(stage.name):
            stage.run(state)


class IncumbentFailed(Exception):
    """The other side of a duel gave a wrong output, or none: it loses, whatever the contender's time."""

    def __init__(self, failure: Exception, *, status: str) -> None:
        super().__init__(str(failure))
        self.status = status


@contextmanager
def blamed_only_alone(opened: OpenTask, *, workers: int) -> Iterator[None]:
    """Let a side fail only where no other process computes: others take memory and keep the device busy.

    So many workers of ours must still run at the end of the block.

    Raises:
        MachineError: another process computes here, so nothing is known about the candidate.
    """
    try:
        yield
    except (CandidateFailed, IncumbentFailed) as failed:
        if failed.status in MAY_BE_OTHERS:
            opened.device.require_no_other_processes(workers=workers)
        raise

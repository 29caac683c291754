"""The state of one judgement, the definition of a stage, and the function that runs stages in order."""

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
    """Callback that receives the name of each stage when it begins, and each step of a long stage, such as
    `correctness` with `case odd, 2 of 5`.
    """

    def __call__(self, stage: str, step: str = "") -> None: ...


def no_progress(stage: str, step: str = "") -> None:
    """Do nothing with a stage or step: the progress callback for requests without progress answers."""


STATUSES_OTHERS_CAN_CAUSE = ("crashed", "timed_out", "tampered")
"""Failure statuses that other processes on the device can cause, because they take memory and keep the device busy."""


@dataclass(frozen=True)
class Timed:
    """The batches and the score of every timed case by name, and the seconds per call of the main case's pilot."""

    batches: dict[str, list[BatchTime]]
    scores: dict[str, Score]
    pilot_s: float


@dataclass
class Judgement:
    """One candidate on its way to a verdict. The stages set the fields that have no initial value."""

    opened: OpenTask
    source: wire.Source
    progress: Progress
    findings: Findings
    racing_above_s: float | None = None
    """Seconds per call. A candidate whose first batches are all slower is scored from those batches; None = no race."""
    workers: ExitStack = field(default_factory=ExitStack)
    """Ends the candidate's worker, and the disassembler that runs at the same time, when the judgement ends."""
    built: Built = field(init=False)
    worker: Worker = field(init=False)
    pilots_s: dict[str, float] = field(init=False)
    """Seconds of one call, by case."""
    timed: Timed = field(init=False)
    measurement: wire.Measurement = field(init=False)


class _HasFindings(Protocol):
    """A state that stages can work on: it has findings and a progress callback."""

    @property
    def findings(self) -> Findings: ...

    @property
    def progress(self) -> Progress: ...


S = TypeVar("S", bound=_HasFindings)


def always(state: object) -> bool:
    """Return True: the stage runs for every candidate."""
    return True


@dataclass(frozen=True)
class Stage(Generic[S]):
    """One step of a judgement: a name, a function that runs the step, and a condition for running it."""

    name: str
    """Name of the stage in progress answers and in the durations of the verdict."""
    run: Callable[[S], None]
    """Runs the stage and adds to the findings. Raises CandidateFailed if the candidate failed, which ends the
    judgement."""
    applies: Callable[[S], bool] = always
    """Returns whether the stage runs for this state."""
    is_timed: bool = True
    """False for a stage so short that it is neither announced nor listed in the durations."""


def run_stages(stages: Iterable[Stage[S]], state: S) -> None:
    """Run the stages that apply to the state, in order. Raises CandidateFailed if the candidate fails in a stage."""
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
    """The opponent in a duel gave a wrong output, ended or was late. It loses, whatever the contender's time."""

    def __init__(self, failure: Exception, *, status: str) -> None:
        super().__init__(str(failure))
        self.status = status


@contextmanager
def check_device_on_failure(opened: OpenTask, *, workers: int) -> Iterator[None]:
    """Guard a `with` block that judges: if it fails with a status that other processes can cause, such as `crashed`,
    and another process computes on the device, raise MachineError in its place. `workers` is the number of the judge's
    own workers that may still run then.

    Raises:
        MachineError: a side failed while another process computed, so nothing is known about the candidate.
    """
    try:
        yield
    except (CandidateFailed, IncumbentFailed) as failed:
        if failed.status in STATUSES_OTHERS_CAN_CAUSE:
            opened.device.require_no_other_processes(workers=workers)
        raise

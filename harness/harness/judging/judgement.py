"""Define the state of one judgement, define a stage of it, and run stages in order."""

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
    """Callback of a judgement: it receives the name of each stage when the stage begins, and in long stages also the
    current step, such as `correctness` and `case odd, 2 of 5`. It returns nothing.
    """

    def __call__(self, stage: str, step: str = "") -> None: ...


def no_progress(stage: str, step: str = "") -> None:
    """Do nothing with the names of a stage and a step. This is the progress callback for requests, such as `reproduce`,
    whose callers receive no progress answers.
    """


STATUSES_OTHERS_CAN_CAUSE = ("crashed", "timed_out", "tampered")
"""Failure statuses that other processes on the device can cause, because they take memory and keep the device busy."""


@dataclass(frozen=True)
class Timed:
    """The result of the stage `timing`: a dict of batches and a dict of scores, each by name of the timed case, and
    `pilot_s`, the main case's seconds per call in its first calls, from which its batches were planned.
    """

    batches: dict[str, list[BatchTime]]
    scores: dict[str, Score]
    pilot_s: float


@dataclass
class Judgement:
    """The state of judging one candidate: the open task, the source, the findings, and what the stages produce (build,
    worker, seconds per case, timed batches, measurement). `judge.py` makes one per candidate. Reading a field before
    its stage has run raises AttributeError.
    """

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
    """Protocol of the state that `run_stages` works on: its findings, in which the durations of stages are stored, and
    its callback `progress`, which receives the name of each stage. Judgement and Contention satisfy it.
    """

    @property
    def findings(self) -> Findings: ...

    @property
    def progress(self) -> Progress: ...


S = TypeVar("S", bound=_HasFindings)


def always(state: object) -> bool:
    """Return True for any `state`, a Judgement or Contention. This is the condition of a stage that runs for every
    candidate.
    """
    return True


@dataclass(frozen=True)
class Stage(Generic[S]):
    """One step of judging a candidate: its name, `run`, the function that does it, `applies`, a function that says
    whether it runs, and whether its seconds are reported. Both functions receive the state, a Judgement or Contention.
    The tuples in judge.py list the stages of each request.
    """

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
    """Run in order the stages whose condition `applies` returns True for `state` (a Judgement or Contention), announce
    each by the state's progress callback, and store its seconds in the findings. Raises CandidateFailed, and runs no
    further stage, if the candidate fails; other exceptions of a stage pass through.
    """
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
    """Exception: the opponent in a duel (the incumbent, the head of the line, or the vendor's library) gave a wrong
    output, ended or missed a deadline. `status` is the verdict's word for that, such as `crashed`. The caller of the
    duel catches it and decides what follows, such as the contender's promotion.
    """

    def __init__(self, failure: Exception, *, status: str) -> None:
        super().__init__(str(failure))
        self.status = status


@contextmanager
def check_device_on_failure(opened: OpenTask, *, workers: int) -> Iterator[None]:
    """Guard a `with` block that judges. If it raises CandidateFailed or IncumbentFailed with a status that other
    processes can cause, and more than `workers` processes besides the judge compute on the device, raise MachineError
    instead, because the candidate may not be at fault. Otherwise the exception passes through. Yields None.
    """
    try:
        yield
    except (CandidateFailed, IncumbentFailed) as failed:
        if failed.status in STATUSES_OTHERS_CAN_CAUSE:
            opened.device.require_no_other_processes(workers=workers)
        raise

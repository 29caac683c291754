"""Builds the report of a replay: attempts of a recorded run, each with the same candidate judged again."""

from dataclasses import dataclass

from kernelsmith.core.history import History
from kernelsmith.core.run import Device
from kernelsmith.propose.replay import recorded_number
from kernelsmith.report.model_attempt import AttemptRow, attempt_row
from kernelsmith.report.model_diff import compared


@dataclass(frozen=True, slots=True)
class Repeated:
    """One candidate with two attempts: the recorded one, and the one of the replay that judged it again; and the ratio
    of both times.
    """

    number: int
    """Number of the attempt in the recorded run."""
    recorded: AttemptRow
    now: AttemptRow
    speedup: float | None
    """Recorded time / time now; None unless the candidate passed both times."""


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """A recorded run and its replay: their names and devices, every candidate that was judged again, and those that no
    longer pass. `replay_report` makes it.
    """

    recorded: str
    now: str
    recorded_device: Device | None
    now_device: Device | None
    attempts: tuple[Repeated, ...]
    lost: tuple[int, ...]
    """Numbers, in the recorded run, of the attempts that passed when recorded and do not pass now."""


def replay_report(recorded: History, now: History) -> ReplayReport:
    """Return each attempt of the replay `now` together with the attempt of the run `recorded` that it repeats. Raises
    KeyError if `now` is no replay of `recorded`.
    """
    attempts = tuple(_repeated(recorded, now))
    return ReplayReport(
        recorded=recorded.run.name,
        now=now.run.name,
        recorded_device=recorded.device,
        now_device=now.device,
        attempts=attempts,
        lost=tuple(each.number for each in attempts if each.recorded.verdict.passed and not each.now.verdict.passed),
    )


def _repeated(recorded: History, now: History) -> list[Repeated]:
    by_number = {attempt.number: attempt for attempt in recorded.attempts}
    repeated = []
    for again in now.attempts:
        then = by_number[recorded_number(again)]
        comparison = compared(then.verdict.measurement, again.verdict.measurement)
        rows = attempt_row(then, recorded.device_of(then)), attempt_row(again, now.device_of(again))
        repeated.append(Repeated(then.number, *rows, comparison.speedup if comparison else None))
    return repeated

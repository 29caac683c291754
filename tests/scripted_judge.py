"""A judge on a scripted device: a whole judgement takes milliseconds, because only the script's clock is read."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.devices.script import Behaviour, Script, ScriptedEvent
from harness.devices.scripted import ScriptedDevice
from harness.judging import judge, opening
from harness.judging.open_task import OpenTask
from harness.sandbox.launcher import Isolation, Level
from harness.task import Task
from harness.wire import messages as wire

SMALL = Path(__file__).parent / "tasks" / "small_matmul"
FULL = Isolation(Level.FULL, "")
INCUMBENT = wire.OpponentRole.INCUMBENT
CASES = 3
"""Number of cases of the small task. Each takes one batch before timing begins."""


def at_timed(batch: int, **fields: object) -> ScriptedEvent:
    """Return an event in the timed batch of this number of the candidate's first worker; `fields` are the event's other
    fields.
    """
    return ScriptedEvent(worker=0, batch=CASES + batch, **fields)  # type: ignore[arg-type]


def in_contention(batch: int, **fields: object) -> ScriptedEvent:
    """Return an event in the batch of this number of the candidate's second worker, which runs audit and duel."""
    return ScriptedEvent(worker=1, batch=batch, **fields)  # type: ignore[arg-type]


@dataclass
class ScriptedJudge:
    """A task that is open on a scripted device, and the requests that a test makes of its judge."""

    opened: OpenTask
    device: ScriptedDevice
    folder: Path
    stages: list[str] = field(default_factory=list)
    """Stages and steps that were announced since this object was made, or since the last contention began."""

    def announce(self, stage: str, step: str = "") -> None:
        """Store the name of a stage, or of a step of it."""
        self.stages.append(f"{stage}: {step}" if step else stage)

    def source(self, word: str) -> wire.Source:
        """Write a source that the script recognizes by `word`, and return it."""
        path = self.folder / f"{word}.c"
        path.write_text(f"void matmul(void) {{ /* {word} */ }}\n")
        return wire.Source(str(path), "c")

    def measure(self, word: str, *, racing_above_s: float | None = None) -> wire.Verdict:
        """Return the verdict of the request `measure` for the candidate that `word` names."""
        request = wire.Measure("1", str(SMALL), self.source(word), racing_above_s)
        return judge.measure(self.opened, request, self.announce)

    def claim(self, word: str, opponent: str | None = None, *, role: wire.OpponentRole = INCUMBENT) -> wire.Contend:
        """Measure a candidate and its opponent, and return the request that lets the candidate contend."""
        measured = self.measure(word)
        assert measured.measurement is not None, measured
        against = None
        if opponent is not None:
            times = sorted(batch.time_us for batch in self.measure(opponent).batches)
            against = wire.Opponent(role, self.source(opponent), times[len(times) // 2], times[0])
        batches = tuple(batch for batch in measured.batches if batch.case == self.opened.main.name)
        return wire.Contend("2", str(SMALL), self.source(word), measured.measurement, batches, against)

    def contend(self, word: str, opponent: str | None = None, *, role: wire.OpponentRole = INCUMBENT) -> wire.Verdict:
        """Return the verdict of the request `contend`; `stages` then holds only the stages of the contention."""
        claim = self.claim(word, opponent, role=role)
        self.stages.clear()
        return judge.contend(self.opened, claim, self.announce)


def open_scripted_judge(task: Task, folder: Path, script: Script, candidates: dict[str, Behaviour]) -> ScriptedJudge:
    """Open a task on a device with this script and these candidates, which the script recognizes by a word in their
    source.
    """
    named = tuple(replace(behaviour, match=f"/. {word} ") for word, behaviour in candidates.items())
    device = ScriptedDevice(replace(script, candidates=(*named, *script.candidates)), isolation=FULL)
    return ScriptedJudge(opening.open_task(task, device=device, calibration_s=1.0), device, folder)

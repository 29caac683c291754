"""The memory of a scripted device: it holds nothing, and tells of each batch what its script says."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from harness.checking.verify import WrongOutput
from harness.memory import OutputCheck, Restore
from harness.memory.layout import Layout, lay_out
from harness.task import Case, Task


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """The state in which the judge finds memory after a batch."""

    mistake: str = ""
    tampered: str = ""
    busy: str = ""
    excess: str = ""
    late_samples: int = 0
    overrun: int = 0


@dataclass
class ScriptedMemory:
    """Memory without bytes; see memory.Memory."""

    pass_s: Callable[[float], None]
    """Lets time pass, in seconds."""
    set_s: float
    """Seconds to fill one operand set."""
    outcomes: dict[int, BatchOutcome] = field(default_factory=dict)
    """Outcome of the last batch, by slot."""
    last: BatchOutcome = field(default_factory=BatchOutcome)
    """Outcome of the last batch at any slot."""
    is_closed: bool = False

    @property
    def mapped_bytes(self) -> int:
        """Return 0: nothing is mapped."""
        return 0

    def happen(self, slot: int, outcome: BatchOutcome) -> None:
        """Note what the judge finds after a batch."""
        self.outcomes[slot], self.last = outcome, outcome

    def operands(self, task: Task, case: Case, *, sets: int) -> "ScriptedOperandSets":
        """Lay out so many sets of a case."""
        return ScriptedOperandSets(task, case, lay_out(task, case, sets=sets), self)

    def settle(self) -> None:
        """Return at once: nothing is pending."""

    def tampered(self, *, sets: range) -> str:
        """Return what the script says of the inputs."""
        return self.last.tampered

    def busy(self) -> str:
        """Return what the script says of work that goes on."""
        return self.last.busy

    def excess(self, task: Task) -> str:
        """Return what the script says of the worker's memory."""
        return self.last.excess

    def close(self) -> None:
        """Note that the memory was given back."""
        self.is_closed = True


@dataclass(frozen=True)
class ScriptedOperandSets:
    """Operands without values; see memory.OperandSets."""

    task: Task
    case: Case
    layout: Layout
    memory: ScriptedMemory

    def fill(self, sets: range, key: str) -> None:
        """Let the time pass that filling takes."""
        self.memory.pass_s(self.memory.set_s * len(sets))

    def seal(self, sets: range) -> None:
        """Do nothing."""

    def keep(self, sets: range, key: str) -> Restore:
        """Return a function that does nothing."""
        return lambda: None

    def region(self, sets: range, *, slot: int) -> "ScriptedRegion":
        """Return the outputs at a slot."""
        return ScriptedRegion(self.memory, slot)

    def examine(self, sets: range, check: OutputCheck) -> WrongOutput | None:
        """Return the mistake of the slot's last batch."""
        outcome = self.memory.outcomes.get(check.slot, BatchOutcome())
        return WrongOutput(outcome.mistake) if outcome.mistake else None


@dataclass
class ScriptedRegion:
    """Outputs without values; see memory.Region."""

    memory: ScriptedMemory
    slot: int
    samples: int = 0

    def poison(self, word: int) -> None:
        """Forget the slot's last batch."""
        self.memory.outcomes.pop(self.slot, None)

    def choose_samples(self, rng: np.random.Generator, *, at_least: int) -> None:
        """Note how many samples there are."""
        self.samples = at_least

    def read_samples(self) -> None:
        """Do nothing."""

    def late_samples(self) -> tuple[int, int]:
        """Return how many samples changed late, and how many there are."""
        return self._outcome.late_samples, self.samples

    def overrun(self, word: int) -> int:
        """Return how many bytes beside the outputs changed."""
        return self._outcome.overrun

    @property
    def _outcome(self) -> BatchOutcome:
        return self.memory.outcomes.get(self.slot, BatchOutcome())

"""The memory of a scripted device: it stores no data and reports after each batch what the script says."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from harness.checking.verify import WrongOutput
from harness.memory import OutputCheck, Restore
from harness.memory.layout import Layout, lay_out
from harness.task import Case, Task


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """What the judge finds in scripted memory after one batch. The defaults describe an honest batch."""

    mistake: str = ""
    """Detail of the first wrong output; empty if the outputs are right."""
    tampered: str = ""
    """Evidence that inputs were changed; empty if they were not. `busy` and `excess` are as in memory.Memory."""
    busy: str = ""
    excess: str = ""
    late_samples: int = 0
    """Number of samples that changed after the clock had stopped."""
    overrun: int = 0
    """Number of bytes outside the outputs that changed."""


@dataclass
class ScriptedMemory:
    """Memory without data, whose checks return outcomes from a script; see memory.Memory."""

    pass_s: Callable[[float], None]
    """Advances the simulated clock by a number of seconds."""
    set_s: float
    """Simulated seconds that filling one operand set takes."""
    outcomes: dict[int, BatchOutcome] = field(default_factory=dict)
    """Outcome of the last batch of each slot."""
    last: BatchOutcome = field(default_factory=BatchOutcome)
    """Outcome of the last batch, whichever slot it used."""
    is_closed: bool = False

    @property
    def mapped_bytes(self) -> int:
        """Return 0: scripted workers map no memory."""
        return 0

    def record_outcome(self, slot: int, outcome: BatchOutcome) -> None:
        """Set what the judge will find after a batch at this slot."""
        self.outcomes[slot], self.last = outcome, outcome

    def operands(self, task: Task, case: Case, *, sets: int) -> "ScriptedOperandSets":
        """Return `sets` operand sets of a case, with a layout but without data."""
        return ScriptedOperandSets(task, case, lay_out(task, case, sets=sets), self)

    def settle(self) -> None:
        """Return at once: nothing is queued on scripted memory."""

    def tampered(self, *, sets: range) -> str:
        """Return the script's evidence that inputs were changed in the last batch; empty if they were not."""
        return self.last.tampered

    def busy(self) -> str:
        """Return the script's evidence that a worker still computes; empty if none does."""
        return self.last.busy

    def excess(self, task: Task) -> str:
        """Return the script's evidence that the worker takes too much memory; empty if it does not."""
        return self.last.excess

    def close(self) -> None:
        """Note in `is_closed` that the judge freed this memory."""
        self.is_closed = True


@dataclass(frozen=True)
class ScriptedOperandSets:
    """Operand sets without data in scripted memory; see memory.OperandSets."""

    task: Task
    case: Case
    layout: Layout
    memory: ScriptedMemory

    def fill(self, sets: range, key: str) -> None:
        """Advance the simulated clock by the time that filling these sets takes."""
        self.memory.pass_s(self.memory.set_s * len(sets))

    def seal(self, sets: range) -> None:
        """Do nothing: the script says whether the inputs were changed."""

    def keep(self, sets: range, key: str) -> Restore:
        """Return a function that does nothing, because there is no data to write again."""
        return lambda: None

    def region(self, sets: range, *, slot: int) -> "ScriptedRegion":
        """Return the outputs at a slot."""
        return ScriptedRegion(self.memory, slot)

    def examine(self, sets: range, check: OutputCheck) -> WrongOutput | None:
        """Return the wrong output that the script names for the slot's last batch, or None."""
        outcome = self.memory.outcomes.get(check.slot, BatchOutcome())
        return WrongOutput(outcome.mistake) if outcome.mistake else None


@dataclass
class ScriptedRegion:
    """The outputs of one slot without data; see memory.Region."""

    memory: ScriptedMemory
    slot: int
    samples: int = 0

    def poison(self, word: int) -> None:
        """Discard the outcome of the slot's last batch."""
        self.memory.outcomes.pop(self.slot, None)

    def choose_samples(self, rng: np.random.Generator, *, at_least: int) -> None:
        """Set the number of samples to `at_least`; no words are chosen."""
        self.samples = at_least

    def read_samples(self) -> None:
        """Do nothing: scripted outputs hold no values."""

    def late_samples(self) -> tuple[int, int]:
        """Return (samples that changed late according to the script, number of samples)."""
        return self._outcome.late_samples, self.samples

    def overrun(self, word: int) -> int:
        """Return how many bytes outside the outputs changed, according to the script."""
        return self._outcome.overrun

    @property
    def _outcome(self) -> BatchOutcome:
        return self.memory.outcomes.get(self.slot, BatchOutcome())

"""Implement the memory of a scripted device, which tests use: it stores no data, and its checks return what a script
says."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from harness.checking.verify import WrongOutput
from harness.memory import OutputCheck, Restore
from harness.memory.layout import Layout, lay_out
from harness.task import Case, Task


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """Scripted results of the judge's checks of memory after one batch: a wrong output, changed inputs, running
    work, excess memory, late samples, and bytes written outside outputs. The scripted worker makes one per batch; the
    defaults describe an honest batch."""

    mistake: str = ""
    """Detail of the first wrong output; empty if the outputs are right."""
    tampered: str = ""
    """Evidence that inputs were changed; empty if they were not."""
    busy: str = ""
    """Evidence that a worker still computes; empty if none does."""
    excess: str = ""
    """Evidence that the worker takes too much memory; empty if it does not."""
    late_samples: int = 0
    """Number of samples that changed after the clock had stopped."""
    overrun: int = 0
    """Number of bytes outside the outputs that changed."""


@dataclass
class ScriptedMemory:
    """Memory without data for a scripted device, which tests use; an implementation of the protocol Memory. Its checks
    return the BatchOutcome that the scripted worker recorded last. Filling calls `pass_s` with `set_s` seconds per
    operand set, which advances a simulated clock."""

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
        """Return 0, which means "no allowance needed": a scripted worker maps no memory."""
        return 0

    def record_outcome(self, slot: int, outcome: BatchOutcome) -> None:
        """Keep `outcome`, which the judge's checks shall return for the last batch at the slot with the number `slot`;
        it replaces the outcome of the slot's earlier batch. The scripted worker calls this. Return nothing."""
        self.outcomes[slot], self.last = outcome, outcome

    def operands(self, task: Task, case: Case, *, sets: int) -> "ScriptedOperandSets":
        """Return ScriptedOperandSets for `sets` operand sets (buffers of one call each) of the Case `case` of the Task
        `task`, with a layout but without data."""
        return ScriptedOperandSets(task, case, lay_out(task, case, sets=sets), self)

    def settle(self) -> None:
        """Do nothing and return at once: scripted memory queues no work."""

    def tampered(self, *, sets: range) -> str:
        """Return the script's sentence of evidence that inputs were changed in the last batch of any slot, or an empty
        string. `sets` is not used."""
        return self.last.tampered

    def busy(self) -> str:
        """Return the script's sentence of evidence that a worker still computes after the last batch of any slot, or an
        empty string."""
        return self.last.busy

    def excess(self, task: Task) -> str:
        """Return the script's sentence of evidence that the worker of the last batch takes too much memory, or an empty
        string. `task` is not used."""
        return self.last.excess

    def close(self) -> None:
        """Set `is_closed` to True, so that a test can see that the judge freed this memory; return nothing."""
        self.is_closed = True


@dataclass(frozen=True)
class ScriptedOperandSets:
    """The operand sets of one case without data, an implementation of the protocol OperandSets. It holds the Task, the
    Case, the Layout (byte offsets) and the ScriptedMemory, whose simulated clock it advances. `ScriptedMemory.operands`
    makes it."""

    task: Task
    case: Case
    layout: Layout
    memory: ScriptedMemory

    def fill(self, sets: range, key: str) -> None:
        """Advance the simulated clock by the time that filling the operand sets in the range `sets` (a set is the
        buffers of one call) takes, `set_s` seconds per set; nothing is written and `key` is not used."""
        self.memory.pass_s(self.memory.set_s * len(sets))

    def seal(self, sets: range) -> None:
        """Do nothing and return nothing; `sets` is not used. The test's script decides whether inputs count as changed,
        and `ScriptedMemory.tampered` returns it."""

    def keep(self, sets: range, key: str) -> Restore:
        """Return a function that does nothing, because scripted memory has no data that could be written again; `sets`
        and `key` are not used."""
        return lambda: None

    def region(self, sets: range, *, slot: int) -> "ScriptedRegion":
        """Return a ScriptedRegion for the slot with the number `slot`; `sets` is not used."""
        return ScriptedRegion(self.memory, slot)

    def examine(self, sets: range, check: OutputCheck) -> WrongOutput | None:
        """Return a WrongOutput with the text `mistake` of the BatchOutcome that the script gives for the last batch at
        the slot `check.slot`, or None if that text is empty. `sets` is not used."""
        outcome = self.memory.outcomes.get(check.slot, BatchOutcome())
        return WrongOutput(outcome.mistake) if outcome.mistake else None


@dataclass
class ScriptedRegion:
    """The outputs of one slot without data, an implementation of the protocol Region, made by
    `ScriptedOperandSets.region`. It holds the ScriptedMemory, the number of the slot (the place of one worker's
    outputs) and the number of samples."""

    memory: ScriptedMemory
    slot: int
    samples: int = 0

    def poison(self, word: int) -> None:
        """Forget the outcome that the script recorded for the last batch at this slot, so that an honest batch is
        assumed next; nothing is written and `word` is not used."""
        self.memory.outcomes.pop(self.slot, None)

    def choose_samples(self, rng: np.random.Generator, *, at_least: int) -> None:
        """Set the number of samples of this region to `at_least`; no positions are chosen and `rng` is not used. Return
        nothing."""
        self.samples = at_least

    def read_samples(self) -> None:
        """Do nothing: scripted outputs hold no values that could be read."""

    def late_samples(self) -> tuple[int, int]:
        """Return a pair: the number of sampled output words of the slot's last batch that changed after the clock
        stopped, and the number of all sampled words. The first number is not measured: it is the field `late_samples`
        of the BatchOutcome that the script set for that batch."""
        return self._outcome.late_samples, self.samples

    def overrun(self, word: int) -> int:
        """Return the number `overrun` of the BatchOutcome that the script gives for the slot's last batch: bytes
        outside the outputs that a call wrote. `word` is not used."""
        return self._outcome.overrun

    @property
    def _outcome(self) -> BatchOutcome:
        return self.memory.outcomes.get(self.slot, BatchOutcome())

"""The memory of a CPU: inputs that the worker can only read, outputs between guard bands, all in sealed shared memory.

Inputs of all sets lie in one memfd, outputs in another; offsets are what the worker is told. Inputs are sealed against
any new writable mapping, so nobody but the judge changes them.

Where the unit is memory, a batch starts with none of its sets in the last-level cache: what the judge has just written
would be read faster than memory can be.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from harness.checking import inputs, verify
from harness.memory import OutputCheck, Restore
from harness.memory.layout import Layout, Spans, lay_out, spans
from harness.memory.sealed import SealedMemory
from harness.task import Array, Case, Task

SWEEPS = 2
"""A sweep reads this many times the size of the last-level cache, which does not always replace the oldest first."""


class CacheFlush:
    """Memory that is read to empty the last-level cache of what the judge has written."""

    def __init__(self, cache_bytes: int) -> None:
        self._bytes = SWEEPS * cache_bytes
        self._other: NDArray[np.uint64] | None = None

    def empty(self) -> None:
        """Read the other memory once. The first call allocates it."""
        if self._other is None:
            self._other = np.ones(self._bytes // np.dtype(np.uint64).itemsize, np.uint64)
        self._other.max()


class CpuMemory:
    """Sealed shared memory of a CPU's workers; see memory.Memory."""

    def __init__(self, *, input_bytes: int, output_bytes: int, slots: int = 2, sweep: CacheFlush | None = None) -> None:
        self.inputs = SealedMemory("inputs", input_bytes, read_only_elsewhere=True)
        self.outputs = [SealedMemory("outputs", output_bytes, read_only_elsewhere=False) for _ in range(slots)]
        self.sweep = sweep

    @property
    def mapped_bytes(self) -> int:
        """Bytes of the inputs and of one slot's outputs."""
        return len(self.inputs.bytes) + len(self.outputs[0].bytes)

    def operands(self, task: Task, case: Case, *, sets: int) -> "CpuOperandSets":
        """Lay out so many sets of a case."""
        return CpuOperandSets(task, case, lay_out(task, case, sets=sets), self)

    def settle(self) -> None:
        """Return at once: a CPU's memory has nothing pending."""

    def tampered(self, *, sets: range) -> str:
        """Return nothing: a seal of the kernel's keeps workers from writing to inputs."""
        return ""

    def busy(self) -> str:
        """Return nothing: the worker is stopped."""
        return ""

    def excess(self, task: Task) -> str:
        """Return nothing: a limit on the worker's address space keeps it from taking more."""
        return ""

    def close(self) -> None:
        """Give all memory back."""
        for memory in (self.inputs, *self.outputs):
            memory.close()


@dataclass(frozen=True)
class CpuOperandSets:
    """The operands of one case in a CPU's memory; see memory.OperandSets."""

    task: Task
    case: Case
    layout: Layout
    memory: CpuMemory

    def fill(self, sets: range, key: str) -> None:
        """Fill these sets one after the other from one generator."""
        rng = inputs.generator(key)
        for index in sets:
            inputs.fill(self.task, self.case, views=self._inputs(index), rng=rng)

    def seal(self, sets: range) -> None:
        """Do nothing: the memory is sealed from the start."""

    def keep(self, sets: range, key: str) -> Restore:
        """Keep a private copy. Written back, the lines are in the caches of the judge's core, whoever ran before."""
        views = [view for index in sets for view in self._inputs(index).values()]
        kept = [view.copy() for view in views]

        def restore() -> None:
            for view, values in zip(views, kept, strict=True):
                view[...] = values

        return restore

    def region(self, sets: range, *, slot: int) -> "CpuRegion":
        """Return the outputs of these sets at a slot."""
        sweep = self.memory.sweep if self.task.unit == "dram" else None
        return CpuRegion(self.memory.outputs[slot], spans(self.task, self.case, layout=self.layout, sets=sets), sweep)

    def examine(self, sets: range, check: OutputCheck) -> verify.WrongOutput | None:
        """Examine one set after the other."""
        look = verify.compare if check.full else partial(verify.check_timed, rng=check.rng)
        for index in sets:
            made = self._views(index, self.memory.outputs[check.slot], outputs=True)
            call = verify.Call(self.task, self.case, self._inputs(index), made)
            if mistake := look(call, poison=check.poison):
                return mistake
        return None

    def _inputs(self, index: int) -> Mapping[str, Array]:
        return self._views(index, self.memory.inputs, outputs=False)

    def _views(self, index: int, memory: SealedMemory, *, outputs: bool) -> Mapping[str, Array]:
        views = {}
        for column, buffer in enumerate(self.task.buffers):
            if buffer.is_output == outputs:
                start = int(self.layout.offsets[index, column])
                raw = memory.bytes[start : start + buffer.bytes_in(self.case.sizes)]
                views[buffer.name] = raw.view(buffer.dtype).reshape(buffer.shape_in(self.case.sizes))
        return views


class CpuRegion:
    """Outputs in a CPU's memory; see memory.Region."""

    def __init__(self, memory: SealedMemory, places: Spans, sweep: CacheFlush | None) -> None:
        self._sweep = sweep
        self._spans = places
        self._words: NDArray[np.uint32] = memory.bytes[self._spans.begin : self._spans.end].view(np.uint32)
        self._places: NDArray[np.intp] = np.empty(0, np.intp)
        self._seen: NDArray[np.uint32] = np.empty(0, np.uint32)

    def poison(self, word: int) -> None:
        """Overwrite all outputs and guard bands with a 32-bit word."""
        self._words[...] = word
        if self._sweep:
            self._sweep.empty()

    def choose_samples(self, rng: np.random.Generator, *, at_least: int) -> None:
        """Choose secret places."""
        self._places = self._spans.choose(rng, at_least=at_least)
        self._seen = np.empty(len(self._places), np.uint32)

    def read_samples(self) -> None:
        """Read the samples into memory that exists already: nothing is allocated while the clock runs."""
        np.take(self._words, self._places, out=self._seen)

    def late_samples(self) -> tuple[int, int]:
        """Return how many samples have another value now, and how many there are."""
        return int(np.count_nonzero(self._words[self._places] != self._seen)), len(self._seen)

    def overrun(self, word: int) -> int:
        """Return the number of bytes outside the outputs that no longer hold the poison."""
        changed = self._words != word
        for first, count in self._spans.words:
            changed[first : first + count] = False
        return 4 * int(np.count_nonzero(changed))

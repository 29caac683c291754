"""The memory of a CPU's workers: read-only inputs, and outputs between guard bands, all in sealed shared memory.

The inputs of all operand sets lie in one memory file, the outputs of each slot in another; a worker gets byte offsets
into them. A kernel seal forbids any new writable mapping of the inputs, so that only the judge can change them.

For tasks whose unit is `dram`, the last-level cache is flushed before a batch. Otherwise the worker could read data
that the judge has just written from the cache, faster than memory can deliver it.
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

CACHE_MULTIPLE = 2
"""Size of the flush array as a multiple of the last-level cache: one cache size may not be enough, because a cache need
not replace its oldest lines first."""


class CacheFlush:
    """An array larger than the last-level cache; reading the array evicts everything else from the cache."""

    def __init__(self, cache_bytes: int) -> None:
        self._bytes = CACHE_MULTIPLE * cache_bytes
        self._array: NDArray[np.uint64] | None = None

    def empty(self) -> None:
        """Read the array once, which evicts all other data from the cache. The first call allocates the array."""
        if self._array is None:
            self._array = np.ones(self._bytes // np.dtype(np.uint64).itemsize, np.uint64)
        self._array.max()


class CpuMemory:
    """The memory that a CPU's workers share with the judge; see memory.Memory."""

    def __init__(
        self, *, input_bytes: int, output_bytes: int, slots: int = 2, cache_flush: CacheFlush | None = None
    ) -> None:
        self.inputs = SealedMemory("inputs", input_bytes, read_only_elsewhere=True)
        self.outputs = [SealedMemory("outputs", output_bytes, read_only_elsewhere=False) for _ in range(slots)]
        self.cache_flush = cache_flush

    @property
    def mapped_bytes(self) -> int:
        """Bytes of the inputs and of one slot's outputs."""
        return len(self.inputs.bytes) + len(self.outputs[0].bytes)

    def operands(self, task: Task, case: Case, *, sets: int) -> "CpuOperandSets":
        """Lay out `sets` operand sets of a case; nothing is filled yet."""
        return CpuOperandSets(task, case, lay_out(task, case, sets=sets), self)

    def settle(self) -> None:
        """Return at once: the judge's own writes on a CPU are complete when they return."""

    def tampered(self, *, sets: range) -> str:
        """Return an empty string: the kernel seal prevents workers from writing to inputs."""
        return ""

    def busy(self) -> str:
        """Return an empty string: a stopped worker on a CPU computes nothing."""
        return ""

    def excess(self, task: Task) -> str:
        """Return an empty string: the limit on a worker's address space already bounds its memory."""
        return ""

    def close(self) -> None:
        """Free the inputs and the outputs of every slot."""
        for memory in (self.inputs, *self.outputs):
            memory.close()


@dataclass(frozen=True)
class CpuOperandSets:
    """The operand sets of one case in a CPU's memory; see memory.OperandSets."""

    task: Task
    case: Case
    layout: Layout
    memory: CpuMemory

    def fill(self, sets: range, key: str) -> None:
        """Fill the inputs of these sets in order from one random generator, which the key seeds."""
        rng = inputs.generator(key)
        for index in sets:
            inputs.fill(self.task, self.case, views=self._inputs(index), rng=rng)

    def seal(self, sets: range) -> None:
        """Do nothing: the inputs of a CPU were sealed when they were allocated."""

    def keep(self, sets: range, key: str) -> Restore:
        """Return a function that writes the inputs again from a private copy, which is made now.

        After the function has run, the inputs are in the caches of the judge's core, whichever worker ran before.
        """
        views = [view for index in sets for view in self._inputs(index).values()]
        kept = [view.copy() for view in views]

        def restore() -> None:
            for view, values in zip(views, kept, strict=True):
                view[...] = values

        return restore

    def region(self, sets: range, *, slot: int) -> "CpuRegion":
        """Return the outputs of these sets at a slot. If the task's unit is `dram`, poisoning them also flushes the
        cache."""
        cache_flush = self.memory.cache_flush if self.task.unit == "dram" else None
        output_spans = spans(self.task, self.case, layout=self.layout, sets=sets)
        return CpuRegion(self.memory.outputs[slot], output_spans, cache_flush)

    def examine(self, sets: range, check: OutputCheck) -> verify.WrongOutput | None:
        """Examine the outputs of one set after the other; return the first wrong output, or None."""
        examine_call = verify.compare if check.full else partial(verify.check_timed, rng=check.rng)
        for index in sets:
            outputs = self._views(index, self.memory.outputs[check.slot], outputs=True)
            call = verify.Call(self.task, self.case, self._inputs(index), outputs)
            if mistake := examine_call(call, poison=check.poison):
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
    """The outputs of a range of operand sets in a CPU's memory; see memory.Region."""

    def __init__(self, memory: SealedMemory, output_spans: Spans, cache_flush: CacheFlush | None) -> None:
        self._cache_flush = cache_flush
        self._spans = output_spans
        self._words: NDArray[np.uint32] = memory.bytes[self._spans.begin : self._spans.end].view(np.uint32)
        self._indices: NDArray[np.intp] = np.empty(0, np.intp)
        self._values: NDArray[np.uint32] = np.empty(0, np.uint32)

    def poison(self, word: int) -> None:
        """Overwrite all outputs and guard bands with a 32-bit word; then flush the cache if the unit is `dram`."""
        self._words[...] = word
        if self._cache_flush:
            self._cache_flush.empty()

    def choose_samples(self, rng: np.random.Generator, *, at_least: int) -> None:
        """Choose secret words of the outputs as samples, and allocate memory for their values."""
        self._indices = self._spans.choose(rng, at_least=at_least)
        self._values = np.empty(len(self._indices), np.uint32)

    def read_samples(self) -> None:
        """Copy the samples into memory that is already allocated, because the clock of the batch is still running."""
        np.take(self._words, self._indices, out=self._values)

    def late_samples(self) -> tuple[int, int]:
        """Return (samples that changed since `read_samples`, number of samples)."""
        return int(np.count_nonzero(self._words[self._indices] != self._values)), len(self._values)

    def overrun(self, word: int) -> int:
        """Return the number of bytes outside the outputs that no longer hold the poison `word`."""
        changed = self._words != word
        for first, count in self._spans.words:
            changed[first : first + count] = False
        return 4 * int(np.count_nonzero(changed))

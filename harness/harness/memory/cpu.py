"""Implement the memory of a CPU's workers: read-only inputs, and outputs between guard bands (bytes that no call may
write), all in shared memory files.

The inputs of all operand sets lie in one memory file, the outputs of each slot in another; a worker gets byte offsets
into them. A seal of the operating system forbids any new writable mapping of the inputs, so that only the judge can
change them.

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
    """An array twice as large as the last-level cache. Reading it evicts all other data from the cache, so that the
    next batch reads its inputs from main memory. The CPU device makes one and gives it to CpuMemory."""

    def __init__(self, cache_bytes: int) -> None:
        self._bytes = CACHE_MULTIPLE * cache_bytes
        self._array: NDArray[np.uint64] | None = None

    def empty(self) -> None:
        """Evict all other data from the last-level cache by reading the whole array once; return nothing. The first
        call allocates the array."""
        if self._array is None:
            self._array = np.ones(self._bytes // np.dtype(np.uint64).itemsize, np.uint64)
        self._array.max()


class CpuMemory:
    """The memory that the judge shares with the workers of a CPU, an implementation of the protocol Memory: one memory
    file with the inputs of all operand sets, which workers can map only for reading, and one writable memory file of
    outputs per slot (the place of one worker's outputs)."""

    def __init__(
        self, *, input_bytes: int, output_bytes: int, slots: int = 2, cache_flush: CacheFlush | None = None
    ) -> None:
        self.inputs = SealedMemory("inputs", input_bytes, read_only_elsewhere=True)
        self.outputs = [SealedMemory("outputs", output_bytes, read_only_elsewhere=False) for _ in range(slots)]
        self.cache_flush = cache_flush

    @property
    def mapped_bytes(self) -> int:
        """Return the bytes of all inputs and of one slot's outputs (a slot is the place of one worker's outputs), which
        is what one worker maps. The judge adds them to the limit on the worker's address space."""
        return len(self.inputs.bytes) + len(self.outputs[0].bytes)

    def operands(self, task: Task, case: Case, *, sets: int) -> "CpuOperandSets":
        """Return CpuOperandSets with a layout for `sets` operand sets (inputs and outputs of one call each) of `case`,
        a combination of sizes and kind of data that `task`, a Task, defines. Nothing is filled; the caller must ensure
        that they fit into this memory."""
        return CpuOperandSets(task, case, lay_out(task, case, sets=sets), self)

    def settle(self) -> None:
        """Do nothing and return at once: on a CPU, the judge's writes to memory are complete when the writing function
        returns."""

    def tampered(self, *, sets: range) -> str:
        """Return an empty string, which means "no evidence of changed inputs": the operating system lets workers map
        the inputs of a CPU only for reading. `sets`, a range of operand sets, is not used."""
        return ""

    def busy(self) -> str:
        """Return an empty string, which means "nothing still runs": the judge suspends every thread of a CPU worker
        after a batch, so that none can compute."""
        return ""

    def excess(self, task: Task) -> str:
        """Return an empty string, which means "no limit exceeded": the operating system already enforces the limit on
        the address space of a CPU worker. `task` is not used; other devices read the limit from it."""
        return ""

    def close(self) -> None:
        """Free the memory files of the inputs and of every slot's outputs; return nothing. Raises BufferError if an
        array, such as that of a region, still refers to one of them."""
        for memory in (self.inputs, *self.outputs):
            memory.close()


@dataclass(frozen=True)
class CpuOperandSets:
    """The operand sets of one case in a CPU's memory, an implementation of the protocol OperandSets; one operand set is
    the inputs and outputs of one call. It holds the Task, the Case (sizes and kind of data), the Layout (byte offsets
    of all buffers) and the CpuMemory. `CpuMemory.operands` makes it."""

    task: Task
    case: Case
    layout: Layout
    memory: CpuMemory

    def fill(self, sets: range, key: str) -> None:
        """Fill the inputs of the operand sets in the range `sets` (a set is the buffers of one call), in that order,
        from one random generator whose seed is `key` (32 hexadecimal digits). Return nothing; the data are complete
        when this returns. Workers must be suspended meanwhile."""
        rng = inputs.generator(key)
        for index in sets:
            inputs.fill(self.task, self.case, views=self._inputs(index), rng=rng)

    def seal(self, sets: range) -> None:
        """Do nothing and return nothing; `sets` is not used. The operating system has let workers map the inputs of a
        CPU only for reading since they were allocated, so no checksum is needed."""

    def keep(self, sets: range, key: str) -> Restore:
        """Copy the present inputs of the operand sets in the range `sets` (a set is the buffers of one call), and
        return a function without arguments that writes these copies back. `key` is not used; it is part of the protocol
        for devices that generate the inputs again.

        After the function has run, the inputs are in the caches of the judge's core, whichever worker ran before.
        """
        views = [view for index in sets for view in self._inputs(index).values()]
        kept = [view.copy() for view in views]

        def restore() -> None:
            for view, values in zip(views, kept, strict=True):
                view[...] = values

        return restore

    def region(self, sets: range, *, slot: int) -> "CpuRegion":
        """Return the CpuRegion with the outputs of the operand sets in the range `sets` (a set is the buffers of one
        call); `slot` is the index of the output memory. If the unit of the task is `dram` (memory bandwidth),
        `CpuRegion.poison` will also evict all data from the cache."""
        cache_flush = self.memory.cache_flush if self.task.unit == "dram" else None
        output_spans = spans(self.task, self.case, layout=self.layout, sets=sets)
        return CpuRegion(self.memory.outputs[slot], output_spans, cache_flush)

    def examine(self, sets: range, check: OutputCheck) -> verify.WrongOutput | None:
        """Check the outputs of the operand sets in the range `sets` (a set is the buffers of one call) one after the
        other; return a WrongOutput, whose `detail` describes the first error, or None. `check.full` compares every
        element with the reference; otherwise products are checked by random vectors and independent rows by samples."""
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
    """The outputs of a range of operand sets in one slot of a CPU's memory (the place of one worker's outputs), an
    implementation of the protocol Region, made by `CpuOperandSets.region`. It holds a view of the 32-bit words from the
    first guard band to the last one, and the positions and values of the secret samples, which show whether a worker
    writes outputs too late."""

    def __init__(self, memory: SealedMemory, output_spans: Spans, cache_flush: CacheFlush | None) -> None:
        self._cache_flush = cache_flush
        self._spans = output_spans
        self._words: NDArray[np.uint32] = memory.bytes[self._spans.begin : self._spans.end].view(np.uint32)
        self._indices: NDArray[np.intp] = np.empty(0, np.intp)
        self._values: NDArray[np.uint32] = np.empty(0, np.uint32)

    def poison(self, word: int) -> None:
        """Overwrite all outputs of this region and the guard bands around them (bytes that no call may write) with the
        32-bit integer `word`; return nothing when that is done. If the region was made for a task with the unit `dram`,
        then evict all data from the cache."""
        self._words[...] = word
        if self._cache_flush:
            self._cache_flush.empty()

    def choose_samples(self, rng: np.random.Generator, *, at_least: int) -> None:
        """Choose secret random positions of 32-bit words in the outputs, at least `at_least` in total and one in every
        output, drawn from the numpy Generator `rng`. Keep them in this region together with an allocated array for
        their values; return nothing."""
        self._indices = self._spans.choose(rng, at_least=at_least)
        self._values = np.empty(len(self._indices), np.uint32)

    def read_samples(self) -> None:
        """Copy the words at the sampled positions into the array that `choose_samples` allocated; return nothing. The
        method allocates no memory, because the clock of the batch is still running."""
        np.take(self._words, self._indices, out=self._values)

    def late_samples(self) -> tuple[int, int]:
        """Compare the sampled words with the values that `read_samples` copied; return two integers: the number of
        samples that changed since then, and the number of samples."""
        return int(np.count_nonzero(self._words[self._indices] != self._values)), len(self._values)

    def overrun(self, word: int) -> int:
        """Return the number of bytes in the guard bands (bytes that no call may write) and padding of this region that
        changed, that is, 4 bytes for each 32-bit word outside the outputs that does not equal `word`, with which
        `poison` filled it."""
        changed = self._words != word
        for first, count in self._spans.words:
            changed[first : first + count] = False
        return 4 * int(np.count_nonzero(changed))

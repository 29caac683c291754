"""Sealed shared memory on a CPU: inputs the worker can only read, outputs between guard bands.

A set is one call's operands. Inputs of all sets lie in one memfd, outputs in another; offsets are what the worker is
told. Inputs are sealed against any new writable mapping (F_SEAL_FUTURE_WRITE), and neither file can be shrunk under
the judge.
"""

import fcntl
import mmap
import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from task import Array, Case, Task

PAGE = 4096
GUARD_BYTES = PAGE
MAX_BYTES = 512 << 20
"""Sets of one batch take at most this."""

F_ADD_SEALS, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_FUTURE_WRITE = 1033, 2, 4, 16
"""linux/fcntl.h; Python 3.11 names only the first three."""


class Memory:
    """A memfd with the judge's own writable mapping of it."""

    def __init__(self, name: str, size: int, *, read_only_elsewhere: bool) -> None:
        self.fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.fd, size)
        self._map = mmap.mmap(self.fd, size)
        seals = F_SEAL_SHRINK | F_SEAL_GROW | (F_SEAL_FUTURE_WRITE if read_only_elsewhere else 0)
        fcntl.fcntl(self.fd, F_ADD_SEALS, seals)
        self.bytes: NDArray[np.uint8] = np.frombuffer(self._map, np.uint8)

    def close(self) -> None:
        """Give the memory back once no worker maps it."""
        del self.bytes
        self._map.close()
        os.close(self.fd)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where one case's sets lie: byte offsets of buffer b of set s in its file, [sets][buffers]."""

    offsets: NDArray[np.uint64]
    input_bytes: int
    output_bytes: int


def lay_out(task: Task, case: Case, *, sets: int) -> Layout:
    """Place `sets` sets: every buffer starts on a page, every output lies between two guard bands."""
    offsets = np.zeros((sets, len(task.buffers)), np.uint64)
    ends = {False: 0, True: GUARD_BYTES}
    for index in range(sets):
        for column, buffer in enumerate(task.buffers):
            offsets[index, column] = ends[buffer.is_output]
            size = -(-buffer.bytes_in(case.sizes) // PAGE) * PAGE
            ends[buffer.is_output] += size + (GUARD_BYTES if buffer.is_output else 0)
    return Layout(offsets, max(ends[False], PAGE), ends[True])


def sets_that_fit(task: Task, case: Case) -> int:
    """How many sets of a case fit into the arena's limit; at least one."""
    one = lay_out(task, case, sets=1)
    return max(1, MAX_BYTES // (one.input_bytes + one.output_bytes))


class Arena:
    """The judge's side: one file of inputs for all workers, one of outputs for each."""

    def __init__(self, *, input_bytes: int, output_bytes: int, seats: int = 2) -> None:
        self.inputs = Memory("inputs", input_bytes, read_only_elsewhere=True)
        self.outputs = [Memory("outputs", output_bytes, read_only_elsewhere=False) for _ in range(seats)]

    def input_views(self, task: Task, case: Case, *, layout: Layout, index: int) -> Mapping[str, Array]:
        """Writable arrays over the inputs of one set."""
        return self._views(task, case, layout=layout, index=index, memory=self.inputs, outputs=False)

    def output_views(self, task: Task, case: Case, *, layout: Layout, index: int, seat: int) -> Mapping[str, Array]:
        """Arrays over the outputs of one set at one seat."""
        return self._views(task, case, layout=layout, index=index, memory=self.outputs[seat], outputs=True)

    def close(self) -> None:
        """Give all memory back."""
        for memory in (self.inputs, *self.outputs):
            memory.close()

    @staticmethod
    def _views(
        task: Task, case: Case, *, layout: Layout, index: int, memory: Memory, outputs: bool
    ) -> Mapping[str, Array]:
        views = {}
        for column, buffer in enumerate(task.buffers):
            if buffer.is_output == outputs:
                start = int(layout.offsets[index, column])
                raw = memory.bytes[start : start + buffer.bytes_in(case.sizes)]
                views[buffer.name] = raw.view(buffer.dtype).reshape(buffer.shape_in(case.sizes))
        return views


class OutputRegion:
    """The outputs of a run of sets at one seat: poisoned before a batch, examined after it."""

    def __init__(self, task: Task, case: Case, *, memory: Memory, layout: Layout, sets: range) -> None:
        columns = [c for c, buffer in enumerate(task.buffers) if buffer.is_output]
        sizes = [task.buffers[c].bytes_in(case.sizes) for c in columns]
        starts = [int(layout.offsets[s, c]) for s in sets for c in columns]
        self._spans = list(zip(starts, sizes * len(sets), strict=True))
        self._begin = self._spans[0][0] - GUARD_BYTES
        last_start, last_size = self._spans[-1]
        self._end = -(-(last_start + last_size) // PAGE) * PAGE + GUARD_BYTES
        self.words: NDArray[np.uint32] = memory.bytes[self._begin : self._end].view(np.uint32)

    def poison(self, word: int) -> None:
        """Overwrite everything, guard bands included."""
        self.words[...] = word

    def sample_places(self, rng: np.random.Generator, *, at_least: int) -> NDArray[np.intp]:
        """Secret word indices into `words`: some in every output, `at_least` in all."""
        each = max(1, -(-at_least // len(self._spans)))
        firsts = [(start - self._begin) // 4 for start, _ in self._spans]
        offsets = [rng.integers(0, max(1, size // 4), each) for _, size in self._spans]
        return np.concatenate([first + offset for first, offset in zip(firsts, offsets, strict=True)])

    def overrun(self, word: int) -> int:
        """Bytes outside the outputs that no longer hold the poison."""
        changed = self.words != word
        for start, size in self._spans:
            changed[(start - self._begin) // 4 : -(-(start + size - self._begin) // 4)] = False
        return 4 * int(np.count_nonzero(changed))

"""Where the sets of one case lie in a memory: a set is one call's operands, and outputs lie between guard bands."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.task import Case, Task

PAGE = 4096
GUARD_BYTES = PAGE


@dataclass(frozen=True, slots=True)
class Layout:
    """Byte offsets of buffer b of set s in its memory, [sets][buffers]."""

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


def sets_that_fit(task: Task, case: Case, *, max_bytes: int) -> int:
    """How many sets of a case fit into so many bytes; at least one."""
    one = lay_out(task, case, sets=1)
    return max(1, max_bytes // (one.input_bytes + one.output_bytes))


@dataclass(frozen=True, slots=True)
class Spans:
    """The outputs of a run of sets as 32-bit words, counted from the guard band before the first."""

    begin: int
    end: int
    """Bytes into the memory of outputs."""
    words: tuple[tuple[int, int], ...]
    """(first word, number of words) of each output; its last word may reach into the guard band behind it."""

    def choose(self, rng: np.random.Generator, *, at_least: int) -> NDArray[np.intp]:
        """Word indices: some in every output, `at_least` in all."""
        each = max(1, -(-at_least // len(self.words)))
        return np.concatenate([first + rng.integers(0, count, each) for first, count in self.words])


def spans(task: Task, case: Case, *, layout: Layout, sets: range) -> Spans:
    """Where the outputs of these sets lie."""
    columns = [c for c, buffer in enumerate(task.buffers) if buffer.is_output]
    sizes = [task.buffers[c].bytes_in(case.sizes) for c in columns]
    places = [(int(layout.offsets[s, c]), size) for s in sets for c, size in zip(columns, sizes, strict=True)]
    begin = places[0][0] - GUARD_BYTES
    last, size = places[-1]
    end = -(-(last + size) // PAGE) * PAGE + GUARD_BYTES
    return Spans(begin, end, tuple(((start - begin) // 4, -(-size // 4)) for start, size in places))

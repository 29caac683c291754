"""Compute where the buffers of a case's operand sets (inputs and outputs of one call each) lie in memory, as byte
offsets, with guard bands (bytes that no call may write) around every output."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.task import Case, Task

PAGE = 4096
GUARD_BYTES = PAGE


@dataclass(frozen=True, slots=True)
class Layout:
    """The byte offset of each buffer of each operand set (inputs and outputs of one call) in the memory of inputs or
    outputs, and the total bytes of inputs and of outputs. `lay_out` makes it; all devices use the same layout."""

    offsets: NDArray[np.uint64]
    """Byte offset of every buffer, [sets][buffers]: into the inputs for an input, into the outputs for an output."""
    input_bytes: int
    output_bytes: int


def lay_out(task: Task, case: Case, *, sets: int) -> Layout:
    """Return the Layout of `sets` operand sets (inputs and outputs of one call each) of `case`, which gives the sizes
    of the buffers that `task` lists. Every buffer starts on a page of 4,096 bytes, and one page of guard band, which no
    call may write, lies before and after every output."""
    offsets = np.zeros((sets, len(task.buffers)), np.uint64)
    ends = {False: 0, True: GUARD_BYTES}
    for index in range(sets):
        for column, buffer in enumerate(task.buffers):
            offsets[index, column] = ends[buffer.is_output]
            size = -(-buffer.bytes_in(case.sizes) // PAGE) * PAGE
            ends[buffer.is_output] += size + (GUARD_BYTES if buffer.is_output else 0)
    return Layout(offsets, max(ends[False], PAGE), ends[True])


def sets_that_fit(task: Task, case: Case, *, max_bytes: int) -> int:
    """Return how many operand sets (inputs and outputs of one call each) fit into `max_bytes` bytes; at least 1, even
    if not a single one fits. `case` gives the sizes of the buffers that `task` lists."""
    single = lay_out(task, case, sets=1)
    return max(1, max_bytes // (single.input_bytes + single.output_bytes))


@dataclass(frozen=True, slots=True)
class Spans:
    """The positions of the outputs of a range of operand sets within the output memory: the byte offsets of the begin
    of the first guard band and the end of the last one, and for each output its first 32-bit word, counted from that
    begin, and its number of words. The function `spans` makes it."""

    begin: int
    end: int
    """Byte offsets into the output memory: `begin` of the first guard band, `end` behind the last one."""
    words: tuple[tuple[int, int], ...]
    """(first word, number of words) of each output; its last word may reach into the guard band behind the output."""

    def choose(self, rng: np.random.Generator, *, at_least: int) -> NDArray[np.intp]:
        """Return a numpy array of random indices of 32-bit words in the outputs, counted from `begin`: the same number
        in every output, at least one in each, and at least `at_least` in total. `rng` is the numpy Generator that draws
        them; the judge reads these words as samples."""
        each = max(1, -(-at_least // len(self.words)))
        return np.concatenate([first + rng.integers(0, count, each) for first, count in self.words])


def spans(task: Task, case: Case, *, layout: Layout, sets: range) -> Spans:
    """Return the Spans (positions of outputs and guard bands in the output memory) of the operand sets in the range
    `sets` (a set is the buffers of one call). `layout` is the Layout of all sets of the case; `task` lists the buffers,
    `case` gives their sizes."""
    columns = [c for c, buffer in enumerate(task.buffers) if buffer.is_output]
    sizes = [task.buffers[c].bytes_in(case.sizes) for c in columns]
    places = [(int(layout.offsets[s, c]), size) for s in sets for c, size in zip(columns, sizes, strict=True)]
    begin = places[0][0] - GUARD_BYTES
    last, size = places[-1]
    end = -(-(last + size) // PAGE) * PAGE + GUARD_BYTES
    return Spans(begin, end, tuple(((start - begin) // 4, -(-size // 4)) for start, size in places))

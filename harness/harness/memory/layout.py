"""The layout of the operand sets of one case: byte offsets of all buffers, with guard bands around every output."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.task import Case, Task

PAGE = 4096
GUARD_BYTES = PAGE


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the buffers of all operand sets lie, and how many bytes of inputs and of outputs they need together."""

    offsets: NDArray[np.uint64]
    """Byte offset of every buffer, [sets][buffers]: into the inputs for an input, into the outputs for an output."""
    input_bytes: int
    output_bytes: int


def lay_out(task: Task, case: Case, *, sets: int) -> Layout:
    """Return the layout of `sets` operand sets. Buffers start on pages; every output lies between two guard bands."""
    offsets = np.zeros((sets, len(task.buffers)), np.uint64)
    ends = {False: 0, True: GUARD_BYTES}
    for index in range(sets):
        for column, buffer in enumerate(task.buffers):
            offsets[index, column] = ends[buffer.is_output]
            size = -(-buffer.bytes_in(case.sizes) // PAGE) * PAGE
            ends[buffer.is_output] += size + (GUARD_BYTES if buffer.is_output else 0)
    return Layout(offsets, max(ends[False], PAGE), ends[True])


def sets_that_fit(task: Task, case: Case, *, max_bytes: int) -> int:
    """Return how many operand sets of a case fit into `max_bytes`; at least 1."""
    single = lay_out(task, case, sets=1)
    return max(1, max_bytes // (single.input_bytes + single.output_bytes))


@dataclass(frozen=True, slots=True)
class Spans:
    """The part of the output memory that a range of operand sets takes, as 32-bit words from its first guard band
    on."""

    begin: int
    end: int
    """Byte offsets into the output memory: `begin` of the first guard band, `end` behind the last one."""
    words: tuple[tuple[int, int], ...]
    """(first word, number of words) of each output; its last word may reach into the guard band behind the output."""

    def choose(self, rng: np.random.Generator, *, at_least: int) -> NDArray[np.intp]:
        """Return random indices of 32-bit words: some in every output, at least `at_least` in total."""
        each = max(1, -(-at_least // len(self.words)))
        return np.concatenate([first + rng.integers(0, count, each) for first, count in self.words])


def spans(task: Task, case: Case, *, layout: Layout, sets: range) -> Spans:
    """Return where the outputs of these operand sets lie in the output memory."""
    columns = [c for c, buffer in enumerate(task.buffers) if buffer.is_output]
    sizes = [task.buffers[c].bytes_in(case.sizes) for c in columns]
    places = [(int(layout.offsets[s, c]), size) for s in sets for c, size in zip(columns, sizes, strict=True)]
    begin = places[0][0] - GUARD_BYTES
    last, size = places[-1]
    end = -(-(last + size) // PAGE) * PAGE + GUARD_BYTES
    return Spans(begin, end, tuple(((start - begin) // 4, -(-size // 4)) for start, size in places))

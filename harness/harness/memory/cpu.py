"""The arena of a CPU: inputs that the worker can only read, outputs between guard bands, all in sealed shared memory.

Inputs of all sets lie in one memfd, outputs in another; offsets are what the worker is told. Inputs are sealed against
any new writable mapping, so nobody but the judge changes them.

Where the unit is memory, a batch starts with none of its sets in the last-level cache: what the judge has just written
would be read faster than memory can be.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from harness.checking import inputs, verify
from harness.memory import Restore
from harness.memory.layout import Layout, spans
from harness.memory.sealed import Memory
from harness.task import Array, Case, Task

SWEEPS = 2
"""A sweep reads this many times the size of the last-level cache, which does not always replace the oldest first."""


class Sweep:
    """Memory that is read to empty the last-level cache of what the judge has written."""

    def __init__(self, cache_bytes: int) -> None:
        self._bytes = SWEEPS * cache_bytes
        self._other: NDArray[np.uint64] | None = None

    def empty(self) -> None:
        """Read the other memory once. The first call allocates it."""
        if self._other is None:
            self._other = np.ones(self._bytes // np.dtype(np.uint64).itemsize, np.uint64)
        self._other.max()


class CpuArena:
    """See arena.Arena."""

    def __init__(self, *, input_bytes: int, output_bytes: int, sweep: Sweep, seats: int = 2) -> None:
        self.inputs = Memory("inputs", input_bytes, read_only_elsewhere=True)
        self.outputs = [Memory("outputs", output_bytes, read_only_elsewhere=False) for _ in range(seats)]
        self._sweep = sweep

    @property
    def mapped_bytes(self) -> int:
        """Inputs and one seat's outputs."""
        return len(self.inputs.bytes) + len(self.outputs[0].bytes)

    def fill(self, task: Task, case: Case, *, layout: Layout, sets: range, key: str) -> None:
        """Fill these sets one after the other from one generator."""
        rng = inputs.generator(key)
        for index in sets:
            inputs.fill(task, case, views=self._given(task, case, layout=layout, index=index), rng=rng)

    def seal(self, task: Task, case: Case, *, layout: Layout, sets: range) -> None:
        """The memory is sealed from the start."""

    def keep(self, task: Task, case: Case, *, layout: Layout, sets: range, key: str) -> Restore:
        """A private copy; written back, the judge's core owns their cache lines, warmed up or flushed as they were."""
        views = [v for i in sets for v in self._given(task, case, layout=layout, index=i).values()]
        kept = [view.copy() for view in views]

        def restore() -> None:
            for view, values in zip(views, kept, strict=True):
                view[...] = values

        return restore

    def settle(self) -> None:
        """Nothing is ever pending here."""

    def region(self, task: Task, case: Case, *, layout: Layout, sets: range, seat: int) -> "CpuRegion":
        """The outputs of these sets."""
        sweep = self._sweep if task.unit == "dram" else None
        return CpuRegion(task, case, memory=self.outputs[seat], layout=layout, sets=sets, sweep=sweep)

    def tampered(self, *, sets: range) -> str:
        """Inputs are sealed: nothing can show here."""
        return ""

    def busy(self) -> str:
        """The worker stands still."""
        return ""

    def excess(self, task: Task) -> str:
        """The worker's address space is limited: it cannot take more."""
        return ""

    def examine(self, task: Task, case: Case, *, layout: Layout, sets: range, seat: int, poison: int,
                rng: np.random.Generator, full: bool) -> verify.Mistake | None:  # fmt: skip
        """One set after the other."""
        for index in sets:
            given = self._given(task, case, layout=layout, index=index)
            made = self._views(task, case, layout=layout, index=index, memory=self.outputs[seat], outputs=True)
            if full:
                mistake = verify.compare(task, case, inputs=given, outputs=made, poison=poison)
            else:
                mistake = verify.check_timed(task, case, inputs=given, outputs=made, rng=rng, poison=poison)
            if mistake:
                return mistake
        return None

    def close(self) -> None:
        """Give all memory back."""
        for memory in (self.inputs, *self.outputs):
            memory.close()

    def _given(self, task: Task, case: Case, *, layout: Layout, index: int) -> Mapping[str, Array]:
        return self._views(task, case, layout=layout, index=index, memory=self.inputs, outputs=False)

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


class CpuRegion:
    """See arena.Region."""

    def __init__(
        self, task: Task, case: Case, *, memory: Memory, layout: Layout, sets: range, sweep: Sweep | None
    ) -> None:
        self._spans = spans(task, case, layout=layout, sets=sets)
        self._words: NDArray[np.uint32] = memory.bytes[self._spans.begin : self._spans.end].view(np.uint32)
        self._places: NDArray[np.intp] = np.empty(0, np.intp)
        self._seen: NDArray[np.uint32] = np.empty(0, np.uint32)
        self._sweep = sweep

    def poison(self, word: int) -> None:
        """Overwrite everything, guard bands included; where the unit is memory, leave nothing of it in the cache."""
        self._words[...] = word
        if self._sweep:
            self._sweep.empty()

    def choose_samples(self, rng: np.random.Generator, *, at_least: int) -> None:
        """Secret places."""
        self._places = self._spans.choose(rng, at_least=at_least)
        self._seen = np.empty(len(self._places), np.uint32)

    def read_samples(self) -> None:
        """Into memory that is there already: nothing is allocated while the clock runs."""
        np.take(self._words, self._places, out=self._seen)

    def late_samples(self) -> tuple[int, int]:
        """Compared with what was read."""
        return int(np.count_nonzero(self._words[self._places] != self._seen)), len(self._seen)

    def overrun(self, word: int) -> int:
        """Bytes outside the outputs that no longer hold the poison."""
        changed = self._words != word
        for first, count in self._spans.words:
            changed[first : first + count] = False
        return 4 * int(np.count_nonzero(changed))

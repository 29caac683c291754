"""Buffers that the judge owns and the worker maps, with what happens where the data lie: filling and examining."""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from harness.checking.verify import Mistake
from harness.memory.layout import Layout
from harness.task import Case, Task

Restore = Callable[[], None]
"""Writes the kept inputs anew, whatever a worker did to them or to their caches."""


class Region(Protocol):
    """The outputs of a run of sets at one seat: poisoned before a batch, sampled when it ends, examined after it."""

    def poison(self, word: int) -> None:
        """Overwrite everything, guard bands included."""

    def choose_samples(self, rng: np.random.Generator, *, at_least: int) -> None:
        """Secret places: some in every output, `at_least` in all."""

    def read_samples(self) -> None:
        """Read them; they have been seen when this returns, so the clock stops then."""

    def late_samples(self) -> tuple[int, int]:
        """How many hold another value by now, of how many."""

    def overrun(self, word: int) -> int:
        """Bytes outside the outputs that no longer hold the poison."""


class Arena(Protocol):
    """One memory of inputs for all workers, one of outputs for each seat."""

    @property
    def mapped_bytes(self) -> int:
        """What a worker maps beside its own memory, as far as its address space is limited."""

    def fill(self, task: Task, case: Case, *, layout: Layout, sets: range, key: str) -> None:
        """Fill the inputs of these sets from a key. Every worker must stand still."""

    def seal(self, task: Task, case: Case, *, layout: Layout, sets: range) -> None:
        """Remember what was filled, so that a change shows; writing the same anew is none."""

    def keep(self, task: Task, case: Case, *, layout: Layout, sets: range, key: str) -> Restore:
        """What writes the inputs of these sets again, just as `fill` left them."""

    def settle(self) -> None:
        """Return when everything ordered so far has been done."""

    def region(self, task: Task, case: Case, *, layout: Layout, sets: range, seat: int) -> Region:
        """The outputs of these sets."""

    def tampered(self, *, sets: range) -> str:
        """What shows that a worker changed the sealed inputs, in words; empty where nothing does."""

    def busy(self) -> str:
        """What shows that a worker still computes, in words; empty where nothing does."""

    def excess(self, task: Task) -> str:
        """What shows that workers take more memory than the task allows, in words; empty where nothing does."""

    def examine(self, task: Task, case: Case, *, layout: Layout, sets: range, seat: int, poison: int,
                rng: np.random.Generator, full: bool) -> Mistake | None:  # fmt: skip
        """The first wrong output of these sets; `full` compares each element with the reference."""

    def close(self) -> None:
        """Give all memory back."""


__all__ = ["Arena", "Layout", "Region", "Restore"]

"""Buffers that the judge owns and workers map, with what happens where the data lie: filling and examining."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from harness.checking.verify import WrongOutput
from harness.memory.layout import Layout
from harness.task import Case, Task

Restore = Callable[[], None]
"""Writes the kept inputs again, whatever a worker did to them or to their caches."""


@dataclass(frozen=True, slots=True)
class OutputCheck:
    """How the outputs of a batch are examined."""

    slot: int
    poison: int
    """The 32-bit word that the outputs were filled with."""
    rng: np.random.Generator
    """Draws what is examined."""
    full: bool = False
    """Whether each element is compared with the reference."""


class Region(Protocol):
    """The outputs of some sets at one slot: poisoned before a batch, sampled when it ends, examined after it."""

    def poison(self, word: int) -> None:
        """Overwrite all outputs and guard bands with a 32-bit word."""

    def choose_samples(self, rng: np.random.Generator, *, at_least: int) -> None:
        """Choose secret places: some in every output, `at_least` together."""

    def read_samples(self) -> None:
        """Read the samples; the clock stops when this returns."""

    def late_samples(self) -> tuple[int, int]:
        """Return how many samples have another value now, and how many there are."""

    def overrun(self, word: int) -> int:
        """Return the number of bytes outside the outputs that no longer hold the poison."""


class OperandSets(Protocol):
    """The operands of one case in a memory; a set is the inputs and outputs of one call."""

    @property
    def task(self) -> Task:
        """The task."""

    @property
    def case(self) -> Case:
        """The case."""

    @property
    def layout(self) -> Layout:
        """Where the buffers of each set lie."""

    def fill(self, sets: range, key: str) -> None:
        """Fill the inputs of these sets from a key. Every worker must stand still."""

    def seal(self, sets: range) -> None:
        """Remember what was filled, so that a change shows; writing the same values again is no change."""

    def keep(self, sets: range, key: str) -> Restore:
        """Return a function that writes the inputs of these sets again as `fill` left them."""

    def region(self, sets: range, *, slot: int) -> Region:
        """Return the outputs of these sets at a slot."""

    def examine(self, sets: range, check: OutputCheck) -> WrongOutput | None:
        """Return the first wrong output of these sets."""


class Memory(Protocol):
    """The memory of a device's workers: one region of inputs for all, one of outputs for each slot."""

    @property
    def mapped_bytes(self) -> int:
        """Bytes that a worker maps beside its own memory, as far as its address space is limited."""

    def operands(self, task: Task, case: Case, *, sets: int) -> OperandSets:
        """Lay out so many sets of a case."""

    def settle(self) -> None:
        """Return when everything ordered so far has been done."""

    def tampered(self, *, sets: range) -> str:
        """Return what shows that a worker changed the sealed inputs; empty where nothing does."""

    def busy(self) -> str:
        """Return what shows that a worker still computes; empty where nothing does."""

    def excess(self, task: Task) -> str:
        """Return what shows that workers take more memory than the task allows; empty where nothing does."""

    def close(self) -> None:
        """Give all memory back."""


__all__ = ["Layout", "Memory", "OperandSets", "OutputCheck", "Region", "Restore"]

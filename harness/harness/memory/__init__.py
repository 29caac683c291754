"""The protocols of a device's memory: the judge owns the buffers, fills and examines them, and workers map them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from harness.checking.verify import WrongOutput
from harness.memory.layout import Layout
from harness.task import Case, Task

Restore = Callable[[], None]
"""Writes the inputs of some operand sets again with their original values; see OperandSets.keep."""


@dataclass(frozen=True, slots=True)
class OutputCheck:
    """Which outputs to examine after a batch, and how thoroughly."""

    slot: int
    """Index of the output memory that the worker wrote to."""
    poison: int
    """The 32-bit word that the outputs were filled with before the batch."""
    rng: np.random.Generator
    """Secret random generator that draws the sampled rows and the vectors of the product check."""
    full: bool = False
    """True compares every element with the reference; False checks products by random vectors and rows by samples."""


class Region(Protocol):
    """The outputs of a range of operand sets at one slot, with the guard bands around them."""

    def poison(self, word: int) -> None:
        """Overwrite all outputs and guard bands of this region with a 32-bit word."""

    def choose_samples(self, rng: np.random.Generator, *, at_least: int) -> None:
        """Choose secret 32-bit words of the outputs as samples: some in every output, at least `at_least` in total."""

    def read_samples(self) -> None:
        """Read the samples and keep their values; the judge stops the clock of the batch when this returns."""

    def late_samples(self) -> tuple[int, int]:
        """Return (samples that changed since `read_samples`, number of samples)."""

    def overrun(self, word: int) -> int:
        """Return how many bytes outside the outputs, guard bands included, no longer hold the poison `word`."""


class OperandSets(Protocol):
    """The operand sets of one case in a device's memory. An operand set holds the inputs and outputs of one call."""

    @property
    def task(self) -> Task:
        """The task that the case belongs to."""

    @property
    def case(self) -> Case:
        """The case whose operands these are."""

    @property
    def layout(self) -> Layout:
        """The byte offset of each buffer of each set."""

    def fill(self, sets: range, key: str) -> None:
        """Fill the inputs of these sets with the data that a key determines. Every worker must be stopped while this
        runs."""

    def seal(self, sets: range) -> None:
        """Record the inputs of these sets, so that `Memory.tampered` can report a later change of their values."""

    def keep(self, sets: range, key: str) -> Restore:
        """Return a function that writes the inputs of these sets again as `fill` wrote them with this key."""

    def region(self, sets: range, *, slot: int) -> Region:
        """Return the outputs of these sets at a slot."""

    def examine(self, sets: range, check: OutputCheck) -> WrongOutput | None:
        """Return the first wrong output of these sets, or None if none was found."""


class Memory(Protocol):
    """The memory that a device's workers map: one block of inputs for all workers, one block of outputs per slot."""

    @property
    def mapped_bytes(self) -> int:
        """Bytes of inputs and outputs that a worker's address-space limit must allow for; 0 if there is no such
        limit."""

    def operands(self, task: Task, case: Case, *, sets: int) -> OperandSets:
        """Lay out `sets` operand sets of a case; nothing is filled yet."""

    def settle(self) -> None:
        """Wait until all work that the judge has queued on this memory is complete."""

    def tampered(self, *, sets: range) -> str:
        """Return evidence that a worker changed the sealed inputs of these sets, or an empty string."""

    def busy(self) -> str:
        """Return evidence that a worker still computes after its calls have returned, or an empty string."""

    def excess(self, task: Task) -> str:
        """Return evidence that workers take more memory than the task allows, or an empty string."""

    def close(self) -> None:
        """Free all memory. No worker may use it afterwards."""


__all__ = ["Layout", "Memory", "OperandSets", "OutputCheck", "Region", "Restore"]

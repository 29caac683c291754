"""Define the protocols of a device's memory. The judge allocates, fills and examines the buffers of all calls; the
worker processes, which run the candidates, only map them. cpu.py, cuda.py and scripted.py implement the protocols."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from harness.checking.verify import WrongOutput
from harness.memory.layout import Layout
from harness.task import Case, Task

Restore = Callable[[], None]
"""A function without arguments that writes the inputs of some operand sets again with their original values."""


@dataclass(frozen=True, slots=True)
class OutputCheck:
    """Parameters of one examination of a batch's outputs, made by the timing session: which output memory to read
    (`slot`), the word that the outputs held before the batch (`poison`), a secret random generator (`rng`), and whether
    every element is compared (`full`)."""

    slot: int
    """Index of the output memory that the worker wrote to."""
    poison: int
    """The 32-bit word that the outputs were filled with before the batch."""
    rng: np.random.Generator
    """Secret random generator that draws the sampled rows and the vectors of the product check."""
    full: bool = False
    """True compares every element with the reference; False checks products by random vectors and rows by samples."""


class Region(Protocol):
    """The outputs of a range of operand sets in the output memory of one worker, with the guard bands (bytes that no
    call may write) around them. The judge overwrites a region before a batch; after the batch it reads secret samples
    and counts bytes written outside the outputs."""

    def poison(self, word: int) -> None:
        """Overwrite all outputs and guard bands (bytes that no call may write) of this region with the 32-bit integer
        `word`, so that the judge can later see which bytes a worker wrote. Return nothing. On a GPU the writing is only
        queued; `Memory.settle` waits for it."""

    def choose_samples(self, rng: np.random.Generator, *, at_least: int) -> None:
        """Choose secret random positions of 32-bit words as samples and keep them in this region: at least one in every
        output, at least `at_least` in total. `rng` is a numpy Generator with a secret seed. Return nothing. Call this
        before `read_samples`."""

    def read_samples(self) -> None:
        """Read the 32-bit words at the positions that `choose_samples` chose, wait until they are read, and keep them
        in this region. Return nothing. The judge stops the clock of the batch when this method returns."""

    def late_samples(self) -> tuple[int, int]:
        """Read the samples again and return two integers: the number of samples whose value changed since
        `read_samples`, and the number of samples. A change shows that the worker wrote outputs after the clock had
        stopped."""

    def overrun(self, word: int) -> int:
        """Return the number of bytes in the guard bands (bytes that no call may write) and padding of this region that
        no longer hold the 32-bit integer `word`, with which `poison` filled them; 0 if no call wrote outside its
        outputs."""


class OperandSets(Protocol):
    """The operand sets of one case in a device's memory. One operand set holds the inputs and outputs of one call, so
    that every call of a batch has buffers of its own. `Memory.operands` makes this object; the timing session fills,
    protects and examines the sets through it."""

    @property
    def task(self) -> Task:
        """Return the Task that the case belongs to: its buffers, its reference and its tolerances."""

    @property
    def case(self) -> Case:
        """Return the Case (sizes and kind of data) whose operands these sets hold."""

    @property
    def layout(self) -> Layout:
        """Return the Layout, which holds the byte offset of each buffer of each operand set."""

    def fill(self, sets: range, key: str) -> None:
        """Fill the inputs of the operand sets in the range `sets` (a set is the buffers of one call) with random data
        that `key` (32 hexadecimal digits) determines. Return nothing; on a GPU the filling is queued and
        `Memory.settle` waits for it. Every worker must be suspended meanwhile."""

    def seal(self, sets: range) -> None:
        """Protect the inputs of the operand sets in the range `sets` (a set is the buffers of one call): a GPU takes a
        checksum that `Memory.tampered` compares later; other devices do nothing, because workers cannot write to
        inputs. Return nothing."""

    def keep(self, sets: range, key: str) -> Restore:
        """Return a function without arguments that writes the inputs of the operand sets in the range `sets` (a set is
        the buffers of one call) again, with the values that `fill` wrote for `key`. A CPU copies the present values for
        this; a GPU generates them from the key."""

    def region(self, sets: range, *, slot: int) -> Region:
        """Return the Region with the outputs of the operand sets in the range `sets` (a set is the buffers of one
        call). `slot` is the index of the output memory; each worker that is alive writes to a slot of its own."""

    def examine(self, sets: range, check: OutputCheck) -> WrongOutput | None:
        """Check the outputs of the operand sets in the range `sets` (a set is the buffers of one call) against the
        reference and return a WrongOutput, whose `detail` describes the first error, or None if no error was found.
        `check` says which output memory to read and how thoroughly."""


class Memory(Protocol):
    """The buffers of a device's workers: one block of inputs, which all workers share, and one block of outputs per
    slot (a slot is the place of one worker's outputs). The device allocates it for a task; the judge keeps it until the
    task is closed."""

    @property
    def mapped_bytes(self) -> int:
        """Return the bytes of inputs and outputs that one worker maps, which the limit on its address space must allow
        in addition; 0 if workers of this device have no such limit."""

    def operands(self, task: Task, case: Case, *, sets: int) -> OperandSets:
        """Return OperandSets with a layout for `sets` operand sets of a case, numbered from 0. Nothing is allocated or
        filled; the caller must ensure that they fit into this memory (see `layout.sets_that_fit`)."""

    def settle(self) -> None:
        """Wait until all fills, checksums and other work that the judge has queued on this memory are complete; return
        nothing. A GPU raises CUDARuntimeError if that work failed."""

    def tampered(self, *, sets: range) -> str:
        """Return one sentence of evidence that the inputs of the operand sets in the range `sets` (a set is the buffers
        of one call) changed after `OperandSets.seal`, or an empty string if they did not. The judge calls this after
        every batch."""

    def busy(self) -> str:
        """Return one sentence of evidence that a worker's code still runs on the device although all calls of the batch
        have returned, or an empty string if nothing runs."""

    def excess(self, task: Task) -> str:
        """Return one sentence of evidence that the workers take more device memory than the limit of `task`, or an
        empty string if they do not."""

    def close(self) -> None:
        """Free the inputs and the outputs of all slots; return nothing. The workers that map them must have ended, and
        this object cannot be used afterwards."""


__all__ = ["Layout", "Memory", "OperandSets", "OutputCheck", "Region", "Restore"]

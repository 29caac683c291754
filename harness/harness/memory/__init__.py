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
    """Parameters of one examination of a batch's outputs, made by the timing session: the number of the output memory
    to read (`slot`), the 32-bit word with which all outputs were overwritten before the batch, so that unwritten
    elements are recognised (`poison`), a random generator with a secret seed that draws samples (`rng`), and whether
    every element is compared or only samples (`full`)."""

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
        """Choose secret random positions of 32-bit words as samples, at least one in every output and at least
        `at_least` in total, and keep them in this region for `read_samples`. `rng` is a numpy Generator with a secret
        seed, so that a worker cannot guess which words the judge reads. Return nothing."""

    def read_samples(self) -> None:
        """Read the 32-bit words at the positions that `choose_samples` chose, wait until they are read, and keep their
        values in this region for the later comparison by `late_samples`. Return nothing. The measured time of the batch
        ends when this method returns."""

    def late_samples(self) -> tuple[int, int]:
        """Read the words at the sampled positions a second time and return two integers: how many of them changed since
        `read_samples`, and how many samples there are. A change shows that the worker still wrote outputs after the
        measured time of the batch had ended."""

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
        """Return the Task that the case belongs to: the problem that the kernels solve, with its buffers, its reference
        implementation and its tolerances."""

    @property
    def case(self) -> Case:
        """Return the Case whose operands these sets hold: one combination of sizes and kind of input data of the
        task."""

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
    """The buffers of a device's workers (processes that run candidates): one block of inputs, which all workers share,
    and one block of outputs per slot (a slot is the place of one worker's outputs). The device allocates it for a task;
    the judge keeps it until the task is closed."""

    @property
    def mapped_bytes(self) -> int:
        """Return the bytes of inputs and outputs that one worker maps. The judge adds them to the limit on the worker's
        address space. Return 0 if workers of this device have no such limit."""

    def operands(self, task: Task, case: Case, *, sets: int) -> OperandSets:
        """Return OperandSets with a layout for `sets` operand sets (inputs and outputs of one call each, numbered from
        0) of `case`, a combination of sizes and kind of data that `task`, a Task, defines. Nothing is allocated or
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
        """Return one sentence of evidence that the workers have taken more device memory than the Task `task` permits
        in `task.limits.memory_bytes`, or an empty string if they have not."""

    def close(self) -> None:
        """Free the inputs and the outputs of all slots; return nothing. The workers that map them must have ended, and
        this object cannot be used afterwards."""


__all__ = ["Layout", "Memory", "OperandSets", "OutputCheck", "Region", "Restore"]

"""What the sets of one case hold on a GPU, whole or by secretly chosen rows, and whether their outputs are right."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import cupy
import numpy as np
from numpy.typing import NDArray

from harness.checking import verify
from harness.contract import ITEM_BYTES
from harness.memory import OutputCheck
from harness.memory.examiner import Examiner, Products
from harness.memory.layout import Layout
from harness.task import Buffer, Case, Task

MAX_DECODED_BYTES = 1 << 30
"""Of the inputs of calls whose sampled rows are compared at once; references take several times as much."""

Operands = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stored:
    """The sets of a case, by index; inputs and outputs begin at these addresses."""

    examiner: Examiner
    task: Task
    case: Case
    layout: Layout
    inputs_at: int
    outputs_at: int

    # --- whether outputs are right ------------------------------------------------------------------------------------

    def examine(self, sets: range, check: OutputCheck) -> verify.WrongOutput | None:
        """Examine sets as verify.check_timed does: all products at once, and a secretly chosen one by samples."""
        if self.task.check.rule == "product" and self.case.data != "small_integers" and not check.full:
            return self._check_products(sets, poison=check.poison, rng=check.rng)
        if self.task.check.independent and not check.full:
            return self._check_rows(sets, poison=check.poison, rng=check.rng)
        for index in sets:
            given, lies = self.operands(index)
            if mistake := self._compare([given], lies, poison=check.poison, calls=1):
                return mistake
        return None

    def measure(self, index: int) -> dict[str, verify.Errors]:
        """How far the outputs of one set are off, by name."""
        given, lies = self.operands(index)
        return self.examiner.measure(self.task, self.case, given=given, stored=lies)

    def residuals(self, sets: range, *, rng: np.random.Generator) -> list[verify.Residuals]:
        """Of the product check of each set."""
        factors = left, right, output = self._factors()
        (m, k), (n, _) = self._shape(left), self._shape(right)
        places = np.stack([self._places(buffer, sets) for buffer in factors], axis=1)
        return self.examiner.residuals(Products(places, (left.dtype, right.dtype, output.dtype), (m, n, k)), rng=rng)

    def _check_products(self, sets: range, *, poison: int, rng: np.random.Generator) -> verify.WrongOutput | None:
        tolerance = self.task.tolerance(self.case)
        for found in self.residuals(sets, rng=rng):
            if mistake := verify.judge_residuals(self.task.check.output, found, tolerance=tolerance):
                return mistake
        if not verify.is_sampled(self.task):
            return None
        given, made = self._sampled_product(sets[int(rng.integers(len(sets)))], rng=rng)
        return verify.of_sample(self._compare([given], made, poison=poison, calls=1))

    def _check_rows(self, sets: range, *, poison: int, rng: np.random.Generator) -> verify.WrongOutput | None:
        """As many calls at once as have room: what is not cut may be large.

        Where the task takes rows of several calls at once, one reference for all acquits them: launching one for each
        takes longer than its work.
        """
        at_once = max(1, MAX_DECODED_BYTES // sum(4 * math.prod(self._cut_shape(buffer)) for buffer in self._inputs()))
        for first in range(0, len(sets), at_once):
            some = sets[first : first + at_once]
            given, made = self._sampled_rows(some, rng=rng)
            if self.task.takes_rows_of_calls:
                of_all = {name: values.reshape(-1, *values.shape[2:]) for name, values in given.items()}
                if not self._compare([of_all], made, poison=poison, calls=len(some)):
                    continue
            # Nobody is accused by a reference that was asked for more than it need tell.
            by_call = [self._of_call(given, call) for call in range(len(some))]
            if mistake := self._compare(by_call, made, poison=poison, calls=len(some)):
                return verify.of_sample(mistake)
        return None

    def _compare(self, given: list[Operands], made: Operands, *, poison: int, calls: int) -> verify.WrongOutput | None:
        return self.examiner.compare(self.task, self.case, given=given, stored=made, poison=poison, calls=calls)

    def _of_call(self, given: Operands, call: int) -> Operands:
        """What a call's own reference is given of inputs as `_cut` gives them: rows, and once what has none."""

        def is_repeated(name: str) -> bool:
            return self.task.takes_rows_of_calls and not verify.is_cut(self.task, self.task.buffer(name))

        return {name: values[call][0] if is_repeated(name) else values[call] for name, values in given.items()}

    # --- what lies there ----------------------------------------------------------------------------------------------

    def operands(self, index: int) -> tuple[Operands, Operands]:
        """Decoded inputs of one set, and where its outputs lie."""
        given = {buffer.name: self._whole(buffer, index) for buffer in self._inputs()}
        return given, {buffer.name: self._place(buffer, index) for buffer in self._outputs()}

    def _places(self, buffer: Buffer, sets: range) -> NDArray[np.uint64]:
        """Where a buffer of each set begins."""
        begin = np.uint64(self.outputs_at if buffer.is_output else self.inputs_at)
        return begin + self.layout.offsets[sets.start : sets.stop, self.task.buffers.index(buffer)]

    def _place(self, buffer: Buffer, index: int) -> np.uint64:
        place: np.uint64 = self._places(buffer, range(index, index + 1))[0]
        return place

    def _sampled_product(self, index: int, *, rng: np.random.Generator) -> tuple[Operands, Operands]:
        """Inputs and outputs of a smaller product: some rows of A and of B, and C where they meet."""
        (left, right, output), one = self._factors(), range(index, index + 1)
        rows = verify.sample(rng, there=self._shape(left)[0], most=verify.SAMPLED_ROWS)
        columns = verify.sample(rng, there=self._shape(right)[0], most=verify.SAMPLED_COLUMNS)
        made = self._picked(output, rows, sets=one)[0][:, cupy.asarray(columns[0])]
        given = {
            left.name: self._decoded(left, self._picked(left, rows, sets=one)[0]),
            right.name: self._decoded(right, self._picked(right, columns, sets=one)[0]),
        }
        return given, {output.name: cupy.ascontiguousarray(made)}

    def _sampled_rows(self, sets: range, *, rng: np.random.Generator) -> tuple[Operands, Operands]:
        """Inputs and outputs, by call, as of calls that have only the sampled rows, other ones of each."""
        there = self.case.sizes[self.task.check.independent]
        rows = verify.sample(rng, there=there, most=verify.SAMPLED_ROWS, calls=len(sets))
        made = {buffer.name: self._picked(buffer, rows, sets=sets) for buffer in self._outputs()}
        given = {buffer.name: self._cut(buffer, rows, sets=sets) for buffer in self._inputs()}
        return given, made

    def _cut(self, buffer: Buffer, rows: NDArray[np.int64], *, sets: range) -> Any:
        """Decoded, by call: these rows of it, or all of a buffer that has no independent ones, once or for each row."""
        if verify.is_cut(self.task, buffer):
            return self._decoded(buffer, self._picked(buffer, rows, sets=sets))
        if self.task.takes_rows_of_calls:
            whole = self._picked(buffer, np.zeros_like(rows), sets=sets, row=self._shape(buffer))
            return self._decoded(buffer, whole)
        return [self._whole(buffer, index) for index in sets]

    def _cut_shape(self, buffer: Buffer) -> tuple[int, ...]:
        """Of what `_cut` gives for a call."""
        shape, there = self._shape(buffer), self.case.sizes[self.task.check.independent]
        rows = min(there, verify.SAMPLED_ROWS)
        if verify.is_cut(self.task, buffer):
            return (rows, *shape[1:])
        return (rows, *shape) if self.task.takes_rows_of_calls else shape

    def _whole(self, buffer: Buffer, index: int) -> Any:
        return self.examiner.decoded(self._place(buffer, index), self._shape(buffer), dtype=buffer.dtype)

    def _picked(
        self, buffer: Buffer, rows: NDArray[np.int64], *, sets: range, row: tuple[int, ...] | None = None
    ) -> Any:
        """Rows [sets][rows] of a buffer of each set as they are stored, [sets][rows][row]; of another shape if `row`
        is one."""
        shape = self._shape(buffer)[1:] if row is None else row
        length = math.prod(shape)
        places = self._places(buffer, sets)[:, None] + (rows * (length * ITEM_BYTES[buffer.dtype])).astype(np.uint64)
        return self.examiner.picked(places.ravel(), length, dtype=buffer.dtype).reshape(*rows.shape, *shape)

    def _decoded(self, buffer: Buffer, words: Any) -> Any:
        return self.examiner.decoded(words, words.shape, dtype=buffer.dtype)

    def _shape(self, buffer: Buffer) -> tuple[int, ...]:
        return buffer.shape_in(self.case.sizes)

    def _factors(self) -> tuple[Buffer, Buffer, Buffer]:
        """Left, right and output of a product."""
        check = self.task.check
        return self.task.buffer(check.left), self.task.buffer(check.right), self.task.buffer(check.output)

    def _inputs(self) -> Iterator[Buffer]:
        return (buffer for buffer in self.task.buffers if not buffer.is_output)

    def _outputs(self) -> Iterator[Buffer]:
        return (buffer for buffer in self.task.buffers if buffer.is_output)

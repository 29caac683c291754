"""Read the operand sets of one case from a GPU's memory, whole or by secret samples, and check their outputs."""

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
"""Bytes of decoded inputs that one comparison of sampled rows may take; its references take several times as much."""

Operands = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stored:
    """A reader and checker of one case's operand sets (inputs and outputs of one call each) in device memory. It holds
    the Examiner that launches the checking kernels, the Task, the Case, the Layout (byte offsets), and the device
    addresses of the inputs and of one slot's outputs. `CudaOperandSets.stored` makes it."""

    examiner: Examiner
    task: Task
    case: Case
    layout: Layout
    inputs_at: int
    outputs_at: int

    # --- checking outputs ------------------------------------------------------------------------------------

    def examine(self, sets: range, check: OutputCheck) -> verify.WrongOutput | None:
        """Check the outputs of the operand sets in the range `sets` (a set is the buffers of one call); return a
        WrongOutput, whose `detail` describes the first error, or None. `check` holds the word that marks unwritten
        elements, the generator of secret samples, and whether every element is compared.

        Products are all checked by random vectors, and one secretly chosen product by samples of its elements.
        Independent rows are checked by samples of every call. Everything else, and everything if `check.full`, is
        compared element by element.
        """
        if self.task.check.rule == "product" and self.case.data != "small_integers" and not check.full:
            return self._check_products(sets, poison=check.poison, rng=check.rng)
        if self.task.check.independent and not check.full:
            return self._check_rows(sets, poison=check.poison, rng=check.rng)
        for index in sets:
            inputs, outputs = self.operands(index)
            if mistake := self._compare([inputs], outputs, poison=check.poison, calls=1):
                return mistake
        return None

    def measure(self, index: int) -> dict[str, verify.Errors]:
        """Return the errors (largest, root mean square and others) of the outputs of the operand set with the number
        `index` relative to the reference implementation: a dict from output name to verify.Errors. Applies no limit and
        raises nothing for wrong outputs."""
        inputs, outputs = self.operands(index)
        return self.examiner.measure(self.task, self.case, inputs=inputs, outputs=outputs)

    def residuals(self, sets: range, *, rng: np.random.Generator) -> list[verify.Residuals]:
        """Return a list with one verify.Residuals per operand set in the range `sets`: for random vectors x, how much C
        x differs from A (Bᵀ x), where C is the product that the worker wrote. `rng` is the numpy Generator that draws
        the vectors. Only for tasks whose rule for checking is `product`."""
        factors = left, right, output = self._factors()
        (m, k), (n, _) = self._shape(left), self._shape(right)
        addresses = np.stack([self._addresses(buffer, sets) for buffer in factors], axis=1)
        return self.examiner.residuals(Products(addresses, (left.dtype, right.dtype, output.dtype), (m, n, k)), rng=rng)

    def _check_products(self, sets: range, *, poison: int, rng: np.random.Generator) -> verify.WrongOutput | None:
        tolerance = self.task.tolerance(self.case)
        for residuals in self.residuals(sets, rng=rng):
            if mistake := verify.judge_residuals(self.task.check.output, residuals, tolerance=tolerance):
                return mistake
        if not verify.is_sampled(self.task):
            return None
        inputs, outputs = self._sampled_product(sets[int(rng.integers(len(sets)))], rng=rng)
        return verify.of_sample(self._compare([inputs], outputs, poison=poison, calls=1))

    def _check_rows(self, sets: range, *, poison: int, rng: np.random.Generator) -> verify.WrongOutput | None:
        """Compare secretly sampled rows of every call of the operand sets in the range `sets` (a set is the buffers of
        one call) with the reference; return a WrongOutput that describes the first error, or None. `poison` is the word
        that marks unwritten elements, `rng` draws the rows.

        Memory limits how many calls are compared at once: inputs without independent rows are not cut and may be large.
        If the task accepts rows of several calls at once, one reference is computed for all of these calls first,
        because launching a reference per call takes longer than computing it. If the outputs do not match, each call is
        compared with a reference of its own.
        """
        call_bytes = sum(4 * math.prod(self._cut_shape(buffer)) for buffer in self._inputs())
        calls_at_once = max(1, MAX_DECODED_BYTES // call_bytes)
        for first in range(0, len(sets), calls_at_once):
            part = sets[first : first + calls_at_once]
            inputs, outputs = self._sampled_rows(part, rng=rng)
            if self.task.takes_rows_of_calls:
                all_rows = {name: values.reshape(-1, *values.shape[2:]) for name, values in inputs.items()}
                if not self._compare([all_rows], outputs, poison=poison, calls=len(part)):
                    continue
            # Only the reference of a single call may reject: joined inputs are more than a reference must support.
            by_call = [self._of_call(inputs, call) for call in range(len(part))]
            if mistake := self._compare(by_call, outputs, poison=poison, calls=len(part)):
                return verify.of_sample(mistake)
        return None

    def _compare(
        self, inputs: list[Operands], outputs: Operands, *, poison: int, calls: int
    ) -> verify.WrongOutput | None:
        return self.examiner.compare(self.task, self.case, inputs=inputs, outputs=outputs, poison=poison, calls=calls)

    def _of_call(self, inputs: Operands, call: int) -> Operands:
        """Return the inputs, a dict from buffer name to array, from which the reference of the single call with the
        number `call` is computed. `inputs` holds the sampled inputs of all calls, with the call as first dimension, as
        `_cut` returns them.

        An input that `_cut` repeats for every row is passed once.
        """

        def is_repeated(name: str) -> bool:
            return self.task.takes_rows_of_calls and not verify.is_cut(self.task, self.task.buffer(name))

        return {name: values[call][0] if is_repeated(name) else values[call] for name, values in inputs.items()}

    # --- reading operand sets -----------------------------------------------------------------------------------------

    def operands(self, index: int) -> tuple[Operands, Operands]:
        """Return two dicts by buffer name for the operand set with the number `index`: its inputs as float32 arrays on
        the device, and the device addresses of its outputs."""
        inputs = {buffer.name: self._whole(buffer, index) for buffer in self._inputs()}
        return inputs, {buffer.name: self._address(buffer, index) for buffer in self._outputs()}

    def _addresses(self, buffer: Buffer, sets: range) -> NDArray[np.uint64]:
        """Return a numpy array, [sets], with the device address of `buffer` in each operand set of the range `sets`."""
        begin = np.uint64(self.outputs_at if buffer.is_output else self.inputs_at)
        return begin + self.layout.offsets[sets.start : sets.stop, self.task.buffers.index(buffer)]

    def _address(self, buffer: Buffer, index: int) -> np.uint64:
        address: np.uint64 = self._addresses(buffer, range(index, index + 1))[0]
        return address

    def _sampled_product(self, index: int, *, rng: np.random.Generator) -> tuple[Operands, Operands]:
        """Return two dicts by buffer name, inputs and output, of a smaller product taken from the operand set with the
        number `index`: random rows of A, random rows of B, and the elements of C that these rows determine. The
        generator `rng` draws the rows, so that a worker cannot know which elements are compared."""
        (left, right, output), one_set = self._factors(), range(index, index + 1)
        rows = verify.sample(rng, there=self._shape(left)[0], most=verify.SAMPLED_ROWS)
        columns = verify.sample(rng, there=self._shape(right)[0], most=verify.SAMPLED_COLUMNS)
        outputs = self._picked(output, rows, sets=one_set)[0][:, cupy.asarray(columns[0])]
        inputs = {
            left.name: self._decoded(left, self._picked(left, rows, sets=one_set)[0]),
            right.name: self._decoded(right, self._picked(right, columns, sets=one_set)[0]),
        }
        return inputs, {output.name: cupy.ascontiguousarray(outputs)}

    def _sampled_rows(self, sets: range, *, rng: np.random.Generator) -> tuple[Operands, Operands]:
        """Return two dicts by buffer name, the inputs decoded to float32 and the outputs as raw words, both restricted
        to random rows: arrays [sets][rows].... `rng` draws other rows for every operand set in the range `sets`, so
        that a worker cannot know which rows are compared."""
        row_count = self.case.sizes[self.task.check.independent]
        rows = verify.sample(rng, there=row_count, most=verify.SAMPLED_ROWS, calls=len(sets))
        outputs = {buffer.name: self._picked(buffer, rows, sets=sets) for buffer in self._outputs()}
        inputs = {buffer.name: self._cut(buffer, rows, sets=sets) for buffer in self._inputs()}
        return inputs, outputs

    def _cut(self, buffer: Buffer, rows: NDArray[np.int64], *, sets: range) -> Any:
        """Return the input `buffer` of each operand set in the range `sets`, decoded to float32, [sets]...: only the
        sampled rows if its rows are independent of each other, otherwise the whole buffer. `rows` holds the sampled row
        numbers, [sets][rows].

        If the task accepts rows of several calls at once, a whole buffer is repeated for every sampled row.
        """
        if verify.is_cut(self.task, buffer):
            return self._decoded(buffer, self._picked(buffer, rows, sets=sets))
        if self.task.takes_rows_of_calls:
            repeated = self._picked(buffer, np.zeros_like(rows), sets=sets, row=self._shape(buffer))
            return self._decoded(buffer, repeated)
        return [self._whole(buffer, index) for index in sets]

    def _cut_shape(self, buffer: Buffer) -> tuple[int, ...]:
        """Return, as a tuple, the shape that the array returned by `_cut` has for one operand set and the input
        `buffer`: the sampled rows only, the whole buffer, or the whole buffer once per sampled row."""
        shape, row_count = self._shape(buffer), self.case.sizes[self.task.check.independent]
        rows = min(row_count, verify.SAMPLED_ROWS)
        if verify.is_cut(self.task, buffer):
            return (rows, *shape[1:])
        return (rows, *shape) if self.task.takes_rows_of_calls else shape

    def _whole(self, buffer: Buffer, index: int) -> Any:
        return self.examiner.decoded(self._address(buffer, index), self._shape(buffer), dtype=buffer.dtype)

    def _picked(
        self, buffer: Buffer, rows: NDArray[np.int64], *, sets: range, row: tuple[int, ...] | None = None
    ) -> Any:
        """Copy the rows of `buffer` whose numbers are in `rows`, an array [sets][rows], from the operand sets in the
        range `sets`, and return them as a cupy array [sets][rows][length of a row] of raw elements. If the shape `row`
        is given, the buffer is treated as a sequence of blocks of that shape, and these are copied instead of rows."""
        shape = self._shape(buffer)[1:] if row is None else row
        length = math.prod(shape)
        row_offsets = (rows * (length * ITEM_BYTES[buffer.dtype])).astype(np.uint64)
        addresses = self._addresses(buffer, sets)[:, None] + row_offsets
        return self.examiner.picked(addresses.ravel(), length, dtype=buffer.dtype).reshape(*rows.shape, *shape)

    def _decoded(self, buffer: Buffer, words: Any) -> Any:
        return self.examiner.decoded(words, words.shape, dtype=buffer.dtype)

    def _shape(self, buffer: Buffer) -> tuple[int, ...]:
        return buffer.shape_in(self.case.sizes)

    def _factors(self) -> tuple[Buffer, Buffer, Buffer]:
        """Return three Buffers (descriptions with name, type and shape) of the task's matrix product: its left factor,
        its right factor and its output."""
        check = self.task.check
        return self.task.buffer(check.left), self.task.buffer(check.right), self.task.buffer(check.output)

    def _inputs(self) -> Iterator[Buffer]:
        return (buffer for buffer in self.task.buffers if not buffer.is_output)

    def _outputs(self) -> Iterator[Buffer]:
        return (buffer for buffer in self.task.buffers if buffer.is_output)

"""Whether outputs are right: a comparison with a reference, or Freivalds' check of a product.

Errors are measured in units of a scale that rounding errors follow: for C = A Bᵀ the lengths of the two rows,
|a_i| |b_j|; elementwise, the element's magnitude plus the rms of what is compared. Four figures are held against the
task's tolerance: the largest error, the rms of all, and of outputs narrower than 32 bits the part of the elements that
are not the correctly rounded result and the part of the small ones that end in zero bits. What is found wrong is told
in words that an engineer can act on: how much, where, in which pattern.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.checking import rounding
from harness.task import Array, Arrays, Buffer, Case, Task, Tolerance

Floats = NDArray[np.float64]

VECTORS = 4
"""Gaussian vectors of one Freivalds check; one misses a single zeroed element 11 % of the time, four never did."""

FREIVALDS_SIGMAS = 8.0
"""Residuals beyond this many tolerated standard deviations are errors; honest fp32 products stay below 1."""

SCATTERS = 5.0
"""Figures over few elements may exceed the tolerance by so many of their own standard deviations."""

SMALL = (1 / 64, 1 / 16)
"""Elements between these parts of a typical one are small: what is left where large sums cancel."""
END_BITS = 2
"""A quarter of all numbers end in two zero bits; a difference of two much larger narrow numbers always does."""

SAMPLED_ROWS, SAMPLED_COLUMNS = 128, 1024
"""Compared element by element after a timed batch, drawn secretly then: of one product with a narrow output these rows
and columns, of every call whose rows are independent these rows. Who leaves out one row of 1,000 is found in a batch of
48 calls with a probability of 0.998."""

BLOCK_ROWS = 64
"""Of a matrix that is multiplied in float64: so many stay in a core's cache."""

MAX_NAMED = 4
"""Residues that a pattern may name before it says nothing any more."""


@dataclass(frozen=True, slots=True)
class WrongOutput:
    """What is wrong with one output."""

    detail: str


@dataclass(frozen=True, slots=True)
class Errors:
    """How far the elements of one output are off, all together."""

    count: int
    largest: float
    """In units of the scale, as `rms` is."""
    rms: float
    mismatch: float = 0.0
    """The part that is not the correctly rounded result; 0 of 32 bits and more."""
    small: int = 0
    """How many are small; 0 of 32 bits and more, and where no product is compared."""
    coarse: float = 0.0
    """The part of the small ones that ends in zero bits."""


@dataclass(frozen=True, slots=True)
class Residuals:
    """What a product check finds over all rows and vectors, in units of the scale."""

    count: int
    largest: float
    rms: float


@dataclass(frozen=True, slots=True)
class Call:
    """The arrays of one call; those of types that numpy lacks are float32 arrays of their values."""

    task: Task
    case: Case
    inputs: Arrays
    outputs: Arrays


# --- element by element ---------------------------------------------------------------------------------------------


def compare(call: Call, *, poison: int) -> WrongOutput | None:
    """Compare every element of every output with the reference; None if all is within the task's tolerance."""
    tolerance = call.task.tolerance(call.case)
    for one in _compared(call):
        wrong = one.relative > tolerance.max_element
        if wrong.any():
            return describe(_wrong(one, wrong=wrong, poison=poison))
        if mistake := judge_errors(one.name, one.errors(), tolerance=tolerance):
            return mistake
    return None


def measure(call: Call) -> dict[str, Errors]:
    """Return by output what `compare` holds against the tolerance."""
    return {one.name: one.errors() for one in _compared(call)}


@dataclass(frozen=True, slots=True)
class _Compared:
    """One output beside what it should be."""

    name: str
    dtype: str
    got: Array
    expected: Array
    scale: Floats
    relative: Floats
    """Errors in units of the scale; infinite where the output is not finite."""
    band: tuple[float, float]
    """Of small elements, in units of the scale."""

    def errors(self) -> Errors:
        count, largest = self.relative.size, float(self.relative.max())
        rms = float(np.sqrt(np.mean(np.square(self.relative))))
        if self.dtype not in rounding.NARROW:
            return Errors(count, largest, rms)
        stored = np.asarray(self.got, np.float32)
        mismatch = np.mean(rounding.rounded(self.expected.astype(np.float32), self.dtype) != stored)
        low, high = self.band
        magnitude = np.abs(self.expected)
        small = stored[(magnitude >= low * self.scale) & (magnitude < high * self.scale)]
        ends = rounding.ends_in_zeros(small, self.dtype, bits=END_BITS)
        return Errors(count, largest, rms, float(mismatch), small.size, float(ends.mean()) if small.size else 0.0)


def _compared(call: Call) -> list[_Compared]:
    return [_beside(call, name, expected) for name, expected in call.task.reference(call.inputs).items()]


def _beside(call: Call, name: str, expected: Array) -> _Compared:
    task, case, got = call.task, call.case, call.outputs[name]
    dtype = task.buffer(name).dtype
    if case.data == "small_integers" and dtype in rounding.NARROW:
        expected = rounding.rounded(expected, dtype)
    scale = _scale(task, name=name, inputs=call.inputs, expected=expected)
    error = np.abs(got - expected.astype(np.float64))
    error = np.where(np.isfinite(error), error, np.inf)
    # Where the scale is zero the right answer is exactly zero, and any error is infinitely large.
    relative = np.divide(error, scale, out=np.where(error > 0, np.inf, 0.0), where=scale > 0)
    return _Compared(name, dtype, got, expected, scale, relative, small_band(task, case, name))


def _scale(task: Task, *, name: str, inputs: Arrays, expected: Array) -> Floats:
    if is_product(task, name):
        left, right = _lengths(inputs[task.check.left]), _lengths(inputs[task.check.right])
        return np.asarray(left[:, None] * right[None, :])
    magnitude = np.abs(expected)
    return np.asarray(magnitude + np.sqrt(np.mean(np.square(expected, dtype=np.float64))))


def is_product(task: Task, name: str) -> bool:
    """Whether an output is measured in the lengths of two rows."""
    return task.check.rule == "product" and name == task.check.output


def small_band(task: Task, case: Case, name: str) -> tuple[float, float]:
    """Between which magnitudes elements are small, in units of the scale; (0, 0) where they are not looked at.

    A typical element of a product is |a_i| |b_j| / sqrt(K).
    """
    if not is_product(task, name):
        return 0.0, 0.0
    terms = task.buffer(task.check.left).shape_in(case.sizes)[1]
    return SMALL[0] * terms**-0.5, SMALL[1] * terms**-0.5


def _lengths(rows: Array) -> Floats:
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64)))


def judge_errors(name: str, errors: Errors, *, tolerance: Tolerance) -> WrongOutput | None:
    """What is wrong with all elements together where none of them is far off."""
    cause = "something accumulates in lower precision"
    if not errors.rms <= tolerance.rms * (1 + SCATTERS * (2 * errors.count) ** -0.5):
        return WrongOutput(
            f"{name}: no element is far off, but all together are: rms error {errors.rms:.2e} of the scale, "
            f"{tolerance.rms:.2e} allowed; {cause}"
        )
    if errors.mismatch > _most(tolerance.mismatch, of=errors.count):
        return WrongOutput(
            f"{name}: {errors.mismatch:.2%} of the elements are not the correctly rounded result, "
            f"{tolerance.mismatch:.2%} may be; {cause}"
        )
    if errors.coarse > _most(tolerance.coarse, of=errors.small):
        return WrongOutput(
            f"{name}: {errors.coarse:.1%} of the small elements end in {END_BITS} zero bits, "
            f"{tolerance.coarse:.1%} may: partial sums were rounded to the output's type"
        )
    return None


def _most(part: float, *, of: int) -> float:
    """Of so many elements, where so large a part of all is tolerated."""
    return part + SCATTERS * math.sqrt(part * (1 - part) / of) if of else 1.0


# --- in words -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WrongElements:
    """The wrong elements of one output, summed up where the output lies."""

    name: str
    count: int
    shape: tuple[int, ...]
    worst: int
    """Flat index of the element farthest off."""
    got: float
    expected: float
    unwritten: int
    rows: NDArray[np.bool_]
    """Rows that hold a wrong element; an output that is no matrix counts as one with rows of the rest."""
    columns: NDArray[np.bool_]


def _wrong(one: _Compared, *, wrong: NDArray[np.bool_], poison: int) -> WrongElements:
    worst, got = int(np.argmax(np.where(wrong, one.relative, -1.0))), one.got
    flat = wrong.reshape(wrong.shape[0], -1)
    return WrongElements(
        name=one.name,
        count=int(wrong.sum()),
        shape=got.shape,
        worst=worst,
        got=float(got.ravel()[worst]),
        expected=float(one.expected.ravel()[worst]),
        unwritten=int(np.count_nonzero(got.view(np.uint32) == poison)) if got.dtype == np.float32 else 0,
        rows=np.asarray(flat.any(axis=1)),
        columns=np.asarray(flat.any(axis=0)),
    )


def describe(wrong: WrongElements) -> WrongOutput:
    """How much is wrong, the worst element, and the pattern."""
    place = ",".join(str(int(i)) for i in np.unravel_index(wrong.worst, wrong.shape))
    size = int(np.prod(wrong.shape))
    amount = f"{wrong.count:,} of {size:,} elements of {wrong.name} are wrong"
    worst = f"worst {wrong.name}[{place}] = {wrong.got:.6g}, should be {wrong.expected:.6g}"
    pattern = "every element is wrong" if wrong.count == size else _pattern(wrong)
    return WrongOutput("; ".join(part for part in (amount, worst, _unwritten(wrong.unwritten), pattern) if part))


def _unwritten(count: int) -> str:
    if count:
        return f"{count:,} elements hold the NaN that outputs arrive filled with: never written, or only added to"
    return ""


def _pattern(wrong: WrongElements) -> str:
    """Rows, columns or residues that hold all that is wrong, where such a description is short."""
    if len(wrong.shape) != 2:
        return ""
    parts = [_axis_pattern(hit, word) for hit, word in ((wrong.rows, "rows"), (wrong.columns, "columns"))]
    return "wrong elements lie in " + " and ".join(part for part in parts if part) if any(parts) else ""


def _axis_pattern(hit: NDArray[np.bool_], word: str) -> str:
    indices = np.flatnonzero(hit)
    if len(indices) == len(hit):
        return ""
    if indices[-1] - indices[0] + 1 == len(indices):
        return f"{word} {indices[0]} to {indices[-1]} of {len(hit)}"
    for period in (2, 4, 8, 16, 32, 64):
        residues = np.unique(indices % period)
        if len(residues) <= MAX_NAMED and np.count_nonzero(np.isin(np.arange(len(hit)) % period, residues)) == len(
            indices
        ):
            return f"{word} where index % {period} is {', '.join(map(str, residues))}"
    return f"{len(indices)} of {len(hit)} {word}"


# --- timed calls ----------------------------------------------------------------------------------------------------


def check_timed(call: Call, *, rng: np.random.Generator, poison: int) -> WrongOutput | None:
    """Check one timed call: products by Freivalds, narrow ones by a sample too; independent rows by a sample.

    Everything else is compared in full.
    """
    check = call.task.check
    if check.independent:
        return of_sample(compare(_sampled_rows(call, rng), poison=poison))
    if check.rule != "product" or call.case.data == "small_integers":
        return compare(call, poison=poison)
    mistake = judge_residuals(check.output, residuals(call, rng), tolerance=call.task.tolerance(call.case))
    if mistake or not is_sampled(call.task):
        return mistake
    return of_sample(compare(_sampled(call, rng), poison=poison))


def of_sample(mistake: WrongOutput | None) -> WrongOutput | None:
    """The same, told of a sample, which stays secret: places count within it."""
    return mistake and WrongOutput(f"in a timed call, in a secret sample (places count within it): {mistake.detail}")


def residuals(call: Call, rng: np.random.Generator) -> Residuals:
    """Check C = A Bᵀ by C X = A (Bᵀ X) with Gaussian X drawn after the batch, in float64.

    Freivalds 1977. Independent errors e_ij in C make residual i of vector x a number whose square is expected to be
    sum_j e_ij². In units of |a_i| sqrt(sum_j |b_j|² x_j²), the residuals of all rows have the rms of all errors in
    units of |a_i| |b_j|, and the largest shows a few that are far off.
    """
    check = call.task.check
    a, b, c = call.inputs[check.left], call.inputs[check.right], call.outputs[check.output]
    x = rng.standard_normal((b.shape[0], VECTORS))
    wanted = _times(a, _transposed_times(b, x))
    residual = np.abs(_times(c, x) - wanted)
    scale = np.sqrt(_squares(a))[:, None] * np.sqrt(_squares(b) @ np.square(x))[None, :]
    units = np.divide(residual, scale, out=np.where(residual > 0, np.inf, 0.0), where=scale > 0)
    units = np.where(np.isfinite(units), units, np.inf)
    return Residuals(units.size, float(units.max()), float(np.sqrt(np.mean(np.square(units)))))


def judge_residuals(name: str, found: Residuals, *, tolerance: Tolerance) -> WrongOutput | None:
    """Whether a product check lets a call pass."""
    most, most_rms = FREIVALDS_SIGMAS * tolerance.rms, tolerance.rms * (1 + SCATTERS * (2 * found.count) ** -0.5)
    if not found.largest <= most:
        return WrongOutput(
            f"{name} is wrong in a timed call (product check): a row's residual is {found.largest:.2e} of "
            f"its scale, {most:.2e} allowed"
        )
    if not found.rms <= most_rms:
        return WrongOutput(
            f"{name} is wrong in a timed call (product check): residuals are {found.rms:.2e} rms of their "
            f"scale, {most_rms:.2e} allowed; something accumulates in lower precision"
        )
    return None


def is_sampled(task: Task) -> bool:
    """Whether a product check leaves open what the task's tolerance asks: of narrow outputs."""
    return task.check.rule == "product" and task.buffer(task.check.output).dtype in rounding.NARROW


def sample(rng: np.random.Generator, *, there: int, most: int, calls: int = 1) -> NDArray[np.int64]:
    """Secret places of each call in order, [calls][places]: all that are there, or one of each of `most` parts."""
    ends = np.arange(1, min(there, most) + 1) * there // min(there, most)
    return rng.integers([0, *ends[:-1]], ends, (calls, len(ends)))


def is_cut(task: Task, buffer: Buffer) -> bool:
    """Whether a sample of independent rows is one of this buffer's."""
    return buffer.shape[0] == task.check.independent


def _sampled_rows(call: Call, rng: np.random.Generator) -> Call:
    """Return the call as if it had only the sampled rows."""
    task = call.task
    there = next(len(call.outputs[buffer.name]) for buffer in task.buffers if buffer.is_output)
    (rows,) = sample(rng, there=there, most=SAMPLED_ROWS)
    return Call(task, call.case, cut_to(task, rows, arrays=call.inputs), cut_to(task, rows, arrays=call.outputs))


def cut_to(task: Task, rows: NDArray[np.int64], *, arrays: Arrays) -> Arrays:
    """These rows of arrays that have independent ones; the others as they are."""
    return {name: values[rows] if is_cut(task, task.buffer(name)) else values for name, values in arrays.items()}


def joined(task: Task, calls: Sequence[Arrays]) -> Arrays:
    """Arrays of several calls as of one that has the independent rows of all; what has no such rows, for each row."""
    rows = [next(len(values) for name, values in call.items() if is_cut(task, task.buffer(name))) for call in calls]
    return {
        name: np.concatenate([call[name] for call in calls])
        if is_cut(task, task.buffer(name))
        else np.repeat(np.stack([call[name] for call in calls]), rows, axis=0)
        for name in calls[0]
    }


def _sampled(call: Call, rng: np.random.Generator) -> Call:
    """Return a smaller product: some rows of A and of B, and of C where they meet."""
    check, inputs, made = call.task.check, call.inputs, call.outputs[call.task.check.output]
    (rows,) = sample(rng, there=made.shape[0], most=SAMPLED_ROWS)
    (columns,) = sample(rng, there=made.shape[1], most=SAMPLED_COLUMNS)
    given = {**inputs, check.left: inputs[check.left][rows], check.right: inputs[check.right][columns]}
    return Call(call.task, call.case, given, {check.output: np.ascontiguousarray(made[np.ix_(rows, columns)])})


def _times(matrix: Array, x: Floats) -> Floats:
    """matrix x in float64: a whole copy of the matrix in float64 would take longer than all the rest."""
    product, wide = np.empty((matrix.shape[0], x.shape[1])), np.empty((BLOCK_ROWS, matrix.shape[1]))
    for first in range(0, matrix.shape[0], BLOCK_ROWS):
        rows = matrix[first : first + BLOCK_ROWS]
        block = wide[: len(rows)]
        block[...] = rows
        np.matmul(block, x, out=product[first : first + BLOCK_ROWS])
    return product


def _transposed_times(matrix: Array, x: Floats) -> Floats:
    """matrixᵀ x, in the same way."""
    product, wide = np.zeros((x.shape[1], matrix.shape[1])), np.empty((BLOCK_ROWS, matrix.shape[1]))
    for first in range(0, matrix.shape[0], BLOCK_ROWS):
        rows = matrix[first : first + BLOCK_ROWS]
        block = wide[: len(rows)]
        block[...] = rows
        product += x[first : first + BLOCK_ROWS].T @ block
    return np.ascontiguousarray(product.T)


def _squares(rows: Array) -> Floats:
    """Squared lengths, as good as a scale need be."""
    return np.asarray(np.vecdot(rows, rows), np.float64)

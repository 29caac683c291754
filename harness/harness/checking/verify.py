"""Check whether the outputs of a kernel are right: compare them with a reference, or test a matrix product with random
vectors (Freivalds' check).

Errors are measured in units of a scale in proportion to which rounding errors grow: for C = A Bᵀ the product of the
lengths of the two rows, |a_i| |b_j|; for the rule `elementwise` the element's magnitude plus the rms of the output.

Four figures are compared with the task's tolerance: the largest error, the rms of all errors, and for outputs of at
most 16 bits the fraction of elements that are not the correctly rounded result and the fraction of small elements that
end in zero bits. A wrong output is described in words: how many elements, where, and in which pattern.
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
"""Number of Gaussian vectors in one Freivalds check. One vector missed a single zeroed element in 11 % of trials, four
in none."""

FREIVALDS_SIGMAS = 8.0
"""Largest residual of a Freivalds check, in units of the tolerated rms; honest fp32 products stay below 1."""

SCATTERS = 5.0
"""Standard deviations by which a figure may exceed the tolerance; its standard deviation shrinks with more elements."""

SMALL = (1 / 64, 1 / 16)
"""Range of the magnitudes of small elements, as fractions of a typical element's: large terms cancelled in their sum.
"""
END_BITS = 2
"""Number of last mantissa bits that are compared with zero. A quarter of all numbers end in two zero bits by chance;
all differences of two much larger numbers of a narrow type do."""

SAMPLED_ROWS, SAMPLED_COLUMNS = 128, 1024
"""Numbers of rows and columns that are compared element by element after a timed batch, drawn secretly after the batch:
rows and columns of one product with a narrow output, and rows of every call whose rows are independent. A candidate
that leaves out one row of 1,000 is detected in a batch of 48 calls with probability 0.998."""

BLOCK_ROWS = 64
"""Number of rows that are converted to float64 and multiplied at once, which fit into a core's cache."""

MAX_NAMED = 4
"""Largest number of residues that the description of a pattern names."""


@dataclass(frozen=True, slots=True)
class WrongOutput:
    """One sentence, `detail`, that says what is wrong with an output of a candidate; it becomes the detail of the
    verdict. The checks of this module return it, or None for a right output.
    """

    detail: str
    """One sentence for the verdict."""


@dataclass(frozen=True, slots=True)
class Errors:
    """Statistics of the errors of one output: number of elements, largest error and rms (in units of the rounding
    error's scale, see the module), and the fractions of wrongly rounded elements and of small elements that end in zero
    bits. `measure` and the examiner of GPU outputs make it; `judge_errors` compares it with the tolerance.
    """

    count: int
    """Number of compared elements."""
    largest: float
    """Largest error, in units of the scale."""
    rms: float
    """Root mean square of all errors, in units of the scale."""
    mismatch: float = 0.0
    """Fraction of elements that are not the correctly rounded result; 0 for outputs of 32 bits or more."""
    small: int = 0
    """Number of small elements; 0 for outputs of 32 bits or more, and for outputs that are no product."""
    coarse: float = 0.0
    """Fraction of the small elements that end in two zero bits."""


@dataclass(frozen=True, slots=True)
class Residuals:
    """Statistics of a Freivalds check, which tests a product C = A Bᵀ without computing it: it compares C X with A (Bᵀ
    X) for random vectors X. A residual is one element's difference between the two, in units of |a_i| sqrt(sum_j |b_j|²
    x_j²), with the lengths of rows of A and B; in this unit the rms is an estimate of the rms of the errors of C.
    `count` is the number of residuals and `largest` the largest magnitude; `residuals` makes the object.
    """

    count: int
    largest: float
    rms: float
    """Root mean square of all residuals."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a candidate's kernel whose outputs are to be checked: task, case, and the input and output arrays in
    host memory by argument name. Types that numpy lacks, such as bfloat16, are stored as float32 values.
    """

    task: Task
    case: Case
    inputs: Arrays
    outputs: Arrays


# --- element by element ---------------------------------------------------------------------------------------------


def compare(call: Call, *, poison: int) -> WrongOutput | None:
    """Compare every element of every output of a call with the reference. Return None if all errors are within the
    task's tolerance, else a WrongOutput, a sentence about the mistake. `poison` is the 32-bit NaN that filled the
    outputs before the call, by which unwritten elements are counted.
    """
    tolerance = call.task.tolerance(call.case)
    for comparison in _compared(call):
        wrong = comparison.relative > tolerance.max_element
        if wrong.any():
            return describe(_wrong(comparison, wrong=wrong, poison=poison))
        if mistake := judge_errors(comparison.name, comparison.errors(), tolerance=tolerance):
            return mistake
    return None


def measure(call: Call) -> dict[str, Errors]:
    """Return a dict from the name of each output of a call to the statistics of its errors against the reference.
    Nothing is compared with the tolerance.
    """
    return {comparison.name: comparison.errors() for comparison in _compared(call)}


@dataclass(frozen=True, slots=True)
class _Compared:
    """One output of a call with its reference values, the unit in which the error of each element is measured
    (`scale`), the errors in that unit, and `band`, the range of magnitudes of small elements, whose rounding is
    examined. `_compared_output` makes it.
    """

    name: str
    dtype: str
    got: Array
    expected: Array
    scale: Floats
    """Unit of the error of each element; broadcasts to the output's shape."""
    relative: Floats
    """Errors in units of the scale; infinite where the output is not finite."""
    band: tuple[float, float]
    """Range of the magnitudes of small elements, in units of the scale."""

    def errors(self) -> Errors:
        """Return the statistics of the errors of all elements of the output. For an output of more than 16 bits they
        hold no figures about rounding.
        """
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
    return [_compared_output(call, name, expected) for name, expected in call.task.reference(call.inputs).items()]


def _compared_output(call: Call, name: str, expected: Array) -> _Compared:
    task, case, got = call.task, call.case, call.outputs[name]
    dtype = task.buffer(name).dtype
    if case.data == "small_integers" and dtype in rounding.NARROW:
        expected = rounding.rounded(expected, dtype)
    scale = _scale(task, name=name, inputs=call.inputs, expected=expected)
    error = np.abs(got - expected.astype(np.float64))
    error = np.where(np.isfinite(error), error, np.inf)
    # Where the scale is zero the right result is exactly zero, and any error counts as infinite.
    relative = np.divide(error, scale, out=np.where(error > 0, np.inf, 0.0), where=scale > 0)
    return _Compared(name, dtype, got, expected, scale, relative, small_band(task, case, name))


def _scale(task: Task, *, name: str, inputs: Arrays, expected: Array) -> Floats:
    """Return a float64 array with the unit in which the errors of the output `name` are measured, for each element; it
    broadcasts to the output's shape. For a matrix product of `inputs` the unit is the product of the lengths of the two
    rows, otherwise the magnitude of the element plus the rms of `expected`, the reference output.
    """
    if is_product(task, name):
        left, right = _lengths(inputs[task.check.left]), _lengths(inputs[task.check.right])
        return np.asarray(left[:, None] * right[None, :])
    magnitude = np.abs(expected)
    return np.asarray(magnitude + np.sqrt(np.mean(np.square(expected, dtype=np.float64))))


def is_product(task: Task, name: str) -> bool:
    """Return whether the output `name` is the matrix product C = A Bᵀ of a task whose check has the rule `product`."""
    return task.check.rule == "product" and name == task.check.output


def small_band(task: Task, case: Case, name: str) -> tuple[float, float]:
    """Return (lowest, highest) magnitude between which an element (i, j) of the output `name` counts as small, in units
    of |a_i| |b_j|, the product of the lengths of the two rows that it is computed from. The last bits of small elements
    show whether partial sums were rounded. Return (0, 0), a range without elements, if the output is no matrix product.

    A typical element of a product has the magnitude |a_i| |b_j| / sqrt(K).
    """
    if not is_product(task, name):
        return 0.0, 0.0
    terms = task.buffer(task.check.left).shape_in(case.sizes)[1]
    return SMALL[0] * terms**-0.5, SMALL[1] * terms**-0.5


def _lengths(rows: Array) -> Floats:
    """Return a float64 array with the Euclidean length of each row of a matrix."""
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64)))


def judge_errors(name: str, errors: Errors, *, tolerance: Tolerance) -> WrongOutput | None:
    """Compare the statistics `errors` of the output `name` with the task's tolerance, except the largest error, which
    the caller has compared. Return a WrongOutput that says which figure is too large, or None if none is.
    """
    cause = "something accumulates in lower precision"
    if not errors.rms <= tolerance.rms * (1 + SCATTERS * (2 * errors.count) ** -0.5):
        return WrongOutput(
            f"{name}: no single element is far off, but the rms of all errors is {errors.rms:.2e} of the scale, "
            f"{tolerance.rms:.2e} allowed; {cause}"
        )
    if errors.mismatch > _most(tolerance.mismatch, of=errors.count):
        return WrongOutput(
            f"{name}: {errors.mismatch:.2%} of the elements are not the correctly rounded result, "
            f"{tolerance.mismatch:.2%} allowed; {cause}"
        )
    if errors.coarse > _most(tolerance.coarse, of=errors.small):
        return WrongOutput(
            f"{name}: {errors.coarse:.1%} of the small elements end in {END_BITS} zero bits, "
            f"{tolerance.coarse:.1%} allowed; partial sums were rounded to the output's type"
        )
    return None


def _most(part: float, *, of: int) -> float:
    """Return the largest fraction of a sample of `of` elements that may have a property, such as wrong rounding, if the
    fraction `part` of all elements is tolerated: `part` plus five standard deviations of chance. Return 1 for a sample
    without elements.
    """
    return part + SCATTERS * math.sqrt(part * (1 - part) / of) if of else 1.0


# --- in words -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WrongElements:
    """A summary of the wrong elements of one output: their number, the worst one with its right value, and which rows
    and columns hold any. Only this summary is copied from a GPU, not the output; `describe` turns it into a sentence.
    """

    name: str
    count: int
    """Number of wrong elements."""
    shape: tuple[int, ...]
    """Shape of the output."""
    worst: int
    """Flat index of the element with the largest error."""
    got: float
    """Value of that element."""
    expected: float
    """Right value of that element."""
    unwritten: int
    """Number of elements that still hold the poison."""
    rows: NDArray[np.bool_]
    """For each index of the first dimension, whether it holds a wrong element."""
    columns: NDArray[np.bool_]
    """For each flat index of the other dimensions, whether it holds a wrong element."""


def _wrong(comparison: _Compared, *, wrong: NDArray[np.bool_], poison: int) -> WrongElements:
    """Return the summary of the wrong elements of an output, given its errors in `comparison`; the boolean array
    `wrong` marks them. `poison` is the 32-bit NaN that filled the output before the call, by which unwritten elements
    are counted.
    """
    worst, got = int(np.argmax(np.where(wrong, comparison.relative, -1.0))), comparison.got
    flat = wrong.reshape(wrong.shape[0], -1)
    return WrongElements(
        name=comparison.name,
        count=int(wrong.sum()),
        shape=got.shape,
        worst=worst,
        got=float(got.ravel()[worst]),
        expected=float(comparison.expected.ravel()[worst]),
        unwritten=int(np.count_nonzero(got.view(np.uint32) == poison)) if got.dtype == np.float32 else 0,
        rows=np.asarray(flat.any(axis=1)),
        columns=np.asarray(flat.any(axis=0)),
    )


def describe(wrong: WrongElements) -> WrongOutput:
    """Return a WrongOutput whose sentence states the number of wrong elements, the worst element with its right value,
    the number of unwritten elements, and in which rows and columns the wrong elements lie.
    """
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
    """Return in words in which rows and columns of a matrix the wrong elements lie, as a hint at the cause. Return an
    empty string if every row and every column holds some, or if the output is no matrix.
    """
    if len(wrong.shape) != 2:
        return ""
    parts = [_axis_pattern(hit, word) for hit, word in ((wrong.rows, "rows"), (wrong.columns, "columns"))]
    return "wrong elements lie in " + " and ".join(part for part in parts if part) if any(parts) else ""


def _axis_pattern(hit: NDArray[np.bool_], word: str) -> str:
    """Return in words which indices the boolean array `hit` marks, such as `rows 0 to 15 of 64`, or an empty string if
    all are marked. `word` names the indices: `rows` or `columns`.
    """
    indices = np.flatnonzero(hit)
    if len(indices) == len(hit):
        return ""
    if len(indices) == 1:
        return f"{word.removesuffix('s')} {indices[0]} of {len(hit)}"
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
    """Check the outputs of one call of a timed batch, at lower cost than in full where that is possible: by a sample of
    independent rows, or, for a matrix product, by random vectors (Freivalds' check). Return a WrongOutput, a sentence
    about the mistake, or None if they are right. `rng` draws rows and vectors; `poison` is the 32-bit NaN that filled
    the outputs before.

    A product whose output has at most 16 bits is also compared in a sample.
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
    """Return `mistake`, the result of checking a secret sample of an output, with the remark that its indices count
    within the sample, not within the output. Return None if `mistake` is None.

    The sample's own places stay secret.
    """
    return mistake and WrongOutput(f"in a timed call, in a secret sample (places count within it): {mistake.detail}")


def residuals(call: Call, rng: np.random.Generator) -> Residuals:
    """Return the statistics of a Freivalds check (1977) of a call's product C = A Bᵀ: number, largest and rms of the
    differences C X - A (Bᵀ X) in float64, for Gaussian vectors X that `rng` draws. In units of the scale, the rms
    equals the rms of the errors of C.

    If the errors e_ij of C are independent, the square of residual i has the expected value sum_j e_ij². In units of
    |a_i| sqrt(sum_j |b_j|² x_j²), the rms of all residuals is therefore the rms of all errors in units of |a_i| |b_j|.
    A few elements that are far off show in the largest residual. X is drawn after the batch.
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


def judge_residuals(name: str, statistics: Residuals, *, tolerance: Tolerance) -> WrongOutput | None:
    """Compare the statistics of a Freivalds check (a matrix product tested with random vectors) of the output `name`
    with the task's tolerance. Return a WrongOutput that says which figure is too large, or None if none is.
    """
    most, most_rms = FREIVALDS_SIGMAS * tolerance.rms, tolerance.rms * (1 + SCATTERS * (2 * statistics.count) ** -0.5)
    if not statistics.largest <= most:
        return WrongOutput(
            f"{name} is wrong in a timed call (product check): a row's residual is {statistics.largest:.2e} of "
            f"its scale, {most:.2e} allowed"
        )
    if not statistics.rms <= most_rms:
        return WrongOutput(
            f"{name} is wrong in a timed call (product check): residuals are {statistics.rms:.2e} rms of their "
            f"scale, {most_rms:.2e} allowed; something accumulates in lower precision"
        )
    return None


def is_sampled(task: Task) -> bool:
    """Return whether a sample of the task's matrix product is compared element by element in addition to the test with
    random vectors: True for outputs of at most 16 bits, because that test cannot see whether elements are correctly
    rounded.
    """
    return task.check.rule == "product" and task.buffer(task.check.output).dtype in rounding.NARROW


def sample(rng: np.random.Generator, *, there: int, most: int, calls: int = 1) -> NDArray[np.int64]:
    """Return secret indices from 0 to `there` - 1 for each of `calls` calls, sorted, as an array of shape [calls,
    min(there, most)]. The range is divided into min(there, most) nearly equal parts, and `rng` draws one index from
    each part.
    """
    ends = np.arange(1, min(there, most) + 1) * there // min(there, most)
    return rng.integers([0, *ends[:-1]], ends, (calls, len(ends)))


def is_cut(task: Task, buffer: Buffer) -> bool:
    """Return whether a sample of the task's independent rows takes only some rows of the array argument `buffer`: True
    if its first dimension counts those rows. False if the task has no independent rows.
    """
    return buffer.shape[0] == task.check.independent


def _sampled_rows(call: Call, rng: np.random.Generator) -> Call:
    """Return a copy of a call with only a secret sample of the independent rows, which `rng` draws, in every array that
    has such rows; other arrays are complete.
    """
    task = call.task
    there = next(len(call.outputs[buffer.name]) for buffer in task.buffers if buffer.is_output)
    (rows,) = sample(rng, there=there, most=SAMPLED_ROWS)
    return Call(task, call.case, cut_to(task, rows, arrays=call.inputs), cut_to(task, rows, arrays=call.outputs))


def cut_to(task: Task, rows: NDArray[np.int64], *, arrays: Arrays) -> Arrays:
    """Return a copy of `arrays`, a dict by argument name, in which every array that has the task's independent rows
    holds only the rows with the indices `rows`; other arrays are unchanged.
    """
    return {name: values[rows] if is_cut(task, task.buffer(name)) else values for name, values in arrays.items()}


def joined(task: Task, calls: Sequence[Arrays]) -> Arrays:
    """Return one dict from argument name to array that holds the arguments of all `calls` (one such dict per call), so
    that one run of the reference computes all calls. An array whose first dimension counts the task's independent rows
    is concatenated with those of the other calls. Any other array is repeated once per row of its call, along a new
    first dimension.
    """
    rows = [next(len(values) for name, values in call.items() if is_cut(task, task.buffer(name))) for call in calls]
    return {
        name: np.concatenate([call[name] for call in calls])
        if is_cut(task, task.buffer(name))
        else np.repeat(np.stack([call[name] for call in calls]), rows, axis=0)
        for name in calls[0]
    }


def _sampled(call: Call, rng: np.random.Generator) -> Call:
    """Return a smaller matrix product as a Call: a secret sample of the rows of A and of B, which `rng` draws, and the
    elements of C that belong to both samples.
    """
    check, inputs, product = call.task.check, call.inputs, call.outputs[call.task.check.output]
    (rows,) = sample(rng, there=product.shape[0], most=SAMPLED_ROWS)
    (columns,) = sample(rng, there=product.shape[1], most=SAMPLED_COLUMNS)
    sampled = {**inputs, check.left: inputs[check.left][rows], check.right: inputs[check.right][columns]}
    return Call(call.task, call.case, sampled, {check.output: np.ascontiguousarray(product[np.ix_(rows, columns)])})


def _times(matrix: Array, x: Floats) -> Floats:
    """Return the product `matrix @ x` in float64, `x` being one or more columns of random numbers. 64 rows are
    converted to float64 at a time, because converting the whole matrix takes longer than multiplying.
    """
    product, wide = np.empty((matrix.shape[0], x.shape[1])), np.empty((BLOCK_ROWS, matrix.shape[1]))
    for first in range(0, matrix.shape[0], BLOCK_ROWS):
        rows = matrix[first : first + BLOCK_ROWS]
        block = wide[: len(rows)]
        block[...] = rows
        np.matmul(block, x, out=product[first : first + BLOCK_ROWS])
    return product


def _transposed_times(matrix: Array, x: Floats) -> Floats:
    """Return the product of the transposed matrix and `x` in float64. 64 rows of the matrix are converted to float64 at
    a time, because converting the whole matrix takes longer than multiplying.
    """
    product, wide = np.zeros((x.shape[1], matrix.shape[1])), np.empty((BLOCK_ROWS, matrix.shape[1]))
    for first in range(0, matrix.shape[0], BLOCK_ROWS):
        rows = matrix[first : first + BLOCK_ROWS]
        block = wide[: len(rows)]
        block[...] = rows
        product += x[first : first + BLOCK_ROWS].T @ block
    return np.ascontiguousarray(product.T)


def _squares(rows: Array) -> Floats:
    """Return a float64 array of shape [rows] with the squared Euclidean length of each row of the matrix `rows`. The
    sums are computed in the matrix's own type, which is precise enough, because the lengths only set the unit in which
    errors are measured.
    """
    return np.asarray(np.vecdot(rows, rows), np.float64)

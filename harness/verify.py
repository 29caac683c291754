"""Whether outputs are right: a full comparison with a reference, or Freivalds' check of a product.

Errors are measured in units of a scale that rounding errors follow: for C = A Bᵀ the lengths of the two rows,
|a_i| |b_j|; elementwise, the element's magnitude plus the array's rms. What is found wrong is told in words that an
engineer can act on: how much, where, in which pattern.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from task import Array, Arrays, Case, Task, Tolerance

Floats = NDArray[np.float64]

VECTORS = 4
"""Gaussian vectors of one Freivalds check; one misses a single zeroed element 11 % of the time, four never did."""

FREIVALDS_SIGMAS = 8.0
"""Residuals beyond this many tolerated standard deviations are errors; honest fp32 products stay below 1."""

MAX_NAMED = 4
"""Residues that a pattern may name before it says nothing any more."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with one output."""

    detail: str


def compare(task: Task, case: Case, *, inputs: Arrays, outputs: Arrays, poison: int) -> Mistake | None:
    """Compare every element of every output with the reference; None if all is within the task's tolerance."""
    tolerance = task.tolerance(case)
    for name, expected in task.reference(inputs).items():
        scale = _scale(task, name=name, inputs=inputs, expected=expected)
        mistake = _compare_one(name, outputs[name], expected=expected, scale=scale, tolerance=tolerance, poison=poison)
        if mistake:
            return mistake
    return None


def _scale(task: Task, *, name: str, inputs: Arrays, expected: Array) -> Floats:
    check = task.check
    if check.rule == "product" and name == check.output:
        left, right = _lengths(inputs[check.left]), _lengths(inputs[check.right])
        return np.asarray(left[:, None] * right[None, :])
    magnitude = np.abs(expected)
    return np.asarray(magnitude + np.sqrt(np.mean(np.square(expected, dtype=np.float64))))


def _lengths(rows: Array) -> Floats:
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64)))


def _compare_one(
    name: str, got: Array, *, expected: Array, scale: Floats, tolerance: Tolerance, poison: int
) -> Mistake | None:
    error = np.abs(got - expected.astype(np.float64))
    error = np.where(np.isfinite(error), error, np.inf)
    # Where the scale is zero the right answer is exactly zero, and any error is infinitely large.
    relative = np.divide(error, scale, out=np.where(error > 0, np.inf, 0.0), where=scale > 0)
    wrong = relative > tolerance.max_element
    if wrong.any():
        return describe(_wrong(name, got, expected=expected, relative=relative, wrong=wrong, poison=poison))
    rms = float(np.sqrt(np.mean(np.square(relative))))
    return judge_totals(name, rms=rms, mismatch=0.0, tolerance=tolerance)


def judge_totals(name: str, *, rms: float, mismatch: float, tolerance: Tolerance) -> Mistake | None:
    """What is wrong with all elements together where none of them is far off."""
    if not rms <= tolerance.rms:
        return Mistake(f"{name}: no element is far off, but all together are: rms error {rms:.2e} of the scale, "
                       f"{tolerance.rms:.2e} allowed; something accumulates in lower precision")  # fmt: skip
    if mismatch > tolerance.mismatch:
        return Mistake(f"{name}: {mismatch:.2%} of the elements are not the correctly rounded result, "
                       f"{tolerance.mismatch:.2%} may be; something accumulates in lower precision")  # fmt: skip
    return None


@dataclass(frozen=True, slots=True)
class Wrong:
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


def _wrong(name: str, got: Array, *, expected: Array, relative: Floats, wrong: NDArray[np.bool_], poison: int) -> Wrong:
    worst = int(np.argmax(np.where(wrong, relative, -1.0)))
    flat = wrong.reshape(wrong.shape[0], -1)
    return Wrong(
        name=name,
        count=int(wrong.sum()),
        shape=got.shape,
        worst=worst,
        got=float(got.ravel()[worst]),
        expected=float(expected.ravel()[worst]),
        unwritten=int(np.count_nonzero(got.view(np.uint32) == poison)) if got.dtype == np.float32 else 0,
        rows=np.asarray(flat.any(axis=1)),
        columns=np.asarray(flat.any(axis=0)),
    )


def describe(wrong: Wrong) -> Mistake:
    """How much is wrong, the worst element, and the pattern."""
    place = ",".join(str(int(i)) for i in np.unravel_index(wrong.worst, wrong.shape))
    size = int(np.prod(wrong.shape))
    amount = f"{wrong.count:,} of {size:,} elements of {wrong.name} are wrong"
    worst = f"worst {wrong.name}[{place}] = {wrong.got:.6g}, should be {wrong.expected:.6g}"
    pattern = "every element is wrong" if wrong.count == size else _pattern(wrong)
    return Mistake("; ".join(part for part in (amount, worst, _unwritten(wrong.unwritten), pattern) if part))


def _unwritten(count: int) -> str:
    if count:
        return f"{count:,} elements hold the NaN that outputs arrive filled with: never written, or only added to"
    return ""


def _pattern(wrong: Wrong) -> str:
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


def freivalds(task: Task, case: Case, *, inputs: Arrays, outputs: Arrays, rng: np.random.Generator) -> Mistake | None:
    """Check C = A Bᵀ by C X = A (Bᵀ X) with Gaussian X drawn after the batch, in float64.

    Freivalds 1977. Independent errors of `tolerance.rms` times |a_i| |b_j| make residual i of vector x a number of
    standard deviation rms |a_i| sqrt(sum_j |b_j|² x_j²): residuals are judged in that unit.
    """
    check, tolerance = task.check, task.tolerance(case)
    a, b, c = inputs[check.left], inputs[check.right], outputs[check.output]
    x = rng.standard_normal((b.shape[0], VECTORS))
    wide = [array.astype(np.float64) for array in (a, b, c)]
    residual = np.abs(wide[2] @ x - wide[0] @ (wide[1].T @ x))
    row_scale, column_scale = _lengths(a), np.sqrt(np.square(_lengths(b)) @ np.square(x))
    scale = row_scale[:, None] * column_scale[None, :]
    worst = np.divide(residual, scale, out=np.where(residual > 0, np.inf, 0.0), where=scale > 0)
    worst = np.where(np.isfinite(worst), worst, np.inf)
    if worst.max() <= FREIVALDS_SIGMAS * tolerance.rms:
        return None
    rows = np.flatnonzero(worst.max(axis=1) > FREIVALDS_SIGMAS * tolerance.rms)
    return Mistake(
        f"{len(rows):,} of {len(worst):,} rows of {check.output} are wrong in a timed call (product check); "
        f"worst row {int(np.argmax(worst.max(axis=1)))}"
    )


def check_timed(task: Task, case: Case, *, inputs: Arrays, outputs: Arrays, rng: np.random.Generator,
                poison: int) -> Mistake | None:  # fmt: skip
    """The check of one timed call: Freivalds for products, else a full comparison."""
    if task.check.rule == "product" and case.data != "small_integers":
        return freivalds(task, case, inputs=inputs, outputs=outputs, rng=rng)
    return compare(task, case, inputs=inputs, outputs=outputs, poison=poison)

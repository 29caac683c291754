"""Outputs on a GPU held against references and product checks: verify.py's rules, computed where the outputs lie.

It is told where things lie and knows nothing of sets. References, vectors and samples are in memory that no worker
maps.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cupy
import numpy as np
from numpy.typing import NDArray

from harness.checking import verify
from harness.checking.rounding import NARROW
from harness.contract import ITEM_BYTES
from harness.memory.kernels import COLUMN_PACK, PACK_BYTES, ROWS_IN_A_BLOCK, SLAB, THREADS, WARP, Kernels
from harness.task import Buffer, Case, Task

ERRORS = np.dtype(
    [("squares", "f8"), ("beyond", "u8"), ("mismatches", "u8"), ("unwritten", "u8"), ("small", "u8"), ("coarse", "u8"),
     ("largest", "f4"), ("", "f4")]
)  # fmt: skip
"""As in kernels.cu."""
NOTHING = np.uint64(0)
SAME_FOR_ALL = 0
"""Vectors a call."""
_M64 = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Products:
    """Products of one size as they are stored; A is m x k, B is n x k."""

    places: NDArray[np.uint64]
    """Where A, B and C of each lie, [products][3]."""
    kinds: tuple[str, str, str]
    """How their elements are stored."""
    sizes: tuple[int, int, int]
    """m, n, k"""


@dataclass(frozen=True, slots=True)
class _Packs:
    """How so many elements of a row are read, 16 bytes at a time where rows are aligned to that."""

    count: int
    dtype: str

    @property
    def pack(self) -> int:
        """Elements read at a time."""
        item = ITEM_BYTES[self.dtype]
        return PACK_BYTES // item if self.count * item % PACK_BYTES == 0 else 1

    @property
    def padded(self) -> int:
        """Elements of a vector beside such rows: whole tiles of a pack for each thread of a warp."""
        tile = WARP * self.pack
        return -(-self.count // tile) * tile


@dataclass(frozen=True, slots=True)
class _Compared:
    """One output of some calls beside what it should be."""

    buffer: Buffer
    got: Any
    """Where it lies, or an array; calls one behind the other."""
    expected: Any
    """[calls][rows]..."""
    lengths: tuple[Any, Any]
    """Squared, of the rows of both factors; nothing where it is no product."""
    rms: Any
    """[calls]; nothing where it is a product."""
    limits: tuple[Any, ...]
    """The compare kernel's arguments from `allowed` to `poison`."""

    @property
    def arguments(self) -> tuple[Any, ...]:
        """The compare kernel's, from `rows` to `poison`."""
        _, rows, *rest = self.expected.shape
        return (np.uint64(rows), np.uint64(math.prod(rest)), *self.lengths, self.rms, *self.limits)

    def of(self, call: int) -> "_Compared":
        """One of several calls by itself."""
        if len(self.expected) == 1:
            return self
        some = slice(call, call + 1)
        got = self.got.reshape(len(self.expected), -1)[call]
        return replace(self, got=got, expected=self.expected[some], rms=self.rms[some])


class Examiner:
    """Compares, measures and checks on the judge's stream."""

    def __init__(self, kernels: Kernels) -> None:
        self._kernels = kernels

    # --- how elements are stored --------------------------------------------------------------------------------------

    def decoded(self, stored: Any, shape: tuple[int, ...], *, dtype: str) -> Any:
        """Elements as float32."""
        values = cupy.empty(shape, "float32")
        self._kernels(f"decode_{dtype}", self._kernels.wide, stored, values, np.uint64(values.size))
        return values

    def _rounded(self, values: Any, *, dtype: str) -> Any:
        stored = cupy.empty(values.size * 4, "uint8")
        self._kernels(f"encode_{dtype}", self._kernels.wide, values, stored, np.uint64(values.size))
        return self.decoded(stored, values.shape, dtype=dtype)

    def picked(self, rows: NDArray[np.uint64], length: int, *, dtype: str) -> Any:
        """Copies of rows of so many elements, as they are stored, from where they lie."""
        copies = cupy.empty((len(rows), length), f"uint{8 * ITEM_BYTES[dtype]}")
        self._kernels(f"pick_{dtype}", len(rows), cupy.asarray(rows), np.uint64(length), copies)
        return copies

    # --- element by element -------------------------------------------------------------------------------------------

    def compare(self, task: Task, case: Case, *, given: Sequence[Mapping[str, Any]], stored: Mapping[str, Any],
                poison: int, calls: int) -> verify.WrongOutput | None:  # fmt: skip
        """verify.compare of each call, all at once.

        `given` are the decoded inputs of each call, or of all as of one; `stored` the outputs as a worker wrote
        them: of one call where they lie, of several an array with a call behind the other. A product comes alone, for
        its scale is its own.
        """
        for one in self._compared(task, case, given=given, stored=stored, poison=poison, calls=calls):
            for call, found in enumerate(self._found(one)):
                if found["beyond"]:
                    return self._describe(one.of(call), found)
                errors = _errors(one, found)
                if mistake := verify.judge_errors(one.buffer.name, errors, tolerance=task.tolerance(case)):
                    return mistake
        return None

    def measure(
        self, task: Task, case: Case, *, given: Mapping[str, Any], stored: Mapping[str, Any]
    ) -> dict[str, verify.Errors]:
        """verify.measure of one call."""
        return {
            one.buffer.name: _errors(one, self._found(one)[0])
            for one in self._compared(task, case, given=[given], stored=stored, poison=0, calls=1)
        }

    def _compared(self, task: Task, case: Case, *, given: Sequence[Mapping[str, Any]], stored: Mapping[str, Any],
                  poison: int, calls: int) -> Iterator[_Compared]:  # fmt: skip
        references = [task.reference(of_call, cupy) for of_call in given]
        for name in references[0]:
            buffer = task.buffer(name)
            values = [reference[name] for reference in references]
            together = cupy.concatenate(values) if len(values) > 1 else values[0]
            expected = cupy.ascontiguousarray(together, dtype="float32").reshape(calls, -1, *together.shape[1:])
            if case.data == "small_integers":
                expected = self._rounded(expected, dtype=buffer.dtype)
            limits = (task.tolerance(case).max_element, *verify.small_band(task, case, name))
            is_product = verify.is_product(task, name)
            yield _Compared(
                buffer, stored[name], expected,
                lengths=_squared_lengths(task, given[0]) if is_product else (NOTHING, NOTHING),
                rms=NOTHING if is_product else _rms_of_calls(expected),
                limits=(*map(np.float32, limits), np.uint32(poison)),
            )  # fmt: skip

    def _found(self, one: _Compared, *, wrong: Any = NOTHING) -> Any:
        errors = cupy.zeros(len(one.expected), ERRORS)
        # No wider than the device: every block adds its sums to those of its call.
        grid = (-(-self._kernels.wide // len(one.expected)), len(one.expected))
        self._kernels(f"compare_{one.buffer.dtype}", grid, one.got, one.expected, *one.arguments, errors, wrong)
        return errors.get()

    def _describe(self, one: _Compared, found: Any) -> verify.WrongOutput:
        """Of a single call."""
        expected = one.expected[0]
        wrong = cupy.empty(expected.shape, "bool")
        self._found(one, wrong=wrong)
        values = self.decoded(one.got, expected.shape, dtype=one.buffer.dtype)
        error = cupy.where(cupy.isfinite(values), cupy.abs(values - expected), cupy.inf)
        worst = int(cupy.argmax(cupy.where(wrong, error, -1.0)))
        flat = wrong.reshape(wrong.shape[0], -1) if wrong.ndim != 2 else wrong
        return verify.describe(
            verify.WrongElements(
                name=one.buffer.name,
                count=int(found["beyond"]),
                shape=tuple(expected.shape),
                worst=worst,
                got=float(values.ravel()[worst]),
                expected=float(expected.ravel()[worst]),
                unwritten=int(found["unwritten"]),
                rows=flat.any(axis=1).get(),
                columns=flat.any(axis=0).get(),
            )
        )

    # --- products -----------------------------------------------------------------------------------------------------

    def residuals(self, products: Products, *, rng: np.random.Generator) -> list[verify.Residuals]:
        """verify.residuals of each, with four Gaussian vectors drawn now, for all in four launches."""
        (left, right, output), (m, n, k), calls = products.kinds, products.sizes, len(products.places)
        a, b, c = (cupy.asarray(places) for places in np.ascontiguousarray(products.places.T))
        of_n, of_k = _Packs(n, dtype=output), _Packs(k, dtype=left)
        vectors = self._gaussian(of_n.padded, rng=rng)
        inner, scale = cupy.zeros((calls, of_k.padded, 4), "float32"), cupy.zeros((calls, 4), "float32")
        grid = (-(-k // (THREADS * (COLUMN_PACK if k % COLUMN_PACK == 0 else 1))), -(-n // SLAB), calls)
        self._kernels(f"columns_{right}", grid, b, np.uint64(n), np.uint64(k), vectors, np.int32(of_n.pack), inner,
                      np.int32(of_k.pack), np.uint64(of_k.padded), scale)  # fmt: skip
        squares, found = cupy.empty((calls, m), "float32"), cupy.zeros((calls, 2), "float64")
        wanted, got = cupy.empty((calls, m, 4), "float32"), cupy.empty((calls, m, 4), "float32")
        blocks = (-(-m // ROWS_IN_A_BLOCK), calls)
        self._kernels(f"rows_{left}", blocks, a, np.uint64(m), np.uint64(k), np.int32(of_k.pack), inner,
                      np.uint64(of_k.padded), wanted, squares)  # fmt: skip
        self._kernels(f"rows_{output}", blocks, c, np.uint64(m), np.uint64(n), np.int32(of_n.pack), vectors,
                      np.uint64(SAME_FOR_ALL), got, NOTHING)  # fmt: skip
        self._kernels("residual", (-(-m // THREADS), calls), got, wanted, squares, scale, np.uint64(m), found)
        count = m * verify.VECTORS
        told = ((float(squares), float(largest)) for squares, largest in found.get())
        return [verify.Residuals(count, largest, math.sqrt(squares / count)) for squares, largest in told]

    def _gaussian(self, rows: int, *, rng: np.random.Generator) -> Any:
        vectors = cupy.empty((rows, verify.VECTORS), "float32")
        key = [np.uint64(word) for word in rng.integers(0, _M64, 2, dtype=np.uint64)]
        self._kernels("fill_float32", self._kernels.wide, vectors, np.uint64(vectors.size), np.uint64(1), np.int32(0),
                      np.int32(0), *key)  # fmt: skip
        return vectors


def _errors(one: _Compared, found: Any) -> verify.Errors:
    """As verify.measure would tell them."""
    count, small = int(one.expected[0].size), int(found["small"])
    largest, rms = float(found["largest"]), math.sqrt(float(found["squares"]) / count)
    if one.buffer.dtype not in NARROW:
        return verify.Errors(count, largest, rms)
    return verify.Errors(
        count,
        largest,
        rms,
        mismatch=float(found["mismatches"]) / count,
        small=small,
        coarse=float(found["coarse"]) / small if small else 0.0,
    )


def _squared_lengths(task: Task, given: Mapping[str, Any]) -> tuple[Any, Any]:
    """Of the rows whose products the output holds."""
    left, right = (cupy.square(given[side]).sum(axis=1) for side in (task.check.left, task.check.right))
    return left, right


def _rms_of_calls(values: Any) -> Any:
    """By row at first: a block sums up each."""
    calls, rows, *_ = values.shape
    return cupy.sqrt(cupy.square(values).reshape(calls, rows, -1).mean(axis=2).mean(axis=1))

"""Outputs on a GPU held against references and product checks: verify.py's rules, computed where the outputs lie.

It is told where things lie and knows nothing of sets. References, vectors and samples are in memory that no worker
maps.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import cupy
import numpy as np
from numpy.typing import NDArray

import verify
from arena.kernels import COLUMN_PACK, PACK_BYTES, ROWS_IN_A_BLOCK, SLAB, THREADS, WARP, Kernels
from rounding import NARROW
from task import ITEM_BYTES, Buffer, Case, Task

ERRORS = np.dtype(
    [("squares", "f8"), ("beyond", "u8"), ("mismatches", "u8"), ("unwritten", "u8"), ("small", "u8"), ("coarse", "u8"),
     ("largest", "f4"), ("", "f4")]
)  # fmt: skip
"""As in kernels.cu."""
NOTHING = np.uint64(0)
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
    """One output beside what it should be."""

    buffer: Buffer
    got: Any
    expected: Any
    given: tuple[Any, ...]
    """The compare kernel's arguments from `rows` to `poison`."""


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

    # --- element by element -------------------------------------------------------------------------------------------

    def compare(
        self, task: Task, case: Case, *, given: Mapping[str, Any], stored: Mapping[str, Any], poison: int
    ) -> verify.Mistake | None:
        """verify.compare; `given` are decoded inputs, `stored` are outputs as a worker wrote them."""
        for one in self._compared(task, case, given=given, stored=stored, poison=poison):
            found = self._found(one)
            if found["beyond"]:
                return self._describe(one, found)
            if mistake := verify.judge_errors(one.buffer.name, _errors(one, found), tolerance=task.tolerance(case)):
                return mistake
        return None

    def measure(
        self, task: Task, case: Case, *, given: Mapping[str, Any], stored: Mapping[str, Any]
    ) -> dict[str, verify.Errors]:
        """verify.measure."""
        return {
            one.buffer.name: _errors(one, self._found(one))
            for one in self._compared(task, case, given=given, stored=stored, poison=0)
        }

    def _compared(
        self, task: Task, case: Case, *, given: Mapping[str, Any], stored: Mapping[str, Any], poison: int
    ) -> Iterator[_Compared]:
        for name, values in task.reference(given, cupy).items():
            buffer, expected = task.buffer(name), cupy.ascontiguousarray(values, dtype="float32")
            if case.data == "small_integers":
                expected = self._rounded(expected, dtype=buffer.dtype)
            lengths = _squared_lengths(task, given) if verify.is_product(task, name) else None
            band = verify.small_band(task, case, name)
            arguments = (
                np.uint64(expected.shape[0]), np.uint64(math.prod(expected.shape[1:])),
                *(lengths or (NOTHING, NOTHING)), np.float32(0.0 if lengths else _rms(expected)),
                np.float32(task.tolerance(case).max_element), *map(np.float32, band), np.uint32(poison),
            )  # fmt: skip
            yield _Compared(buffer, stored[name], expected, arguments)

    def _found(self, one: _Compared, *, wrong: Any = NOTHING) -> Any:
        errors = cupy.zeros(1, ERRORS)
        name = f"compare_{one.buffer.dtype}"
        self._kernels(name, self._kernels.wide, one.got, one.expected, *one.given, errors, wrong)
        return errors.get()[0]

    def _describe(self, one: _Compared, found: Any) -> verify.Mistake:
        wrong = cupy.empty(one.expected.shape, "bool")
        self._found(one, wrong=wrong)
        values = self.decoded(one.got, one.expected.shape, dtype=one.buffer.dtype)
        error = cupy.where(cupy.isfinite(values), cupy.abs(values - one.expected), cupy.inf)
        worst = int(cupy.argmax(cupy.where(wrong, error, -1.0)))
        flat = wrong.reshape(wrong.shape[0], -1) if wrong.ndim != 2 else wrong
        return verify.describe(
            verify.Wrong(
                name=one.buffer.name,
                count=int(found["beyond"]),
                shape=tuple(one.expected.shape),
                worst=worst,
                got=float(values.ravel()[worst]),
                expected=float(one.expected.ravel()[worst]),
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
        wanted = self._rows(a, left, m, of_k, inner, squares, calls=calls)
        got = self._rows(c, output, m, of_n, vectors, NOTHING, calls=calls)
        self._kernels("residual", (-(-m // THREADS), calls), got, wanted, squares, scale, np.uint64(m), found)
        count = m * verify.VECTORS
        told = ((float(squares), float(largest)) for squares, largest in found.get())
        return [verify.Residuals(count, largest, math.sqrt(squares / count)) for squares, largest in told]

    def _rows(self, matrices: Any, dtype: str, rows: int, packs: _Packs, vectors: Any, squares: Any, *,
              calls: int) -> Any:  # fmt: skip
        """Each row times four vectors, which are each call's own or the same for all."""
        products, blocks = cupy.empty((calls, rows, 4), "float32"), -(-rows // ROWS_IN_A_BLOCK)
        padded = packs.padded if vectors.ndim == 3 else 0
        self._kernels(f"rows_{dtype}", (blocks, calls), matrices, np.uint64(rows), np.uint64(packs.count),
                      np.int32(packs.pack), vectors, np.uint64(padded), products, squares)  # fmt: skip
        return products

    def _gaussian(self, rows: int, *, rng: np.random.Generator) -> Any:
        vectors = cupy.empty((rows, verify.VECTORS), "float32")
        key = [np.uint64(word) for word in rng.integers(0, _M64, 2, dtype=np.uint64)]
        self._kernels("fill_float32", self._kernels.wide, vectors, np.uint64(vectors.size), np.uint64(1), np.int32(0),
                      np.int32(0), *key)  # fmt: skip
        return vectors


def _errors(one: _Compared, found: Any) -> verify.Errors:
    """As verify.measure would tell them."""
    count, small = int(one.expected.size), int(found["small"])
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


def _rms(values: Any) -> float:
    return float(cupy.linalg.norm(values.ravel())) / math.sqrt(values.size)

"""Check outputs on the GPU by the same rules as checking/verify.py on the CPU: comparison of elements with a reference,
and the check of matrix products by random vectors.

This module takes addresses and arrays; it does not know operand sets. References, vectors and samples lie in memory
that no worker maps.
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
"""The structure `Errors` of kernels.cu: sums over the compared elements of one call."""
NOTHING = np.uint64(0)
SAME_FOR_ALL = 0
"""Stride between the vectors of two calls, in float4: 0 if all calls share the same vectors."""
_M64 = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Products:
    """A list of matrix products C = A Bᵀ of one size that are stored in device memory and are to be checked together:
    device addresses, dtypes, and the sizes m, n and k. A is m x k, B is n x k, C is m x n."""

    addresses: NDArray[np.uint64]
    """Device addresses of A, B and C of each product, [products][3]."""
    kinds: tuple[str, str, str]
    """The dtypes of A, B and C."""
    sizes: tuple[int, int, int]
    """m, n, k"""


@dataclass(frozen=True, slots=True)
class _Packs:
    """Way in which a GPU kernel reads a row of `count` elements of type `dtype`: in packs of 16 bytes if every row
    begins at a multiple of 16 bytes, otherwise element by element. `Examiner.residuals` makes it and passes `pack` and
    `padded` to the kernels.
    """

    count: int
    dtype: str

    @property
    def pack(self) -> int:
        """Return the number of elements that one thread reads at once: as many as fit into 16 bytes, or 1 if a row's
        size in bytes is not a multiple of 16."""
        item = ITEM_BYTES[self.dtype]
        return PACK_BYTES // item if self.count * item % PACK_BYTES == 0 else 1

    @property
    def padded(self) -> int:
        """Return the length to allocate for a vector that the kernels multiply with such rows: `count`, rounded up to a
        multiple of the elements that the 32 threads of a warp read at once."""
        tile = WARP * self.pack
        return -(-self.count // tile) * tile


@dataclass(frozen=True, slots=True)
class _Comparison:
    """Arguments of the GPU kernel `compare` for one output buffer of one or more calls: the output as the worker wrote
    it (`got`), the reference values (`expected`), the row lengths or root mean squares that errors are divided by, and
    the limits on errors. `Examiner._comparisons` makes it.
    """

    buffer: Buffer
    got: Any
    """Device address or array of the output as the worker wrote it; the calls follow each other."""
    expected: Any
    """The reference as float32, [calls][rows]..."""
    lengths: tuple[Any, Any]
    """Squared lengths of the rows of both factors, for a product; null pointers otherwise."""
    rms: Any
    """Root mean square of the expected values of each call, [calls]; a null pointer for a product."""
    limits: tuple[Any, ...]
    """The compare kernel's arguments from `allowed` to `poison`."""

    @property
    def arguments(self) -> tuple[Any, ...]:
        """Return a tuple with the arguments of the GPU kernel `compare` in kernels.cu, from its parameter `rows` to its
        parameter `poison`: the number of rows, elements per row, the values that errors are divided by, and the
        limits."""
        _, rows, *rest = self.expected.shape
        return (np.uint64(rows), np.uint64(math.prod(rest)), *self.lengths, self.rms, *self.limits)

    def of(self, call: int) -> "_Comparison":
        """Return a _Comparison that holds only the call with the number `call`; this object itself if it holds only one
        call."""
        if len(self.expected) == 1:
            return self
        part = slice(call, call + 1)
        got = self.got.reshape(len(self.expected), -1)[call]
        return replace(self, got=got, expected=self.expected[part], rms=self.rms[part])


class Examiner:
    """A checker of data in device memory: decodes stored elements to float32, compares outputs with references, and
    checks matrix products. It launches the judge's CUDA kernels, a Kernels object, on the judge's stream; CudaMemory
    makes one. A failing kernel raises cupy's CUDARuntimeError."""

    def __init__(self, kernels: Kernels) -> None:
        self._kernels = kernels

    # --- decoding and encoding ----------------------------------------------------------------------------------------

    def decoded(self, stored: Any, shape: tuple[int, ...], *, dtype: str) -> Any:
        """Return a new cupy array of float32 with this shape, decoded from elements of type `dtype`, such as
        `float8_e4m3fn`. `stored` is their device address or a cupy array of their raw words. The decoding is only
        queued on the stream."""
        values = cupy.empty(shape, "float32")
        self._kernels(f"decode_{dtype}", self._kernels.full_grid, stored, values, np.uint64(values.size))
        return values

    def _rounded(self, values: Any, *, dtype: str) -> Any:
        stored = cupy.empty(values.size * 4, "uint8")
        self._kernels(f"encode_{dtype}", self._kernels.full_grid, values, stored, np.uint64(values.size))
        return self.decoded(stored, values.shape, dtype=dtype)

    def picked(self, rows: NDArray[np.uint64], length: int, *, dtype: str) -> Any:
        """Copy rows from device memory and return them as a cupy array of raw unsigned words, [rows][length]. `rows` is
        an array of the device addresses of the rows, `length` the number of elements per row, `dtype` the type of an
        element."""
        copies = cupy.empty((len(rows), length), f"uint{8 * ITEM_BYTES[dtype]}")
        self._kernels(f"pick_{dtype}", len(rows), cupy.asarray(rows), np.uint64(length), copies)
        return copies

    # --- comparison of elements ---------------------------------------------------------------------------------------

    def compare(self, task: Task, case: Case, *, inputs: Sequence[Mapping[str, Any]], outputs: Mapping[str, Any],
                poison: int, calls: int) -> verify.WrongOutput | None:  # fmt: skip
        """Compare every element of the outputs of `calls` calls with the reference implementation of `task`, within the
        tolerances for `case`; return a WrongOutput that describes the first error, or None. `inputs` is a list of
        decoded inputs by buffer name, `outputs` maps names to device addresses or arrays, `poison` is the word that
        marks unwritten elements.

        `inputs` holds the decoded inputs of each call, or one mapping with the rows of all calls. `outputs` holds the
        outputs as the worker wrote them: addresses for one call, or arrays in which the calls follow each other. A
        product is compared one call at a time, because its scale depends on the call's own factors. The rules are those
        of verify.compare.
        """
        for comparison in self._comparisons(task, case, inputs=inputs, outputs=outputs, poison=poison, calls=calls):
            for call, sums in enumerate(self._error_sums(comparison)):
                if sums["beyond"]:
                    return self._describe(comparison.of(call), sums)
                errors = _errors(comparison, sums)
                if mistake := verify.judge_errors(comparison.buffer.name, errors, tolerance=task.tolerance(case)):
                    return mistake
        return None

    def measure(
        self, task: Task, case: Case, *, inputs: Mapping[str, Any], outputs: Mapping[str, Any]
    ) -> dict[str, verify.Errors]:
        """Return the errors (largest, root mean square and others) of one call's outputs against the reference: a dict
        from output name to verify.Errors. `inputs` maps buffer names to decoded arrays, `outputs` maps names to device
        addresses. No limit is applied."""
        return {
            comparison.buffer.name: _errors(comparison, self._error_sums(comparison)[0])
            for comparison in self._comparisons(task, case, inputs=[inputs], outputs=outputs, poison=0, calls=1)
        }

    def _comparisons(self, task: Task, case: Case, *, inputs: Sequence[Mapping[str, Any]], outputs: Mapping[str, Any],
                     poison: int, calls: int) -> Iterator[_Comparison]:  # fmt: skip
        """Compute the reference of every output of the Task `task` from the decoded `inputs`, and yield one _Comparison
        per output, which also holds the limits for the Case `case`. `calls` is the number of calls that `outputs`
        (arrays or device addresses by name) holds one after the other; `poison` is the word that marks unwritten
        elements."""
        references = [task.reference(call_inputs, cupy) for call_inputs in inputs]
        for name in references[0]:
            buffer = task.buffer(name)
            values = [reference[name] for reference in references]
            joined = cupy.concatenate(values) if len(values) > 1 else values[0]
            expected = cupy.ascontiguousarray(joined, dtype="float32").reshape(calls, -1, *joined.shape[1:])
            if case.data == "small_integers":
                expected = self._rounded(expected, dtype=buffer.dtype)
            limits = (task.tolerance(case).max_element, *verify.small_band(task, case, name))
            is_product = verify.is_product(task, name)
            yield _Comparison(
                buffer, outputs[name], expected,
                lengths=_squared_lengths(task, inputs[0]) if is_product else (NOTHING, NOTHING),
                rms=NOTHING if is_product else _rms_of_calls(expected),
                limits=(*map(np.float32, limits), np.uint32(poison)),
            )  # fmt: skip

    def _error_sums(self, comparison: _Comparison, *, wrong: Any = NOTHING) -> Any:
        """Run the GPU kernel that compares an output with its reference, both in `comparison`, wait for it, and return
        a numpy array with one ERRORS record (sums of errors, counts of wrong elements) per call. If `wrong`, a device
        array of booleans with one per element, is given, the kernel also marks each wrong element in it."""
        errors = cupy.zeros(len(comparison.expected), ERRORS)
        # No more blocks than fill the device, because every block adds its sums to those of its call atomically.
        grid = (-(-self._kernels.full_grid // len(comparison.expected)), len(comparison.expected))
        self._kernels(
            f"compare_{comparison.buffer.dtype}",
            grid,
            comparison.got,
            comparison.expected,
            *comparison.arguments,
            errors,
            wrong,
        )
        return errors.get()

    def _describe(self, comparison: _Comparison, sums: Any) -> verify.WrongOutput:
        """Return a WrongOutput whose text says how many elements of a single call's output are wrong, where they lie,
        and how large the worst error is. `comparison` holds the output and its reference; `sums` is the ERRORS record
        (sums of errors) that `_error_sums` returned for the call."""
        expected = comparison.expected[0]
        wrong = cupy.empty(expected.shape, "bool")
        self._error_sums(comparison, wrong=wrong)
        values = self.decoded(comparison.got, expected.shape, dtype=comparison.buffer.dtype)
        error = cupy.where(cupy.isfinite(values), cupy.abs(values - expected), cupy.inf)
        worst = int(cupy.argmax(cupy.where(wrong, error, -1.0)))
        flat = wrong.reshape(wrong.shape[0], -1) if wrong.ndim != 2 else wrong
        return verify.describe(
            verify.WrongElements(
                name=comparison.buffer.name,
                count=int(sums["beyond"]),
                shape=tuple(expected.shape),
                worst=worst,
                got=float(values.ravel()[worst]),
                expected=float(expected.ravel()[worst]),
                unwritten=int(sums["unwritten"]),
                rows=flat.any(axis=1).get(),
                columns=flat.any(axis=0).get(),
            )
        )

    # --- products -----------------------------------------------------------------------------------------------------

    def residuals(self, products: Products, *, rng: np.random.Generator) -> list[verify.Residuals]:
        """Return a list with one verify.Residuals (number, largest and rms of the residuals) per product C = A Bᵀ in
        `products`, from a Freivalds check: C X is compared with A (Bᵀ X). X are four random Gaussian vectors that `rng`
        draws, the same for all products. The method applies no limit; `verify.judge_residuals` does.

        All products are checked by the same four kernel launches.
        """
        (left, right, output), (m, n, k), calls = products.kinds, products.sizes, len(products.addresses)
        a, b, c = (cupy.asarray(addresses) for addresses in np.ascontiguousarray(products.addresses.T))
        of_n, of_k = _Packs(n, dtype=output), _Packs(k, dtype=left)
        vectors = self._gaussian(of_n.padded, rng=rng)
        inner, scale = cupy.zeros((calls, of_k.padded, 4), "float32"), cupy.zeros((calls, 4), "float32")
        grid = (-(-k // (THREADS * (COLUMN_PACK if k % COLUMN_PACK == 0 else 1))), -(-n // SLAB), calls)
        self._kernels(f"columns_{right}", grid, b, np.uint64(n), np.uint64(k), vectors, np.int32(of_n.pack), inner,
                      np.int32(of_k.pack), np.uint64(of_k.padded), scale)  # fmt: skip
        squares, sums = cupy.empty((calls, m), "float32"), cupy.zeros((calls, 2), "float64")
        expected, got = cupy.empty((calls, m, 4), "float32"), cupy.empty((calls, m, 4), "float32")
        blocks = (-(-m // ROWS_IN_A_BLOCK), calls)
        self._kernels(f"rows_{left}", blocks, a, np.uint64(m), np.uint64(k), np.int32(of_k.pack), inner,
                      np.uint64(of_k.padded), expected, squares)  # fmt: skip
        self._kernels(f"rows_{output}", blocks, c, np.uint64(m), np.uint64(n), np.int32(of_n.pack), vectors,
                      np.uint64(SAME_FOR_ALL), got, NOTHING)  # fmt: skip
        self._kernels("residual", (-(-m // THREADS), calls), got, expected, squares, scale, np.uint64(m), sums)
        count = m * verify.VECTORS
        per_product = ((float(squares), float(largest)) for squares, largest in sums.get())
        return [verify.Residuals(count, largest, math.sqrt(squares / count)) for squares, largest in per_product]

    def _gaussian(self, rows: int, *, rng: np.random.Generator) -> Any:
        vectors = cupy.empty((rows, verify.VECTORS), "float32")
        key = [np.uint64(word) for word in rng.integers(0, _M64, 2, dtype=np.uint64)]
        self._kernels("fill_float32", self._kernels.full_grid, vectors, np.uint64(vectors.size), np.uint64(1),
                      np.int32(0), np.int32(0), *key)  # fmt: skip
        return vectors


def _errors(comparison: _Comparison, sums: Any) -> verify.Errors:
    """Return the verify.Errors (number of elements, largest error, root mean square error and others) of one call's
    output. `sums` is the call's ERRORS record, the sums that `Examiner._error_sums` returned; `comparison` holds the
    number of elements and their type."""
    count, small = int(comparison.expected[0].size), int(sums["small"])
    largest, rms = float(sums["largest"]), math.sqrt(float(sums["squares"]) / count)
    if comparison.buffer.dtype not in NARROW:
        return verify.Errors(count, largest, rms)
    return verify.Errors(
        count,
        largest,
        rms,
        mismatch=float(sums["mismatches"]) / count,
        small=small,
        coarse=float(sums["coarse"]) / small if small else 0.0,
    )


def _squared_lengths(task: Task, inputs: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return two cupy arrays with the squared Euclidean lengths of the rows of the left factor and of the right factor
    of the task's matrix product. The error of element (i, j) is judged relative to the length of row i times the length
    of row j. `inputs` maps buffer names to decoded arrays."""
    left, right = (cupy.square(inputs[side]).sum(axis=1) for side in (task.check.left, task.check.right))
    return left, right


def _rms_of_calls(values: Any) -> Any:
    """Return a cupy array, [calls], with the root mean square of each call's reference values. The error of an element
    is judged relative to this value plus the element's own magnitude. `values` is a float32 array [calls][rows]...."""
    calls, rows, *_ = values.shape
    return cupy.sqrt(cupy.square(values).reshape(calls, rows, -1).mean(axis=2).mean(axis=1))

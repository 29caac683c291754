"""The arena of a GPU: dedicated allocations that workers open by IPC, filled and examined by the judge's own kernels.

A worker maps inputs writable, for IPC knows no other way: so a keyed checksum of them is taken when they are filled and
again after the batch. References, keys, vectors and samples lie in memory that is never exported. An exported handle
opens the whole allocation, so each is one cudaMalloc of its own, a multiple of 2 MiB.
"""

import ctypes
import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cupy
import numpy as np
from numpy.typing import NDArray

import verify
from arena import Restore
from arena.layout import Layout, Spans, spans
from task import Buffer, Case, Task

MAX_BYTES = 24 << 30
"""Sets of one batch take at most this."""
BLOCK_BYTES = 2 << 20
KINDS = {"normal": 0, "small_integers": 1, "wide_range": 2}
RANGES = {"float32": 20, "bfloat16": 20, "float16": 4, "float8_e4m3fn": 3}
"""Powers of two by which rows of wide-range data differ: products stay finite, and normal as far as the type allows."""
THREADS = 256
ROWS_IN_A_BLOCK, SLAB = 4, 128
"""As in kernels.cu."""
RESIDENT_S = 1.0e-3
"""A judge's empty kernel takes 40 us; beside a kernel of a worker's, 2.4 ms."""
LOOKS = 3
ALLOWANCE_BYTES = 2 << 30
"""Contexts of two workers, with their code and local memory."""
ERRORS = np.dtype(
    [("squares", "f8"), ("beyond", "u8"), ("mismatches", "u8"), ("unwritten", "u8"), ("largest", "f4"), ("", "f4")]
)
_M64 = (1 << 64) - 1
_NOT_SUPPORTED = 801
"""CUDA_ERROR_NOT_SUPPORTED: where nothing can persist, in a part of a card (MIG)."""


@dataclass(frozen=True, slots=True)
class _Filled:
    """The inputs that were filled last: which part of their memory, and its checksum under a secret key."""

    sets: range
    begin: int
    end: int
    key: tuple[int, int]
    sum: Any


class Kernels:
    """The judge's own kernels, by name."""

    def __init__(self, cubin: Path) -> None:
        self._module = cupy.RawModule(path=str(cubin))
        self._functions: dict[str, Any] = {}

    def __call__(self, name: str, blocks: int | tuple[int, ...], *arguments: Any, threads: int = THREADS) -> None:
        """Launch on the judge's stream."""
        if name not in self._functions:
            self._functions[name] = self._module.get_function(name)
        grid = blocks if isinstance(blocks, tuple) else (blocks,)
        self._functions[name](grid, (threads,), arguments)


class Allocation:
    """One exported allocation."""

    def __init__(self, size: int) -> None:
        self.size = -(-size // BLOCK_BYTES) * BLOCK_BYTES
        self.pointer: int = cupy.cuda.runtime.malloc(self.size)
        self.handle: bytes = cupy.cuda.runtime.ipcGetMemHandle(self.pointer)

    def array(self, begin: int, count: int, dtype: str) -> Any:
        """A cupy array over part of it."""
        memory = cupy.cuda.UnownedMemory(self.pointer, self.size, self)
        return cupy.ndarray((count,), dtype, cupy.cuda.MemoryPointer(memory, begin))

    def close(self) -> None:
        """Give it back; nobody may map it any more."""
        cupy.cuda.runtime.free(self.pointer)


class CudaArena:
    """See arena.Arena."""

    def __init__(self, kernels: Kernels, *, input_bytes: int, output_bytes: int, seats: int = 2) -> None:
        self._kernels = kernels
        self.inputs = Allocation(input_bytes)
        self.outputs = [Allocation(output_bytes) for _ in range(seats)]
        self._filled: _Filled | None = None
        self._free_at_start = _free_bytes()
        self._wide = cupy.cuda.Device().attributes["MultiProcessorCount"] * 8

    @property
    def mapped_bytes(self) -> int:
        """Nothing of a worker's address space is limited here."""
        return 0

    # --- inputs ---------------------------------------------------------------------------------------------------

    def fill(self, task: Task, case: Case, *, layout: Layout, sets: range, key: str) -> None:
        """Every buffer from its own part of the key's sequence; then the checksum that shows a change."""
        for index in sets:
            if hasattr(task.benchmark, "inputs"):
                self._fill_by_task(task, case, layout=layout, index=index, key=key)
                continue
            for column, buffer in enumerate(task.buffers):
                if not buffer.is_output:
                    self._fill_one(
                        buffer, case, place=int(layout.offsets[index, column]), key=_part(key, index, column)
                    )
        self._remember(task, case, layout=layout, sets=sets)

    def _fill_one(self, buffer: Buffer, case: Case, *, place: int, key: tuple[int, int]) -> None:
        shape = buffer.shape_in(case.sizes)
        row = math.prod(shape[1:])
        self._kernels(
            f"fill_{buffer.dtype}", self._wide, np.uint64(self.inputs.pointer + place), np.uint64(math.prod(shape)),
            np.uint64(row), np.int32(KINDS[case.data]), np.int32(RANGES[buffer.dtype]),
            np.uint64(key[0]), np.uint64(key[1]),
        )  # fmt: skip

    def _fill_by_task(self, task: Task, case: Case, *, layout: Layout, index: int, key: str) -> None:
        seed = (int(key, 16) ^ index) & (_M64 >> 1)
        values = task.benchmark.inputs(case.sizes, cupy.random.Generator(cupy.random.Philox4x3210(seed)), cupy)
        for column, buffer in enumerate(task.buffers):
            if not buffer.is_output:
                source = cupy.ascontiguousarray(values[buffer.name], dtype="float32")
                target = np.uint64(self.inputs.pointer + int(layout.offsets[index, column]))
                self._kernels(f"encode_{buffer.dtype}", self._wide, source, target, np.uint64(source.size))

    def keep(self, task: Task, case: Case, *, layout: Layout, sets: range, key: str) -> Restore:
        """The key makes the same inputs again."""
        return lambda: self.fill(task, case, layout=layout, sets=sets, key=key)

    def settle(self) -> None:
        """Wait for the judge's stream."""
        cupy.cuda.get_current_stream().synchronize()

    def _remember(self, task: Task, case: Case, *, layout: Layout, sets: range) -> None:
        columns = [c for c, buffer in enumerate(task.buffers) if not buffer.is_output]
        last = max(int(layout.offsets[sets[-1], c]) + task.buffers[c].bytes_in(case.sizes) for c in columns)
        begin, end = int(layout.offsets[sets[0], columns[0]]), -(-last // 16) * 16
        key = (int.from_bytes(os.urandom(8), "little"), int.from_bytes(os.urandom(8), "little"))
        self._filled = _Filled(sets, begin, end, key, self._checksum(begin, end, key=key))

    def _checksum(self, begin: int, end: int, *, key: tuple[int, int]) -> Any:
        total = cupy.zeros(1, "uint64")
        words = np.uint64(self.inputs.pointer + begin)
        self._kernels("checksum", self._wide, words, np.uint64((end - begin) // 16), *map(np.uint64, key), total)
        return total

    def tampered(self, *, sets: range) -> str:
        """Changed inputs, and kernels that still run after their worker has said that it is done."""
        filled = self._filled
        if filled and filled.sets == sets:
            now = self._checksum(filled.begin, filled.end, key=filled.key)
            if int(now[0]) != int(filled.sum[0]):
                return "the inputs were changed"
        if (seconds := self._empty_kernel_s()) > RESIDENT_S:
            return (
                f"the GPU was still at work after the calls had returned (an empty kernel took {seconds * 1e3:.1f} ms)"
            )
        return ""

    def excess(self, task: Task) -> str:
        """What the device lacks since this arena was made, the judge's own pool and two contexts left out."""
        taken = self._free_at_start - _free_bytes() - ALLOWANCE_BYTES
        if taken <= task.limits.memory_bytes:
            return ""
        gib = 1 << 30
        return (
            f"{taken / gib:.1f} GiB of device memory are taken after the call; the limit is "
            f"{task.limits.memory_bytes / gib:.1f} GiB"
        )

    def _empty_kernel_s(self) -> float:
        """The quickest of a few, so that one hiccup accuses nobody."""
        times = []
        for _ in range(LOOKS):
            start = time.perf_counter()
            self._kernels("nothing", 1, threads=1)
            self.settle()
            times.append(time.perf_counter() - start)
        return min(times)

    # --- outputs --------------------------------------------------------------------------------------------------

    def region(self, task: Task, case: Case, *, layout: Layout, sets: range, seat: int) -> "CudaRegion":
        """The outputs of these sets."""
        return CudaRegion(self._kernels, self.outputs[seat], spans(task, case, layout=layout, sets=sets))

    def examine(self, task: Task, case: Case, *, layout: Layout, sets: range, seat: int, poison: int,
                rng: np.random.Generator, full: bool) -> verify.Mistake | None:  # fmt: skip
        """Products of timed calls by Freivalds, all sets at once; everything else element by element."""
        if task.check.rule == "product" and case.data != "small_integers" and not full:
            return self._freivalds(task, case, layout=layout, sets=sets, seat=seat, rng=rng)
        for index in sets:
            if mistake := self._compare(task, case, layout=layout, index=index, seat=seat, poison=poison):
                return mistake
        return None

    # --- element by element -----------------------------------------------------------------------------------------

    def _compare(
        self, task: Task, case: Case, *, layout: Layout, index: int, seat: int, poison: int
    ) -> verify.Mistake | None:
        given = self._decoded_inputs(task, case, layout=layout, index=index)
        exact = case.data == "small_integers"
        for name, expected in task.reference(given, cupy).items():
            buffer, got = self._output(task, name, layout=layout, index=index, seat=seat)
            expected = cupy.ascontiguousarray(expected, dtype="float32")
            if exact:
                expected = self._rounded(expected, buffer)
            lengths = self._lengths(task, given, name=name)
            mistake = self._judge(task, case, name, got, expected=expected, lengths=lengths, poison=poison)
            if mistake:
                return mistake
        return None

    def _decoded_inputs(self, task: Task, case: Case, *, layout: Layout, index: int) -> Mapping[str, Any]:
        """Inputs as a reference is given them: float32."""
        given = {}
        for column, buffer in enumerate(task.buffers):
            if not buffer.is_output:
                shape = buffer.shape_in(case.sizes)
                values = cupy.empty(shape, "float32")
                source = np.uint64(self.inputs.pointer + int(layout.offsets[index, column]))
                self._kernels(f"decode_{buffer.dtype}", self._wide, source, values, np.uint64(values.size))
                given[buffer.name] = values
        return given

    def _output(self, task: Task, name: str, *, layout: Layout, index: int, seat: int) -> tuple[Buffer, np.uint64]:
        column = next(c for c, buffer in enumerate(task.buffers) if buffer.name == name)
        return task.buffers[column], np.uint64(self.outputs[seat].pointer + int(layout.offsets[index, column]))

    def _rounded(self, values: Any, buffer: Buffer) -> Any:
        stored = cupy.empty(values.size * 4, "uint8")
        self._kernels(f"encode_{buffer.dtype}", self._wide, values, stored, np.uint64(values.size))
        self._kernels(f"decode_{buffer.dtype}", self._wide, stored, values, np.uint64(values.size))
        return values

    def _lengths(self, task: Task, given: Mapping[str, Any], *, name: str) -> tuple[Any, Any] | None:
        """Squared lengths of the rows whose products the output holds."""
        check = task.check
        if check.rule != "product" or name != check.output:
            return None
        left, right = (cupy.square(given[side]).sum(axis=1) for side in (check.left, check.right))
        return left, right

    def _judge(self, task: Task, case: Case, name: str, got: np.uint64, *, expected: Any,
               lengths: tuple[Any, Any] | None, poison: int) -> verify.Mistake | None:  # fmt: skip
        buffer = next(buffer for buffer in task.buffers if buffer.name == name)
        tolerance = task.tolerance(case)
        given = (
            *_rows_and_columns(expected.shape), *(lengths or (np.uint64(0), np.uint64(0))),
            np.float32(0.0 if lengths else _rms(expected)), np.float32(tolerance.max_element), np.uint32(poison),
        )  # fmt: skip
        errors = cupy.zeros(1, ERRORS)
        self._kernels(f"compare_{buffer.dtype}", self._wide, got, expected, *given, errors, np.uint64(0))
        found = errors.get()[0]
        if found["beyond"]:
            wrong = cupy.empty(expected.shape, "bool")
            self._kernels(f"compare_{buffer.dtype}", self._wide, got, expected, *given, errors, wrong)
            return self._describe(name, buffer, got, expected=expected, wrong=wrong, found=found)
        return verify.judge_totals(
            name,
            rms=math.sqrt(float(found["squares"]) / expected.size),
            mismatch=float(found["mismatches"]) / expected.size,
            tolerance=tolerance,
        )

    def _describe(
        self, name: str, buffer: Buffer, got: np.uint64, *, expected: Any, wrong: Any, found: Any
    ) -> verify.Mistake:
        values = cupy.empty(expected.shape, "float32")
        self._kernels(f"decode_{buffer.dtype}", self._wide, got, values, np.uint64(values.size))
        error = cupy.where(cupy.isfinite(values), cupy.abs(values - expected), cupy.inf)
        worst = int(cupy.argmax(cupy.where(wrong, error, -1.0)))
        flat = wrong.reshape(wrong.shape[0], -1) if wrong.ndim != 2 else wrong
        return verify.describe(
            verify.Wrong(
                name=name,
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

    # --- Freivalds --------------------------------------------------------------------------------------------------

    def _freivalds(
        self, task: Task, case: Case, *, layout: Layout, sets: range, seat: int, rng: np.random.Generator
    ) -> verify.Mistake | None:
        """C X = A (Bᵀ X) with four Gaussian vectors drawn now, in memory of the judge's alone."""
        check = task.check
        of = {buffer.name: (column, buffer) for column, buffer in enumerate(task.buffers)}
        left, right, output = (of[name] for name in (check.left, check.right, check.output))
        columns = right[1].shape_in(case.sizes)[0]
        vectors = self._gaussian(columns, rng=rng)
        worst = cupy.zeros(len(sets), "float32")
        for number, index in enumerate(sets):
            places = [
                np.uint64(memory.pointer + int(layout.offsets[index, column]))
                for (column, _), memory in ((left, self.inputs), (right, self.inputs), (output, self.outputs[seat]))
            ]
            self._residual(case, places, buffers=(left[1], right[1], output[1]), vectors=vectors, worst=worst[number:])
        largest, allowed = worst.get(), verify.FREIVALDS_SIGMAS * task.tolerance(case).rms
        if not (bad := np.flatnonzero(~(largest <= allowed))).size:
            return None
        return verify.Mistake(
            f"{check.output} is wrong in {len(bad)} of {len(sets)} timed calls (product check): a row's residual is "
            f"{largest.max():.2e} of its scale, {allowed:.2e} allowed"
        )

    def _residual(
        self, case: Case, places: list[np.uint64], *, buffers: tuple[Buffer, ...], vectors: Any, worst: Any
    ) -> None:
        (m, k), (n, _) = (buffer.shape_in(case.sizes) for buffer in buffers[:2])
        left, right, output = places
        squares_a, squares_b = cupy.empty(m, "float32"), cupy.empty(max(m, n), "float32")
        inner, scale = cupy.zeros((k, 4), "float32"), cupy.empty(4, "float32")
        wanted, got = cupy.empty((m, 4), "float32"), cupy.empty((max(m, n), 4), "float32")
        kinds = [buffer.dtype for buffer in buffers]
        grid = (-(-k // (THREADS * (4 if k % 4 == 0 else 1))), -(-n // SLAB))
        self._kernels(f"columns_{kinds[1]}", grid, right, np.uint64(n), np.uint64(k), vectors, inner)
        # B times anything: only the squared lengths of its rows are wanted.
        self._rows(kinds[1], right, n, k, inner, got, squares_b)
        self._kernels("column_scale", 1, squares_b, vectors, np.uint64(n), scale)
        self._rows(kinds[0], left, m, k, inner, wanted, squares_a)
        self._rows(kinds[2], output, m, n, vectors, got, squares_b)
        self._kernels("residual", -(-m // THREADS), got, wanted, squares_a, scale, np.uint64(m), worst)

    def _rows(self, dtype: str, matrix: np.uint64, rows: int, columns: int, *arrays: Any) -> None:
        blocks = -(-rows // ROWS_IN_A_BLOCK)
        self._kernels(f"rows_{dtype}", blocks, matrix, np.uint64(rows), np.uint64(columns), *arrays)

    def _gaussian(self, rows: int, *, rng: np.random.Generator) -> Any:
        vectors = cupy.empty((rows, verify.VECTORS), "float32")
        key = [np.uint64(word) for word in rng.integers(0, _M64, 2, dtype=np.uint64)]
        self._kernels("fill_float32", self._wide, vectors, np.uint64(vectors.size), np.uint64(1), np.int32(0),
                      np.int32(0), *key)  # fmt: skip
        return vectors

    def close(self) -> None:
        """Give all memory back."""
        for memory in (self.inputs, *self.outputs):
            memory.close()
        cupy.get_default_memory_pool().free_all_blocks()


class CudaRegion:
    """See arena.Region."""

    def __init__(self, kernels: Kernels, memory: Allocation, places: Spans) -> None:
        self._kernels = kernels
        self._spans = places
        self._words = memory.array(places.begin, (places.end - places.begin) // 4, "uint32")
        self._samples: NDArray[np.uint32] = np.empty(0, np.uint32)

    def poison(self, word: int) -> None:
        """Overwrite everything, guard bands included, through a cache in which nothing of a worker's stays by right."""
        _release_persisting_lines()
        self._words.fill(np.uint32(word))

    def choose_samples(self, rng: np.random.Generator, *, at_least: int) -> None:
        """Secret places; the samples go straight into pinned memory of the judge's."""
        places = self._spans.choose(rng, at_least=at_least)
        self._places = cupy.asarray(places, "uint64")
        self._pinned = cupy.cuda.alloc_pinned_memory(4 * len(places))
        self._samples = np.frombuffer(self._pinned, np.uint32, len(places))

    def read_samples(self) -> None:
        """One small kernel; when the stream is empty the samples have been seen."""
        self._gather()

    def late_samples(self) -> tuple[int, int]:
        """Read again and compared."""
        before = self._samples.copy()
        self._gather()
        return int(np.count_nonzero(before != self._samples)), len(before)

    def _gather(self) -> None:
        count = len(self._samples)
        target = np.uint64(self._pinned.ptr)
        self._kernels("gather", -(-count // THREADS), self._words, self._places, np.int32(count), target)
        cupy.cuda.get_current_stream().synchronize()

    def overrun(self, word: int) -> int:
        """Bytes of the guard bands, and of what fills up the pages, that no longer hold the poison."""
        ends = [first + count for first, count in self._spans.words]
        begins = [first for first, _ in self._spans.words[1:]]
        gaps = [(0, self._spans.words[0][0]), *zip(ends, [*begins, len(self._words)], strict=True)]
        places = cupy.asarray(np.concatenate([np.arange(begin, end) for begin, end in gaps]))
        return 4 * int(cupy.count_nonzero(self._words[places] != np.uint32(word)))


def _release_persisting_lines() -> None:
    """Make normal what a worker asked the second-level cache to keep: operands, or room that others then lack.

    Raises:
        CUDARuntimeError: the driver refuses, as cupy would tell it of its own calls.
    """
    if (error := ctypes.CDLL("libcuda.so.1").cuCtxResetPersistingL2Cache()) not in (0, _NOT_SUPPORTED):
        raise cupy.cuda.runtime.CUDARuntimeError(error)


def _free_bytes() -> int:
    """Of the device, with what the judge's pool keeps for later."""
    free, _ = cupy.cuda.runtime.memGetInfo()
    return int(free + cupy.get_default_memory_pool().total_bytes())


def _part(key: str, index: int, column: int) -> tuple[int, int]:
    """Low and high word of the key of one buffer of one set: parts of one key's sequence never meet."""
    low, high = int(key[:16], 16), int(key[16:], 16)
    return low, (high + (index << 8) + column) & _M64


def _rows_and_columns(shape: tuple[int, ...]) -> tuple[np.uint64, np.uint64]:
    return np.uint64(shape[0]), np.uint64(math.prod(shape[1:]))


def _rms(values: Any) -> float:
    return float(cupy.linalg.norm(values.ravel())) / math.sqrt(values.size)

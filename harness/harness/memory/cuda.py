"""The arena of a GPU: dedicated allocations that workers open by IPC, filled and examined by the judge's own kernels.

A worker maps inputs writable, for IPC knows no other way: so a keyed checksum of them is taken when they are filled and
again after the batch. References, keys, vectors and samples lie in memory that is never exported. An exported handle
opens the whole allocation, so each is one cudaMalloc of its own, a multiple of 2 MiB.
"""

import ctypes
import functools
import math
import os
import time
from dataclasses import dataclass
from typing import Any

import cupy
import numpy as np
from numpy.typing import NDArray

from harness.checking import verify
from harness.memory import Restore
from harness.memory.examiner import Examiner
from harness.memory.kernels import THREADS, Kernels
from harness.memory.layout import Layout, Spans, spans
from harness.memory.stored import Stored
from harness.task import Buffer, Case, Task

BLOCK_BYTES = 2 << 20
KINDS = {"normal": 0, "small_integers": 1, "wide_range": 2}
RANGES = {"float32": 20, "bfloat16": 20, "float16": 4, "float8_e4m3fn": 3}
"""Powers of two by which rows of wide-range data differ: products stay finite, and normal as far as the type allows."""
RESIDENT_S = 1.0e-3
"""A judge's empty kernel takes 40 us; beside a kernel of a worker's, 2.4 ms."""
LOOKS = 3
ALLOWANCE_BYTES = 2 << 30
"""Contexts of two workers, with their code and local memory."""
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
        self._examiner = Examiner(kernels)
        self.inputs = Allocation(input_bytes)
        self.outputs = [Allocation(output_bytes) for _ in range(seats)]
        self._filled: _Filled | None = None
        self._free_at_start = _free_bytes()

    @property
    def mapped_bytes(self) -> int:
        """Nothing of a worker's address space is limited here."""
        return 0

    # --- inputs ---------------------------------------------------------------------------------------------------

    def fill(self, task: Task, case: Case, *, layout: Layout, sets: range, key: str) -> None:
        """Every buffer from its own part of the key's sequence."""
        for index in sets:
            if hasattr(task.benchmark, "inputs"):
                self._fill_by_task(task, case, layout=layout, index=index, key=key)
                continue
            for column, buffer in enumerate(task.buffers):
                if not buffer.is_output:
                    self._fill_one(
                        buffer, case, place=int(layout.offsets[index, column]), key=_part(key, index, column)
                    )

    def _fill_one(self, buffer: Buffer, case: Case, *, place: int, key: tuple[int, int]) -> None:
        shape = buffer.shape_in(case.sizes)
        row = math.prod(shape[1:])
        self._kernels(
            f"fill_{buffer.dtype}", self._kernels.wide, np.uint64(self.inputs.pointer + place),
            np.uint64(math.prod(shape)), np.uint64(row), np.int32(KINDS[case.data]), np.int32(RANGES[buffer.dtype]),
            np.uint64(key[0]), np.uint64(key[1]),
        )  # fmt: skip

    def _fill_by_task(self, task: Task, case: Case, *, layout: Layout, index: int, key: str) -> None:
        seed = (int(key, 16) ^ index) & (_M64 >> 1)
        values = task.benchmark.inputs(case.sizes, cupy.random.Generator(cupy.random.Philox4x3210(seed)), cupy)
        for column, buffer in enumerate(task.buffers):
            if not buffer.is_output:
                source = cupy.ascontiguousarray(values[buffer.name], dtype="float32")
                target = np.uint64(self.inputs.pointer + int(layout.offsets[index, column]))
                self._kernels(f"encode_{buffer.dtype}", self._kernels.wide, source, target, np.uint64(source.size))

    def keep(self, task: Task, case: Case, *, layout: Layout, sets: range, key: str) -> Restore:
        """The key makes the same inputs again."""
        return lambda: self.fill(task, case, layout=layout, sets=sets, key=key)

    def settle(self) -> None:
        """Wait for the judge's stream."""
        cupy.cuda.get_current_stream().synchronize()

    def seal(self, task: Task, case: Case, *, layout: Layout, sets: range) -> None:
        """A checksum under a secret key."""
        columns = [c for c, buffer in enumerate(task.buffers) if not buffer.is_output]
        last = max(int(layout.offsets[sets[-1], c]) + task.buffers[c].bytes_in(case.sizes) for c in columns)
        begin, end = int(layout.offsets[sets[0], columns[0]]), -(-last // 16) * 16
        key = (int.from_bytes(os.urandom(8), "little"), int.from_bytes(os.urandom(8), "little"))
        self._filled = _Filled(sets, begin, end, key, self._checksum(begin, end, key=key))

    def _checksum(self, begin: int, end: int, *, key: tuple[int, int]) -> Any:
        total = cupy.zeros(1, "uint64")
        words = np.uint64(self.inputs.pointer + begin)
        self._kernels(
            "checksum", self._kernels.wide, words, np.uint64((end - begin) // 16), *map(np.uint64, key), total
        )
        return total

    def tampered(self, *, sets: range) -> str:
        """The checksum has changed."""
        filled = self._filled
        if filled and filled.sets == sets:
            now = self._checksum(filled.begin, filled.end, key=filled.key)
            if int(now[0]) != int(filled.sum[0]):
                return "the inputs were changed"
        return ""

    def busy(self) -> str:
        """Kernels that still run after their worker has said that it is done slow down the judge's own."""
        if (seconds := self._empty_kernel_s()) <= RESIDENT_S:
            return ""
        return f"the GPU was still at work after the calls had returned (an empty kernel took {seconds * 1e3:.1f} ms)"

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
        """See arena.stored."""
        stored = self.stored(task, case, layout=layout, seat=seat)
        return stored.examine(sets, poison=poison, rng=rng, full=full)

    def stored(self, task: Task, case: Case, *, layout: Layout, seat: int) -> Stored:
        """What the buffers of a case's sets hold."""
        return Stored(self._examiner, task, case, layout, self.inputs.pointer, self.outputs[seat].pointer)

    def close(self) -> None:
        """Give all memory back."""
        for memory in (self.inputs, *self.outputs):
            memory.close()
        _around.cache_clear()
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
        stream = ctypes.c_void_p(cupy.cuda.get_current_stream().ptr)
        # The driver's own filling keeps the memory busier than a kernel of cupy's.
        _ask_driver("cuMemsetD32Async", ctypes.c_uint64(self._words.data.ptr), ctypes.c_uint32(word),
                    ctypes.c_size_t(self._words.size), stream)  # fmt: skip

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
        return 4 * int(cupy.count_nonzero(self._words[_around(self._spans.words, len(self._words))] != np.uint32(word)))


@functools.lru_cache(maxsize=4)
def _around(outputs: tuple[tuple[int, int], ...], words: int) -> Any:
    """Indices of the words that are no output's, of so many; on the device, where the next batch asks for the same."""
    ends = [first + count for first, count in outputs]
    begins = [first for first, _ in outputs[1:]]
    gaps = [(0, outputs[0][0]), *zip(ends, [*begins, words], strict=True)]
    return cupy.asarray(np.concatenate([np.arange(begin, end) for begin, end in gaps]))


def _release_persisting_lines() -> None:
    """Make normal what a worker asked the second-level cache to keep: operands, or room that others then lack."""
    _ask_driver("cuCtxResetPersistingL2Cache", allowing=_NOT_SUPPORTED)


def _ask_driver(name: str, *arguments: Any, allowing: int = 0) -> None:
    """What cupy has no word for. Raises CUDARuntimeError: the driver refuses, as cupy tells it of its own calls."""
    if (error := getattr(ctypes.CDLL("libcuda.so.1"), name)(*arguments)) not in (0, allowing):
        raise cupy.cuda.runtime.CUDARuntimeError(error)


def _free_bytes() -> int:
    """Of the device, with what the judge's pool keeps for later."""
    free, _ = cupy.cuda.runtime.memGetInfo()
    return int(free + cupy.get_default_memory_pool().total_bytes())


def _part(key: str, index: int, column: int) -> tuple[int, int]:
    """Low and high word of the key of one buffer of one set: parts of one key's sequence never meet."""
    low, high = int(key[:16], 16), int(key[16:], 16)
    return low, (high + (index << 8) + column) & _M64

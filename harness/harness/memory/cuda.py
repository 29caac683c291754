"""The memory of a GPU: dedicated allocations that workers open by IPC, filled and examined by the judge's own kernels.

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
from harness.memory import OutputCheck, Restore
from harness.memory.examiner import Examiner
from harness.memory.kernels import THREADS, Kernels
from harness.memory.layout import Layout, Spans, lay_out, spans
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
class _Sealed:
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


class CudaMemory:
    """Exported allocations of a GPU; see memory.Memory."""

    def __init__(self, kernels: Kernels, *, input_bytes: int, output_bytes: int, slots: int = 2) -> None:
        self.kernels = kernels
        self.examiner = Examiner(kernels)
        self.inputs = Allocation(input_bytes)
        self.outputs = [Allocation(output_bytes) for _ in range(slots)]
        self._sealed: _Sealed | None = None
        self._free_at_start = _free_bytes()

    @property
    def mapped_bytes(self) -> int:
        """Return 0: a GPU worker's address space is not limited."""
        return 0

    def operands(self, task: Task, case: Case, *, sets: int) -> "CudaOperandSets":
        """Lay out so many sets of a case."""
        return CudaOperandSets(task, case, lay_out(task, case, sets=sets), self)

    def settle(self) -> None:
        """Wait for the judge's stream."""
        cupy.cuda.get_current_stream().synchronize()

    def seal(self, sets: range, *, begin: int, end: int) -> None:
        """Take a checksum of a range of input bytes under a secret key."""
        key = (int.from_bytes(os.urandom(8), "little"), int.from_bytes(os.urandom(8), "little"))
        self._sealed = _Sealed(sets, begin, end, key, self._checksum(begin, end, key=key))

    def _checksum(self, begin: int, end: int, *, key: tuple[int, int]) -> Any:
        total = cupy.zeros(1, "uint64")
        words = np.uint64(self.inputs.pointer + begin)
        self.kernels("checksum", self.kernels.wide, words, np.uint64((end - begin) // 16), *map(np.uint64, key), total)
        return total

    def tampered(self, *, sets: range) -> str:
        """Return what shows that the checksum of the inputs has changed; empty where it has not."""
        sealed = self._sealed
        if sealed and sealed.sets == sets:
            now = self._checksum(sealed.begin, sealed.end, key=sealed.key)
            if int(now[0]) != int(sealed.sum[0]):
                return "the inputs were changed"
        return ""

    def busy(self) -> str:
        """Return what shows that kernels still run after their worker was done: they slow down the judge's own."""
        if (seconds := self._empty_kernel_s()) <= RESIDENT_S:
            return ""
        return f"the GPU was still at work after the calls had returned (an empty kernel took {seconds * 1e3:.1f} ms)"

    def excess(self, task: Task) -> str:
        """Return what shows that the device lacks more memory than at the start, two contexts left out."""
        taken = self._free_at_start - _free_bytes() - ALLOWANCE_BYTES
        if taken <= task.limits.memory_bytes:
            return ""
        gib = 1 << 30
        return (
            f"{taken / gib:.1f} GiB of device memory are taken after the call; the limit is "
            f"{task.limits.memory_bytes / gib:.1f} GiB"
        )

    def _empty_kernel_s(self) -> float:
        """Return the shortest time of a few empty kernels, so that one hiccup accuses nobody."""
        times = []
        for _ in range(LOOKS):
            start = time.perf_counter()
            self.kernels("nothing", 1, threads=1)
            self.settle()
            times.append(time.perf_counter() - start)
        return min(times)

    def close(self) -> None:
        """Give all memory back."""
        for memory in (self.inputs, *self.outputs):
            memory.close()
        _around.cache_clear()
        cupy.get_default_memory_pool().free_all_blocks()


@dataclass(frozen=True)
class CudaOperandSets:
    """The operands of one case on a GPU; see memory.OperandSets."""

    task: Task
    case: Case
    layout: Layout
    memory: CudaMemory

    def fill(self, sets: range, key: str) -> None:
        """Fill every buffer from its own part of the key's sequence."""
        for index in sets:
            if hasattr(self.task.benchmark, "inputs"):
                self._fill_by_task(index, key)
                continue
            for column, buffer in enumerate(self.task.buffers):
                if not buffer.is_output:
                    self._fill_one(buffer, self._place(index, column), key=_part(key, index, column))

    def _place(self, index: int, column: int) -> np.uint64:
        return np.uint64(self.memory.inputs.pointer + int(self.layout.offsets[index, column]))

    def _fill_one(self, buffer: Buffer, place: np.uint64, *, key: tuple[int, int]) -> None:
        shape = buffer.shape_in(self.case.sizes)
        self.memory.kernels(
            f"fill_{buffer.dtype}", self.memory.kernels.wide, place, np.uint64(math.prod(shape)),
            np.uint64(math.prod(shape[1:])), np.int32(KINDS[self.case.data]), np.int32(RANGES[buffer.dtype]),
            np.uint64(key[0]), np.uint64(key[1]),
        )  # fmt: skip

    def _fill_by_task(self, index: int, key: str) -> None:
        seed = (int(key, 16) ^ index) & (_M64 >> 1)
        rng = cupy.random.Generator(cupy.random.Philox4x3210(seed))
        values = self.task.benchmark.inputs(self.case.sizes, rng, cupy)
        for column, buffer in enumerate(self.task.buffers):
            if not buffer.is_output:
                source = cupy.ascontiguousarray(values[buffer.name], dtype="float32")
                size = np.uint64(source.size)
                encode = f"encode_{buffer.dtype}"
                self.memory.kernels(encode, self.memory.kernels.wide, source, self._place(index, column), size)

    def keep(self, sets: range, key: str) -> Restore:
        """Return a function that fills the sets again: the key makes the same inputs."""
        return lambda: self.fill(sets, key)

    def seal(self, sets: range) -> None:
        """Take a checksum of the inputs under a secret key."""
        buffers = self.task.buffers
        columns = [column for column, buffer in enumerate(buffers) if not buffer.is_output]
        offsets, sizes = self.layout.offsets, self.case.sizes
        last = max(int(offsets[sets[-1], column]) + buffers[column].bytes_in(sizes) for column in columns)
        self.memory.seal(sets, begin=int(offsets[sets[0], columns[0]]), end=-(-last // 16) * 16)

    def region(self, sets: range, *, slot: int) -> "CudaRegion":
        """Return the outputs of these sets at a slot."""
        places = spans(self.task, self.case, layout=self.layout, sets=sets)
        return CudaRegion(self.memory.kernels, self.memory.outputs[slot], places)

    def examine(self, sets: range, check: OutputCheck) -> verify.WrongOutput | None:
        """Examine all sets where they lie; see memory/stored.py."""
        return self.stored(slot=check.slot).examine(sets, check)

    def stored(self, *, slot: int) -> Stored:
        """Return what the buffers of these sets hold at a slot."""
        memory = self.memory
        addresses = memory.inputs.pointer, memory.outputs[slot].pointer
        return Stored(memory.examiner, self.task, self.case, self.layout, *addresses)


class CudaRegion:
    """Outputs on a GPU; see memory.Region."""

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

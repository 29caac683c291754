"""Implement the memory of a GPU's workers: device allocations of the judge, which workers open through CUDA IPC (a
handle that lets another process map an allocation) and which the judge's own kernels fill and examine.

CUDA IPC cannot map memory read-only, so workers map inputs writable. The judge therefore takes a keyed checksum of the
inputs after filling them and compares it after the batch. References, keys, vectors and samples lie in memory that no
worker can open. An IPC handle opens a whole cudaMalloc allocation, so inputs and outputs have allocations of their own,
each a multiple of 2 MiB.
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
"""Numbers in kernels.cu of the kinds of case data."""
RANGES = {"float32": 20, "bfloat16": 20, "float16": 4, "float8_e4m3fn": 3}
"""Exponents of two by which the rows of `wide_range` data are scaled at most, up or down. Products stay finite, and
normal numbers as far as the type allows."""
RESIDENT_S = 1.0e-3
"""Seconds above which an empty kernel of the judge shows that a worker's kernel is running. The empty kernel takes 40
us on an idle GPU, and 2.4 ms while another kernel runs."""
EMPTY_KERNEL_RUNS = 3
"""Runs of the empty kernel; the fastest run counts."""
ALLOWANCE_BYTES = 2 << 30
"""Device memory that the CUDA contexts of two workers take, with their code and local memory; not charged to a
candidate."""
_M64 = (1 << 64) - 1
_NOT_SUPPORTED = 801
"""CUDA_ERROR_NOT_SUPPORTED, which a MIG partition of a GPU returns because it has no persisting L2 cache."""


@dataclass(frozen=True, slots=True)
class _SealedInputs:
    """Record of the last sealing of inputs: the operand sets, the begin and end of their inputs in bytes, a
    secret 128-bit key, and the checksum of these bytes under the key (a device array of one element)."""

    sets: range
    begin: int
    end: int
    key: tuple[int, int]
    sum: Any


class Allocation:
    """One allocation of device memory by the judge, with its size in bytes (rounded up to 2 MiB), its device address
    `pointer`, and the IPC `handle` through which worker processes can map it. CudaMemory makes one for inputs and one
    per slot for outputs."""

    def __init__(self, size: int) -> None:
        self.size = -(-size // BLOCK_BYTES) * BLOCK_BYTES
        self.pointer: int = cupy.cuda.runtime.malloc(self.size)
        self.handle: bytes = cupy.cuda.runtime.ipcGetMemHandle(self.pointer)

    def array(self, begin: int, count: int, dtype: str) -> Any:
        """Return a cupy array of `count` elements of type `dtype` (a numpy type name) over this device memory, starting
        at byte `begin`. The data are not copied; the caller must stay within the allocation."""
        memory = cupy.cuda.UnownedMemory(self.pointer, self.size, self)
        return cupy.ndarray((count,), dtype, cupy.cuda.MemoryPointer(memory, begin))

    def close(self) -> None:
        """Free the device memory; return nothing. The workers that map it must have ended. Raises CUDARuntimeError if
        CUDA refuses."""
        cupy.cuda.runtime.free(self.pointer)


class CudaMemory:
    """The device memory that the judge shares with the workers of a GPU, an implementation of the protocol Memory: one
    allocation with the inputs of all operand sets, and one allocation of outputs per slot (the place of one worker's
    outputs). Workers can write to both, so inputs are protected by checksums."""

    def __init__(self, kernels: Kernels, *, input_bytes: int, output_bytes: int, slots: int = 2) -> None:
        self.kernels = kernels
        self.examiner = Examiner(kernels)
        self.inputs = Allocation(input_bytes)
        self.outputs = [Allocation(output_bytes) for _ in range(slots)]
        self._sealed: _SealedInputs | None = None
        self._free_at_start = _free_bytes()

    @property
    def mapped_bytes(self) -> int:
        """Return 0, which means "no allowance needed": the address space of a GPU worker is not limited."""
        return 0

    def operands(self, task: Task, case: Case, *, sets: int) -> "CudaOperandSets":
        """Return CudaOperandSets with a layout for `sets` operand sets (inputs and outputs of one call each) of `case`,
        a combination of sizes and kind of data that `task`, a Task, defines. Nothing is filled; the caller must ensure
        that they fit into this memory."""
        return CudaOperandSets(task, case, lay_out(task, case, sets=sets), self)

    def settle(self) -> None:
        """Wait until all work that the judge has queued on its current CUDA stream is complete; return nothing. Raises
        CUDARuntimeError if that work failed."""
        cupy.cuda.get_current_stream().synchronize()

    def seal(self, sets: range, *, begin: int, end: int) -> None:
        """Queue a checksum, under a new random key that workers do not know, of the input bytes from `begin` to `end`,
        which hold the inputs of the operand sets in the range `sets` (a set is the buffers of one call). Keep it for
        `tampered`, in place of any earlier checksum; return nothing."""
        key = (int.from_bytes(os.urandom(8), "little"), int.from_bytes(os.urandom(8), "little"))
        self._sealed = _SealedInputs(sets, begin, end, key, self._checksum(begin, end, key=key))

    def _checksum(self, begin: int, end: int, *, key: tuple[int, int]) -> Any:
        total = cupy.zeros(1, "uint64")
        words, count = np.uint64(self.inputs.pointer + begin), np.uint64((end - begin) // 16)
        self.kernels("checksum", self.kernels.full_grid, words, count, *map(np.uint64, key), total)
        return total

    def tampered(self, *, sets: range) -> str:
        """Take the checksum of the sealed inputs again; return "the inputs were changed" if it differs from the one
        that `seal` took, else an empty string. Also return an empty string if `sets` is not the range that was sealed
        last, because then nothing can be compared."""
        sealed = self._sealed
        if sealed and sealed.sets == sets:
            now = self._checksum(sealed.begin, sealed.end, key=sealed.key)
            if int(now[0]) != int(sealed.sum[0]):
                return "the inputs were changed"
        return ""

    def busy(self) -> str:
        """Return one sentence of evidence that a worker's kernel still runs, or an empty string. The evidence is that
        the judge's own empty kernel takes longer than 1 ms, because another running kernel delays it."""
        if (seconds := self._empty_kernel_s()) <= RESIDENT_S:
            return ""
        return f"the GPU was still at work after the calls had returned (an empty kernel took {seconds * 1e3:.1f} ms)"

    def excess(self, task: Task) -> str:
        """Return one sentence that compares the device memory which workers have taken with `task.limits.memory_bytes`,
        the limit that the Task `task` sets, if they have taken more; otherwise return an empty string.

        The memory is compared with what was free when this object was made; the contexts of two workers are not
        counted.
        """
        taken = self._free_at_start - _free_bytes() - ALLOWANCE_BYTES
        if taken <= task.limits.memory_bytes:
            return ""
        gib = 1 << 30
        return (
            f"{taken / gib:.1f} GiB of device memory are taken after the call; the limit is "
            f"{task.limits.memory_bytes / gib:.1f} GiB"
        )

    def _empty_kernel_s(self) -> float:
        """Return the shortest of three measured times of the judge's empty kernel in seconds, launch and completion
        included. The shortest is used so that a single delay is not mistaken for a worker's kernel."""
        times = []
        for _ in range(EMPTY_KERNEL_RUNS):
            start = time.perf_counter()
            self.kernels("nothing", 1, threads=1)
            self.settle()
            times.append(time.perf_counter() - start)
        return min(times)

    def close(self) -> None:
        """Free the allocations of inputs and outputs, and the device memory that cupy's pool keeps for reuse; return
        nothing. The workers must have ended. Raises CUDARuntimeError if CUDA refuses."""
        for memory in (self.inputs, *self.outputs):
            memory.close()
        _guard_words.cache_clear()
        cupy.get_default_memory_pool().free_all_blocks()


@dataclass(frozen=True)
class CudaOperandSets:
    """The operand sets of one case in a GPU's memory, an implementation of the protocol OperandSets; one operand set is
    the inputs and outputs of one call. It holds the Task, the Case (sizes and kind of data), the Layout (byte offsets
    of all buffers) and the CudaMemory. `CudaMemory.operands` makes it."""

    task: Task
    case: Case
    layout: Layout
    memory: CudaMemory

    def fill(self, sets: range, key: str) -> None:
        """Queue kernels that fill the inputs of the operand sets in the range `sets` (a set is the buffers of one call)
        with random numbers; `key` (32 hexadecimal digits), the number of the set and the number of the buffer determine
        them. Return nothing; `CudaMemory.settle` waits for the kernels. Workers must be suspended meanwhile."""
        for index in sets:
            if hasattr(self.task.benchmark, "inputs"):
                self._fill_by_task(index, key)
                continue
            for column, buffer in enumerate(self.task.buffers):
                if not buffer.is_output:
                    self._fill_buffer(buffer, self._address(index, column), key=_buffer_key(key, index, column))

    def _address(self, index: int, column: int) -> np.uint64:
        return np.uint64(self.memory.inputs.pointer + int(self.layout.offsets[index, column]))

    def _fill_buffer(self, buffer: Buffer, address: np.uint64, *, key: tuple[int, int]) -> None:
        shape = buffer.shape_in(self.case.sizes)
        self.memory.kernels(
            f"fill_{buffer.dtype}", self.memory.kernels.full_grid, address, np.uint64(math.prod(shape)),
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
                self.memory.kernels(encode, self.memory.kernels.full_grid, source, self._address(index, column), size)

    def keep(self, sets: range, key: str) -> Restore:
        """Return a function without arguments that calls `fill` again for the operand sets in the range `sets` (a set
        is the buffers of one call); the same `key` gives the same inputs, so nothing is copied."""
        return lambda: self.fill(sets, key)

    def seal(self, sets: range) -> None:
        """Queue a checksum of the inputs of the operand sets in the range `sets` (a set is the buffers of one call),
        which `CudaMemory.tampered` compares after the batch. Return nothing."""
        buffers = self.task.buffers
        columns = [column for column, buffer in enumerate(buffers) if not buffer.is_output]
        offsets, sizes = self.layout.offsets, self.case.sizes
        last = max(int(offsets[sets[-1], column]) + buffers[column].bytes_in(sizes) for column in columns)
        self.memory.seal(sets, begin=int(offsets[sets[0], columns[0]]), end=-(-last // 16) * 16)

    def region(self, sets: range, *, slot: int) -> "CudaRegion":
        """Return the CudaRegion with the outputs of the operand sets in the range `sets` (a set is the buffers of one
        call); `slot` is the index of the output allocation."""
        output_spans = spans(self.task, self.case, layout=self.layout, sets=sets)
        return CudaRegion(self.memory.kernels, self.memory.outputs[slot], output_spans)

    def examine(self, sets: range, check: OutputCheck) -> verify.WrongOutput | None:
        """Check the outputs of the operand sets in the range `sets` (a set is the buffers of one call) on the GPU;
        return a WrongOutput, whose `detail` describes the first error, or None. `check.full` compares every element
        with the reference; otherwise products are checked by random vectors and independent rows by samples."""
        return self.stored(slot=check.slot).examine(sets, check)

    def stored(self, *, slot: int) -> Stored:
        """Return a Stored, an object that reads and checks these operand sets: their inputs, which all workers share,
        and the outputs in the slot with the number `slot` (the place of one worker's outputs)."""
        memory = self.memory
        addresses = memory.inputs.pointer, memory.outputs[slot].pointer
        return Stored(memory.examiner, self.task, self.case, self.layout, *addresses)


class CudaRegion:
    """The outputs of a range of operand sets in one slot of a GPU's memory (the place of one worker's outputs), an
    implementation of the protocol Region, made by `CudaOperandSets.region`. It holds a cupy array of the 32-bit words
    from the first guard band to the last one, and the secret samples, which show whether a worker writes outputs too
    late."""

    def __init__(self, kernels: Kernels, memory: Allocation, output_spans: Spans) -> None:
        self._kernels = kernels
        self._spans = output_spans
        self._words = memory.array(output_spans.begin, (output_spans.end - output_spans.begin) // 4, "uint32")
        self._samples: NDArray[np.uint32] = np.empty(0, np.uint32)

    def poison(self, word: int) -> None:
        """Queue the overwriting of all outputs and guard bands (bytes that no call may write) of this region with the
        32-bit integer `word`; return nothing. `CudaMemory.settle` waits for it. Raises CUDARuntimeError if the driver
        reports an error.

        First make all lines of the L2 cache normal, so that nothing that a worker has set to persist stays in the
        cache.
        """
        _release_persisting_lines()
        stream = ctypes.c_void_p(cupy.cuda.get_current_stream().ptr)
        # The driver's fill reaches a higher memory bandwidth than a kernel of cupy's.
        _call_driver("cuMemsetD32Async", ctypes.c_uint64(self._words.data.ptr), ctypes.c_uint32(word),
                    ctypes.c_size_t(self._words.size), stream)  # fmt: skip

    def choose_samples(self, rng: np.random.Generator, *, at_least: int) -> None:
        """Choose secret random positions of 32-bit words in the outputs, at least `at_least` in total and one in every
        output, drawn from the numpy Generator `rng`. Copy them to the device and allocate pinned host memory for the
        values; return nothing."""
        indices = self._spans.choose(rng, at_least=at_least)
        self._indices = cupy.asarray(indices, "uint64")
        self._pinned = cupy.cuda.alloc_pinned_memory(4 * len(indices))
        self._samples = np.frombuffer(self._pinned, np.uint32, len(indices))

    def read_samples(self) -> None:
        """Copy the words at the sampled positions into pinned host memory with one small kernel, and wait for that
        kernel; return nothing. Raises CUDARuntimeError if the kernel fails."""
        self._gather()

    def late_samples(self) -> tuple[int, int]:
        """Read the sampled words from the device again and return two integers: the number of samples that changed
        since `read_samples`, and the number of samples."""
        before = self._samples.copy()
        self._gather()
        return int(np.count_nonzero(before != self._samples)), len(before)

    def _gather(self) -> None:
        count = len(self._samples)
        target = np.uint64(self._pinned.ptr)
        self._kernels("gather", -(-count // THREADS), self._words, self._indices, np.int32(count), target)
        cupy.cuda.get_current_stream().synchronize()

    def overrun(self, word: int) -> int:
        """Return the number of bytes in the guard bands (bytes that no call may write) and padding of this region that
        changed, that is, 4 bytes for each 32-bit word outside the outputs that does not equal `word`, with which
        `poison` filled it."""
        guard_words = self._words[_guard_words(self._spans.words, len(self._words))]
        return 4 * int(cupy.count_nonzero(guard_words != np.uint32(word)))


@functools.lru_cache(maxsize=4)
def _guard_words(outputs: tuple[tuple[int, int], ...], words: int) -> Any:
    """Return a cupy array with the indices of the 32-bit words that belong to no output, in a region of `words` words;
    the caller checks that no call wrote there. `outputs` lists one tuple (index of the first word, number of words) per
    output, in ascending order.

    The result is cached, because the next batch has the same layout.
    """
    ends = [first + count for first, count in outputs]
    begins = [first for first, _ in outputs[1:]]
    gaps = [(0, outputs[0][0]), *zip(ends, [*begins, words], strict=True)]
    return cupy.asarray(np.concatenate([np.arange(begin, end) for begin, end in gaps]))


def _release_persisting_lines() -> None:
    """Set all lines of the GPU's L2 cache back to normal caching. A worker can mark lines as persisting: its calls
    would then find operands in the cache, or other workers would have less cache. Raises CUDARuntimeError if the driver
    reports an error."""
    _call_driver("cuCtxResetPersistingL2Cache", allowing=_NOT_SUPPORTED)


def _call_driver(name: str, *arguments: Any, allowing: int = 0) -> None:
    """Call the function `name` of the CUDA driver library libcuda.so.1 with `arguments`, as ctypes converts them; cupy
    does not offer the functions that are called in this way. Return nothing. Raises CUDARuntimeError if the returned
    error code is neither 0 nor `allowing`, a code that the caller accepts."""
    if (error := getattr(ctypes.CDLL("libcuda.so.1"), name)(*arguments)) not in (0, allowing):
        raise cupy.cuda.runtime.CUDARuntimeError(error)


def _free_bytes() -> int:
    """Return the free memory of the current GPU in bytes: what CUDA reports, plus the memory that cupy's pool in this
    process keeps for reuse, because only memory that workers take shall count as taken."""
    free, _ = cupy.cuda.runtime.memGetInfo()
    return int(free + cupy.get_default_memory_pool().total_bytes())


def _buffer_key(key: str, index: int, column: int) -> tuple[int, int]:
    """Return the 128-bit key of one input buffer as two integers (low and high 64 bits), computed from the batch's
    `key` (32 hexadecimal digits), the number `index` of the operand set and the number `column` of the buffer.

    Different sets and columns of one key get different values, so that their random sequences do not overlap.
    """
    low, high = int(key[:16], 16), int(key[16:], 16)
    return low, (high + (index << 8) + column) & _M64

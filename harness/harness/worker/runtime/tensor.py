"""What a Triton candidate is given in place of torch's tensors: light handles of device memory, and the device."""

import math
from collections.abc import Sequence

from . import driver as cuda

ALIGNMENT = 256


class DType:
    """The type of an element; `str()` is what Triton reads."""

    def __init__(self, name: str, itemsize: int, *, is_floating_point: bool) -> None:
        self.name = name
        self.itemsize = itemsize
        self.is_floating_point = is_floating_point

    def __str__(self) -> str:
        return self.name

    __repr__ = __str__


DTYPES = {
    name: DType(name, itemsize, is_floating_point=is_floating_point)
    for name, itemsize, is_floating_point in (
        ("float64", 8, True), ("float32", 4, True), ("float16", 2, True), ("bfloat16", 2, True),
        ("float8_e4m3fn", 1, True), ("float8_e5m2", 1, True), ("int64", 8, False), ("int32", 4, False),
        ("int16", 2, False), ("int8", 1, False), ("uint8", 1, False),
    )
}  # fmt: skip


class Tensor:
    """Dense device memory, row-major."""

    def __init__(self, pointer: int, shape: Sequence[int], dtype: DType) -> None:
        self._pointer = pointer
        self.shape = tuple(shape)
        self.dtype = dtype
        self._stride = tuple(math.prod(self.shape[axis + 1 :]) for axis in range(len(self.shape)))

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    def data_ptr(self) -> int:
        """The address on the device."""
        return self._pointer

    def stride(self, axis: int | None = None) -> tuple[int, ...] | int:
        """Elements from one index to the next, of one axis or of all."""
        return self._stride if axis is None else self._stride[axis]

    def size(self, axis: int | None = None) -> tuple[int, ...] | int:
        """The shape, or one length of it."""
        return self.shape if axis is None else self.shape[axis]

    def dim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    def numel(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def element_size(self) -> int:
        """Bytes of an element."""
        return self.dtype.itemsize

    def is_contiguous(self) -> bool:
        """Always."""
        return True


class Device:
    """The device as a candidate's host code sees it: its size, and memory beside its outputs.

    Memory that a call takes goes back to a pool when the call has returned: later work on the stream comes after it.
    """

    def __init__(self, driver: "cuda.Driver", *, stream: int = 0) -> None:
        self._driver = driver
        self._stream = stream
        self._free: dict[int, list[int]] = {}
        self._taken: list[tuple[int, int]] = []
        self.sm_count = driver.attribute(cuda.MULTIPROCESSORS)
        self.max_shared_bytes = driver.attribute(cuda.MAX_SHARED_OPTIN)

    def empty(self, shape: Sequence[int] | int, dtype: DType | str) -> Tensor:
        """Uninitialized memory, until the call returns."""
        lengths = (shape,) if isinstance(shape, int) else tuple(shape)
        kind = DTYPES[str(dtype).rpartition(".")[2]]
        return Tensor(self.take(math.prod(lengths) * kind.itemsize), lengths, kind)

    def zeros(self, shape: Sequence[int] | int, dtype: DType | str) -> Tensor:
        """Memory set to zero on the stream, until the call returns."""
        tensor = self.empty(shape, dtype)
        self._driver.zero(tensor.data_ptr(), tensor.numel() * tensor.element_size(), stream=self._stream)
        return tensor

    def take(self, size: int) -> int:
        """Memory from the pool, until the call returns."""
        size = -(-max(size, 1) // ALIGNMENT) * ALIGNMENT
        waiting = self._free.setdefault(size, [])
        pointer = waiting.pop() if waiting else self._driver.mem_alloc(size)
        self._taken.append((size, pointer))
        return pointer

    def take_back(self) -> None:
        """The call has returned."""
        for size, pointer in self._taken:
            self._free[size].append(pointer)
        self._taken.clear()

    def allocate(self, size: int, alignment: int, stream: int | None) -> Tensor:
        """Triton's allocator, for descriptors made on the device."""
        return Tensor(self.take(size), (size,), DTYPES["uint8"])

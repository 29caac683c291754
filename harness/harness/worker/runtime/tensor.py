"""The objects that a Triton candidate receives instead of torch's: tensors (handles of device memory) and the
device."""

import math
from collections.abc import Sequence

from . import driver as cuda

ALIGNMENT = 256


class DType:
    """The type of an element. Triton reads the name from `str()`."""

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
    """A handle of dense, row-major device memory with a shape and a dtype."""

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
        """Return the address on the device."""
        return self._pointer

    def stride(self, axis: int | None = None) -> tuple[int, ...] | int:
        """Return the stride of one axis in elements, or the strides of all axes."""
        return self._stride if axis is None else self._stride[axis]

    def size(self, axis: int | None = None) -> tuple[int, ...] | int:
        """Return the length of one axis, or the whole shape."""
        return self.shape if axis is None else self.shape[axis]

    def dim(self) -> int:
        """Return the number of dimensions."""
        return len(self.shape)

    def numel(self) -> int:
        """Return the number of elements."""
        return math.prod(self.shape)

    def element_size(self) -> int:
        """Return the bytes of one element."""
        return self.dtype.itemsize

    def is_contiguous(self) -> bool:
        """Return True: every tensor is dense and row-major."""
        return True


class Device:
    """The device as a candidate's host code sees it: `sm_count`, `max_shared_bytes`, and scratch memory.

    Scratch memory returns to a pool when the call that took it has returned. The next call may reuse it, because the
    next call's work runs later on the same stream.
    """

    def __init__(self, driver: "cuda.Driver", *, stream: int = 0) -> None:
        self._driver = driver
        self._stream = stream
        self._free: dict[int, list[int]] = {}
        self._taken: list[tuple[int, int]] = []
        self.sm_count = driver.attribute(cuda.MULTIPROCESSORS)
        self.max_shared_bytes = driver.attribute(cuda.MAX_SHARED_OPTIN)

    def empty(self, shape: Sequence[int] | int, dtype: DType | str) -> Tensor:
        """Return an uninitialized tensor, which is valid until the call returns."""
        lengths = (shape,) if isinstance(shape, int) else tuple(shape)
        kind = DTYPES[str(dtype).rpartition(".")[2]]
        return Tensor(self.take(math.prod(lengths) * kind.itemsize), lengths, kind)

    def zeros(self, shape: Sequence[int] | int, dtype: DType | str) -> Tensor:
        """Return a tensor that is set to zero on the stream; it is valid until the call returns."""
        tensor = self.empty(shape, dtype)
        self._driver.zero(tensor.data_ptr(), tensor.numel() * tensor.element_size(), stream=self._stream)
        return tensor

    def take(self, size: int) -> int:
        """Return the address of `size` bytes of scratch memory, valid until the call returns."""
        size = -(-max(size, 1) // ALIGNMENT) * ALIGNMENT
        free = self._free.setdefault(size, [])
        pointer = free.pop() if free else self._driver.mem_alloc(size)
        self._taken.append((size, pointer))
        return pointer

    def take_back(self) -> None:
        """Return the scratch memory of the call that has just returned to the pool."""
        for size, pointer in self._taken:
            self._free[size].append(pointer)
        self._taken.clear()

    def allocate(self, size: int, alignment: int, stream: int | None) -> Tensor:
        """Return scratch memory for Triton, which stores descriptors in it that a kernel makes on the device."""
        return Tensor(self.take(size), (size,), DTYPES["uint8"])

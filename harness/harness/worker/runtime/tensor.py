"""Define the objects that a Triton candidate receives instead of those of torch: tensors (handles of device memory) and
the device."""

import math
from collections.abc import Sequence

from . import driver as cuda

ALIGNMENT = 256


class DType:
    """The type of a tensor's elements: its name, its size in bytes, and whether it is a floating-point type. DTYPES
    lists all; Triton reads the name with `str()`."""

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
    """A handle of device memory that a candidate passes to Triton kernels: a device address, a shape and an element
    type, always dense and row-major. It has some methods of a torch tensor, but no access to the values."""

    def __init__(self, pointer: int, shape: Sequence[int], dtype: DType) -> None:
        self._pointer = pointer
        self.shape = tuple(shape)
        self.dtype = dtype
        self._stride = tuple(math.prod(self.shape[axis + 1 :]) for axis in range(len(self.shape)))

    @property
    def ndim(self) -> int:
        """Return the number of dimensions."""
        return len(self.shape)

    def data_ptr(self) -> int:
        """Return the device address of the first element, an integer."""
        return self._pointer

    def stride(self, axis: int | None = None) -> tuple[int, ...] | int:
        """Return the distance, in elements, between neighbours along the dimension `axis`; for None, return the tuple
        of the distances of all dimensions. Raises IndexError if there is no such dimension."""
        return self._stride if axis is None else self._stride[axis]

    def size(self, axis: int | None = None) -> tuple[int, ...] | int:
        """Return the length of the dimension `axis`; for None, return the shape as a tuple. Raises IndexError if there
        is no such dimension."""
        return self.shape if axis is None else self.shape[axis]

    def dim(self) -> int:
        """Return the number of dimensions."""
        return len(self.shape)

    def numel(self) -> int:
        """Return the number of elements."""
        return math.prod(self.shape)

    def element_size(self) -> int:
        """Return the size of one element in bytes."""
        return self.dtype.itemsize

    def is_contiguous(self) -> bool:
        """Return True: every tensor of this class is dense and row-major."""
        return True


class Device:
    """The GPU as a candidate's host code sees it: the number of multiprocessors, the largest shared memory per block in
    bytes, and temporary ("scratch") device memory for one call of the entry. The worker makes one from its `driver` and
    the handle of its CUDA `stream`, and passes it to every call of the candidate.

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
        """Return a Tensor in uninitialized scratch memory, which the candidate may use until its entry returns. `shape`
        is a tuple or one length, `dtype` a DType or its name. Raises KeyError for an unknown type, DriverError if
        memory is short."""
        lengths = (shape,) if isinstance(shape, int) else tuple(shape)
        kind = DTYPES[str(dtype).rpartition(".")[2]]
        return Tensor(self.take(math.prod(lengths) * kind.itemsize), lengths, kind)

    def zeros(self, shape: Sequence[int] | int, dtype: DType | str) -> Tensor:
        """Return a Tensor in scratch memory, set to zero in the order of the worker's stream, which the candidate may
        use until its entry returns. `shape` is a tuple or one length, `dtype` a DType or its name. Raises KeyError for
        an unknown type, DriverError if memory is short."""
        tensor = self.empty(shape, dtype)
        self._driver.zero(tensor.data_ptr(), tensor.numel() * tensor.element_size(), stream=self._stream)
        return tensor

    def take(self, size: int) -> int:
        """Return the device address of `size` bytes of scratch memory, aligned to 256 bytes, which may be used until
        the candidate's entry returns. Reuses memory of earlier calls if the size fits. Raises DriverError if memory is
        short."""
        size = -(-max(size, 1) // ALIGNMENT) * ALIGNMENT
        free = self._free.setdefault(size, [])
        pointer = free.pop() if free else self._driver.mem_alloc(size)
        self._taken.append((size, pointer))
        return pointer

    def take_back(self) -> None:
        """Mark all scratch memory of the call that has just returned as free, so that the next call can reuse it;
        return nothing. Nothing is given back to the driver."""
        for size, pointer in self._taken:
            self._free[size].append(pointer)
        self._taken.clear()

    def allocate(self, size: int, alignment: int, stream: int | None) -> Tensor:
        """Return a Tensor of `size` bytes of scratch memory for Triton's runtime, in which kernels build tensor
        descriptors. Triton calls this as its allocator; `alignment` and `stream` are ignored, because all scratch
        memory is aligned to 256 bytes. Raises DriverError if memory is short."""
        return Tensor(self.take(size), (size,), DTYPES["uint8"])

"""The CUDA driver by ctypes: what a worker needs to open the judge's memory, load code and launch it.

Only the standard library is used; every call is checked. Names and numbers: cuda.h of CUDA 13.
"""

import ctypes
from collections.abc import Sequence
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint, c_uint32, c_uint64, c_void_p
from typing import NamedTuple

IPC_HANDLE_BYTES = 64
TENSOR_MAP_BYTES, TENSOR_MAP_ALIGNMENT = 128, 64

MULTIPROCESSORS, MAX_SHARED_OPTIN = 16, 97
MAX_REGISTERS = 12
CLOCK_KHZ, MEMORY_CLOCK_KHZ, BUS_BITS = 13, 36, 37
"""CUdevice_attribute."""

_REGISTERS, _LOCAL_BYTES, _MAX_THREADS = 4, 3, 0
_MAX_DYNAMIC_SHARED, _NON_PORTABLE_CLUSTER = 8, 14
"""CUfunction_attribute."""
_COOPERATIVE, _CLUSTER, _PROGRAMMATIC = 2, 4, 6
"""CUlaunchAttributeID."""
_SPREAD, _PREFER = 1, 5
"""CU_CLUSTER_SCHEDULING_POLICY_SPREAD of CU_LAUNCH_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE."""
L2_PROMOTION_128 = 2
"""CU_TENSOR_MAP_L2_PROMOTION_L2_128B, as Triton asks for."""
_IPC_LAZY_PEER_ACCESS = 1
_CAPTURE_RELAXED = 2
"""CU_STREAM_CAPTURE_MODE_RELAXED: a call may allocate, or load code, while it is captured."""


class DriverError(Exception):
    """A driver call failed; `code` is its CUresult."""

    def __init__(self, code: int, call: str) -> None:
        super().__init__(f"{call}: CUDA error {code}")
        self.code = code


class _IpcHandle(ctypes.Structure):
    _fields_ = (("reserved", ctypes.c_ubyte * IPC_HANDLE_BYTES),)


class _AttributeValue(ctypes.Union):
    _fields_ = (("padding", ctypes.c_char * 64), ("number", c_int), ("dimensions", c_uint * 3))


class _LaunchAttribute(ctypes.Structure):
    _fields_ = (("id", c_int), ("padding", ctypes.c_char * 4), ("value", _AttributeValue))


class _LaunchConfig(ctypes.Structure):
    _fields_ = (
        ("grid", c_uint * 3),
        ("block", c_uint * 3),
        ("shared_bytes", c_uint),
        ("stream", c_void_p),
        ("attributes", ctypes.POINTER(_LaunchAttribute)),
        ("attribute_count", c_uint),
    )


class Driver:
    """One GPU through its primary context, current in the thread that made this. Raises DriverError throughout."""

    def __init__(self, ordinal: int) -> None:
        self._cuda = ctypes.CDLL("libcuda.so.1")
        self.call("cuInit", 0)
        device, context = c_int(), c_void_p()
        self.call("cuDeviceGet", byref(device), ordinal)
        self._device = device
        self.call("cuDevicePrimaryCtxRetain", byref(context), device)
        self.call("cuCtxSetCurrent", context)

    def call(self, name: str, *arguments: object) -> None:
        """One driver function."""
        code = getattr(self._cuda, name)(*arguments)
        if code:
            raise DriverError(code, name)

    def attribute(self, number: int) -> int:
        """A CUdevice_attribute."""
        value = c_int()
        self.call("cuDeviceGetAttribute", byref(value), c_int(number), self._device)
        return value.value

    # --- memory -----------------------------------------------------------------------------------------------------

    def open_ipc(self, handle: bytes) -> int:
        """Map another process's allocation; its address here."""
        pointer = c_uint64()
        self.call(
            "cuIpcOpenMemHandle_v2", byref(pointer), _IpcHandle.from_buffer_copy(handle), c_uint(_IPC_LAZY_PEER_ACCESS)
        )
        return pointer.value

    def mem_alloc(self, size: int) -> int:
        """Device memory, at least one byte."""
        pointer = c_uint64()
        self.call("cuMemAlloc_v2", byref(pointer), c_size_t(max(size, 1)))
        return pointer.value

    def zero(self, pointer: int, size: int, *, stream: int) -> None:
        """Set bytes to zero, in the order of the stream."""
        self.call("cuMemsetD8Async", c_uint64(pointer), ctypes.c_ubyte(0), c_size_t(size), c_void_p(stream))

    # --- order ------------------------------------------------------------------------------------------------------

    def stream_create(self) -> int:
        """A stream that does not wait for the default stream."""
        stream = c_void_p()
        self.call("cuStreamCreate", byref(stream), c_uint(1))
        return int(stream.value or 0)

    def synchronize(self) -> None:
        """Wait for everything in the context, whatever its stream."""
        self.call("cuCtxSynchronize")

    # --- graphs -----------------------------------------------------------------------------------------------------

    def begin_capture(self, stream: int) -> None:
        """From now on what is launched on the stream is captured, not run."""
        self.call("cuStreamBeginCapture_v2", c_void_p(stream), c_int(_CAPTURE_RELAXED))

    def end_capture(self, stream: int) -> int:
        """The graph; 0 where something was done that cannot be captured."""
        graph = c_void_p()
        try:
            self.call("cuStreamEndCapture", c_void_p(stream), byref(graph))
        except DriverError:
            return 0
        return int(graph.value or 0)

    def graph_nodes(self, graph: int) -> int:
        """How many there are."""
        count = c_size_t()
        self.call("cuGraphGetNodes", c_void_p(graph), None, byref(count))
        return count.value

    def instantiate(self, graph: int, stream: int) -> int:
        """Make a graph ready to be launched."""
        ready = c_void_p()
        self.call("cuGraphInstantiateWithFlags", byref(ready), c_void_p(graph), c_uint64(0))
        self.call("cuGraphUpload", ready, c_void_p(stream))
        return int(ready.value or 0)

    def launch_graph(self, graph: int, stream: int) -> None:
        """Run all of it."""
        self.call("cuGraphLaunch", c_void_p(graph), c_void_p(stream))

    # --- code -------------------------------------------------------------------------------------------------------

    def load_module(self, cubin: bytes) -> int:
        """Load machine code."""
        module = c_void_p()
        self.call("cuModuleLoadData", byref(module), cubin)
        return int(module.value or 0)

    def function(self, module: int, name: str) -> int:
        """A kernel of a module."""
        function = c_void_p()
        self.call("cuModuleGetFunction", byref(function), c_void_p(module), c_char_p(name.encode()))
        return int(function.value or 0)

    def function_attributes(self, function: int) -> tuple[int, int, int]:
        """Registers a thread, local memory a thread in bytes, most threads a block."""
        found = []
        for number in (_REGISTERS, _LOCAL_BYTES, _MAX_THREADS):
            value = c_int()
            self.call("cuFuncGetAttribute", byref(value), c_int(number), c_void_p(function))
            found.append(value.value)
        return found[0], found[1], found[2]

    def allow_shared(self, function: int, size: int) -> None:
        """Let a kernel be launched with so many bytes of dynamic shared memory."""
        self.call("cuFuncSetAttribute", c_void_p(function), c_int(_MAX_DYNAMIC_SHARED), c_int(size))

    def allow_large_clusters(self, function: int) -> None:
        """Clusters of more than eight blocks."""
        self.call("cuFuncSetAttribute", c_void_p(function), c_int(_NON_PORTABLE_CLUSTER), c_int(1))

    def prepare(self, function: int, shape: "Shape") -> "Launch":
        """A launch with everything laid out but grid, stream and arguments."""
        return Launch(self, function, shape)

    def encode_tiled(
        self,
        *,
        data_type: int,
        pointer: int,
        shape: Sequence[int],
        strides_bytes: Sequence[int],
        box: Sequence[int],
        swizzle: int,
        fill: int = 0,
    ) -> ctypes.Array[ctypes.c_char]:
        """A tensor map for the copy engine; dimensions innermost first, `strides_bytes` without the innermost."""
        rank = len(shape)
        space = ctypes.create_string_buffer(TENSOR_MAP_BYTES + TENSOR_MAP_ALIGNMENT)
        offset = -ctypes.addressof(space) % TENSOR_MAP_ALIGNMENT
        tensor_map = (ctypes.c_char * TENSOR_MAP_BYTES).from_buffer(space, offset)
        self.call(
            "cuTensorMapEncodeTiled", tensor_map, c_int(data_type), c_uint32(rank), c_void_p(pointer),
            (c_uint64 * rank)(*shape), (c_uint64 * max(rank - 1, 1))(*strides_bytes), (c_uint32 * rank)(*box),
            (c_uint32 * rank)(*[1] * rank), c_int(0), c_int(swizzle), c_int(L2_PROMOTION_128), c_int(fill),
        )  # fmt: skip
        return tensor_map


class Shape(NamedTuple):
    """What a kernel's launches have in common, whatever their grid and their arguments."""

    threads: int
    """Of a block."""
    shared_bytes: int
    """Of dynamic shared memory."""
    slots: int
    """Number of parameters."""
    cluster: int = 1
    """Blocks of a cluster."""
    is_cooperative: bool = False
    is_programmatic: bool = False
    """Whether it may start while the launch before it still runs."""

    @property
    def attributes(self) -> list[tuple[int, tuple[int, int, int]]]:
        """The CUlaunchAttributes that it needs, by number."""
        possible = (
            (self.is_cooperative, _COOPERATIVE, (1, 0, 0)),
            (self.is_programmatic, _PROGRAMMATIC, (1, 0, 0)),
            (self.cluster > 1, _CLUSTER, (self.cluster, 1, 1)),
            (self.cluster > 1, _PREFER, (_SPREAD, 0, 0)),
        )
        return [(number, values) for is_needed, number, values in possible if is_needed]


class Launch:
    """A kernel's launch with its parameters in fixed slots of eight bytes: setting them is all that a call costs."""

    def __init__(self, driver: Driver, function: int, shape: Shape) -> None:
        self._driver = driver
        self._function = c_void_p(function)
        slots, attributes = max(shape.slots, 1), shape.attributes
        self.slots = (c_uint64 * slots)()
        """The parameters' values, little-endian; a narrower one takes the first bytes."""
        base = ctypes.addressof(self.slots)
        self.addresses = (c_void_p * slots)(*(base + 8 * i for i in range(slots)))
        """Where each parameter lies: its slot, or a tensor map."""
        self._attributes = (_LaunchAttribute * 4)()
        for attribute, (number, dimensions) in zip(self._attributes, attributes, strict=False):
            attribute.id = number
            attribute.value.dimensions[:] = dimensions
        block = (c_uint * 3)(shape.threads, 1, 1)
        self._config = _LaunchConfig((c_uint * 3)(), block, shape.shared_bytes, 0, self._attributes, len(attributes))

    def __call__(self, grid: Sequence[int], stream: int) -> None:
        """Launch with what the slots hold. Raises DriverError."""
        self._config.grid[:] = grid
        self._config.stream = stream
        self._driver.call("cuLaunchKernelEx", byref(self._config), self._function, self.addresses, None)

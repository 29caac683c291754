"""Call the CUDA driver library through ctypes, inside a worker: map the judge's memory, load machine code and launch
kernels.

Only the standard library is used, and the result of every call is checked. Names and numbers are those of cuda.h of
CUDA 13.
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
"""Numbers of CUdevice_attribute."""

_REGISTERS, _LOCAL_BYTES, _MAX_THREADS = 4, 3, 0
_MAX_DYNAMIC_SHARED, _NON_PORTABLE_CLUSTER = 8, 14
"""Numbers of CUfunction_attribute."""
_COOPERATIVE, _CLUSTER, _PROGRAMMATIC = 2, 4, 6
"""Numbers of CUlaunchAttributeID."""
_SPREAD, _PREFER = 1, 5
"""CU_CLUSTER_SCHEDULING_POLICY_SPREAD, and CU_LAUNCH_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE, which takes it."""
L2_PROMOTION_128 = 2
"""CU_TENSOR_MAP_L2_PROMOTION_L2_128B, which Triton uses too."""
_IPC_LAZY_PEER_ACCESS = 1
_CAPTURE_RELAXED = 2
"""CU_STREAM_CAPTURE_MODE_RELAXED: a call may allocate memory or load code while it is captured."""


class DriverError(Exception):
    """Raised when a function of the CUDA driver returns an error. `code` is the CUresult, an integer; the message names
    the function and the code."""

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
    """One GPU, used through its primary CUDA context (the context that all libraries of a process share) and the driver
    library; the worker makes one. Device addresses and handles (streams, graphs, modules, kernels) are plain integers.
    Every method except `end_capture` raises DriverError if the driver returns an error."""

    def __init__(self, ordinal: int) -> None:
        """Initialise CUDA, retain the primary context of the GPU with the number `ordinal`, and make it current in this
        thread. Raises OSError if the driver library is missing, DriverError if the driver returns an error."""
        self._cuda = ctypes.CDLL("libcuda.so.1")
        self.call("cuInit", 0)
        device, context = c_int(), c_void_p()
        self.call("cuDeviceGet", byref(device), ordinal)
        self._device = device
        self.call("cuDevicePrimaryCtxRetain", byref(context), device)
        self.call("cuCtxSetCurrent", context)

    def call(self, name: str, *arguments: object) -> None:
        """Call the function `name` of the driver library with `arguments` (ctypes values); return nothing. Raises
        DriverError, with the returned code, if the code is not 0."""
        code = getattr(self._cuda, name)(*arguments)
        if code:
            raise DriverError(code, name)

    def attribute(self, number: int) -> int:
        """Return the value, an integer, of the device attribute with the CUdevice_attribute number `number`. Raises
        DriverError if there is no such attribute."""
        value = c_int()
        self.call("cuDeviceGetAttribute", byref(value), c_int(number), self._device)
        return value.value

    # --- memory -----------------------------------------------------------------------------------------------------

    def open_ipc(self, handle: bytes) -> int:
        """Map an allocation of another process (the judge) by its 64-byte IPC `handle`; return its device address in
        this process. Raises DriverError if it cannot be mapped."""
        pointer = c_uint64()
        self.call(
            "cuIpcOpenMemHandle_v2", byref(pointer), _IpcHandle.from_buffer_copy(handle), c_uint(_IPC_LAZY_PEER_ACCESS)
        )
        return pointer.value

    def mem_alloc(self, size: int) -> int:
        """Allocate `size` bytes of device memory, at least one, and return the device address. The memory is freed when
        the process ends. Raises DriverError if there is too little memory."""
        pointer = c_uint64()
        self.call("cuMemAlloc_v2", byref(pointer), c_size_t(max(size, 1)))
        return pointer.value

    def zero(self, pointer: int, size: int, *, stream: int) -> None:
        """Queue, on the stream with the handle `stream`, the setting of `size` bytes at the device address `pointer` to
        zero; return without waiting. Raises DriverError if the driver refuses."""
        self.call("cuMemsetD8Async", c_uint64(pointer), ctypes.c_ubyte(0), c_size_t(size), c_void_p(stream))

    # --- streams ----------------------------------------------------------------------------------------------------

    def stream_create(self) -> int:
        """Create a CUDA stream that does not wait for the default stream; return its handle. Raises DriverError if the
        driver refuses."""
        stream = c_void_p()
        self.call("cuStreamCreate", byref(stream), c_uint(1))
        return int(stream.value or 0)

    def synchronize(self) -> None:
        """Wait until all work of this process on the GPU is complete, on every stream; return nothing. Raises
        DriverError if a kernel failed."""
        self.call("cuCtxSynchronize")

    # --- graphs -----------------------------------------------------------------------------------------------------

    def begin_capture(self, stream: int) -> None:
        """Begin to record the launches on the stream with the handle `stream` into a CUDA graph; from now on they do
        not run. Return nothing. Raises DriverError if the driver refuses."""
        self.call("cuStreamBeginCapture_v2", c_void_p(stream), c_int(_CAPTURE_RELAXED))

    def end_capture(self, stream: int) -> int:
        """End the recording on the stream with the handle `stream`; return the handle of the recorded CUDA graph, or 0
        if the driver reports that something could not be recorded. Does not raise DriverError."""
        graph = c_void_p()
        try:
            self.call("cuStreamEndCapture", c_void_p(stream), byref(graph))
        except DriverError:
            return 0
        return int(graph.value or 0)

    def graph_nodes(self, graph: int) -> int:
        """Return the number of nodes (kernel launches, copies and others) of the CUDA graph with the handle `graph`.
        Raises DriverError if the handle is not valid."""
        count = c_size_t()
        self.call("cuGraphGetNodes", c_void_p(graph), None, byref(count))
        return count.value

    def instantiate(self, graph: int, stream: int) -> int:
        """Make an executable graph from the recorded graph with the handle `graph`, queue its upload to the device on
        `stream`, and return its handle. Raises DriverError if the driver refuses."""
        ready = c_void_p()
        self.call("cuGraphInstantiateWithFlags", byref(ready), c_void_p(graph), c_uint64(0))
        self.call("cuGraphUpload", ready, c_void_p(stream))
        return int(ready.value or 0)

    def launch_graph(self, graph: int, stream: int) -> None:
        """Queue a launch of the executable graph with the handle `graph` on the stream with the handle `stream`; return
        without waiting. Raises DriverError if the launch fails."""
        self.call("cuGraphLaunch", c_void_p(graph), c_void_p(stream))

    # --- code -------------------------------------------------------------------------------------------------------

    def load_module(self, cubin: bytes) -> int:
        """Load GPU machine code into this process and return the handle of the module. `cubin` is the content of a
        compiled file in bytes. Raises DriverError if it is not valid for this GPU."""
        module = c_void_p()
        self.call("cuModuleLoadData", byref(module), cubin)
        return int(module.value or 0)

    def function(self, module: int, name: str) -> int:
        """Return the handle of the kernel that is called `name` in the module with the handle `module`. Raises
        DriverError if the module has no such kernel."""
        function = c_void_p()
        self.call("cuModuleGetFunction", byref(function), c_void_p(module), c_char_p(name.encode()))
        return int(function.value or 0)

    def function_attributes(self, function: int) -> tuple[int, int, int]:
        """Return three integers for the kernel with the handle `function`: registers per thread, bytes of local memory
        per thread, and the largest number of threads per block. Raises DriverError if the handle is not valid."""
        values = []
        for number in (_REGISTERS, _LOCAL_BYTES, _MAX_THREADS):
            value = c_int()
            self.call("cuFuncGetAttribute", byref(value), c_int(number), c_void_p(function))
            values.append(value.value)
        return values[0], values[1], values[2]

    def allow_shared(self, function: int, size: int) -> None:
        """Permit launches of the kernel with the handle `function` to use up to `size` bytes of dynamic shared memory
        per block; return nothing. Raises DriverError if the GPU has less."""
        self.call("cuFuncSetAttribute", c_void_p(function), c_int(_MAX_DYNAMIC_SHARED), c_int(size))

    def allow_large_clusters(self, function: int) -> None:
        """Permit launches of the kernel with the handle `function` in clusters of more than eight blocks; return
        nothing. Raises DriverError if the driver refuses."""
        self.call("cuFuncSetAttribute", c_void_p(function), c_int(_NON_PORTABLE_CLUSTER), c_int(1))

    def prepare(self, function: int, shape: "Shape") -> "Launch":
        """Return a Launch object for the kernel with the handle `function`. `shape`, a Shape, fixes threads per block,
        shared memory, cluster size and number of parameters; grid, stream and parameter values are set at each
        launch."""
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
        """Return a tensor map: 128 bytes that describe a tensor in device memory to the GPU's copy engine (TMA).
        `pointer` is the tensor's device address; `data_type` and `swizzle` are numbers of cuda.h. Dimensions are listed
        innermost first. Raises DriverError if the driver refuses the description.

        `strides_bytes` leaves out the innermost dimension. `box` is the size of a tile in elements. Elements outside
        the tensor are read as zeros if `fill` is 0, and as NaN if it is 1.
        """
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
    """The properties that all launches of a kernel have in common: threads and bytes of dynamic shared memory per
    block, number of parameters (`slots`), blocks per cluster, and whether launches are cooperative (all blocks run at
    once) or programmatic (a launch may begin before the one before it ends). The Triton launcher makes it for
    `Driver.prepare`."""

    threads: int
    """Threads per block."""
    shared_bytes: int
    """Bytes of dynamic shared memory per block."""
    slots: int
    """Number of kernel parameters."""
    cluster: int = 1
    """Blocks per cluster."""
    is_cooperative: bool = False
    is_programmatic: bool = False
    """Whether a launch may start while the launch before it still runs."""

    @property
    def attributes(self) -> list[tuple[int, tuple[int, int, int]]]:
        """Return the launch attributes that the driver needs for this shape, as a list of tuples (CUlaunchAttributeID,
        three integers); empty for a plain launch."""
        possible = (
            (self.is_cooperative, _COOPERATIVE, (1, 0, 0)),
            (self.is_programmatic, _PROGRAMMATIC, (1, 0, 0)),
            (self.cluster > 1, _CLUSTER, (self.cluster, 1, 1)),
            (self.cluster > 1, _PREFER, (_SPREAD, 0, 0)),
        )
        return [(number, values) for is_needed, number, values in possible if is_needed]


class Launch:
    """A prepared launch of one kernel, made by `Driver.prepare`. The caller writes the value of each kernel parameter
    into `slots` (eight bytes per parameter), or the address of a longer value into `addresses`, and then calls the
    object with a grid and a stream."""

    def __init__(self, driver: Driver, function: int, shape: Shape) -> None:
        self._driver = driver
        self._function = c_void_p(function)
        slots, attributes = max(shape.slots, 1), shape.attributes
        self.slots = (c_uint64 * slots)()
        """Values of the parameters, little-endian; a value of fewer than eight bytes uses the first bytes of its
        slot."""
        base = ctypes.addressof(self.slots)
        self.addresses = (c_void_p * slots)(*(base + 8 * i for i in range(slots)))
        """Address of each parameter's value: its slot, or a tensor map."""
        self._attributes = (_LaunchAttribute * 4)()
        for attribute, (number, dimensions) in zip(self._attributes, attributes, strict=False):
            attribute.id = number
            attribute.value.dimensions[:] = dimensions
        block = (c_uint * 3)(shape.threads, 1, 1)
        self._config = _LaunchConfig((c_uint * 3)(), block, shape.shared_bytes, 0, self._attributes, len(attributes))

    def __call__(self, grid: Sequence[int], stream: int) -> None:
        """Queue the kernel on the stream with the handle `stream`, with a `grid` of three block counts and the
        parameter values written before; return without waiting. Raises DriverError if the launch fails."""
        self._config.grid[:] = grid
        self._config.stream = stream
        self._driver.call("cuLaunchKernelEx", byref(self._config), self._function, self.addresses, None)

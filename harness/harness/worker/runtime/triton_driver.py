"""Run Triton without torch: a driver object for Triton that uses the CUDA driver library, and the calls of one
candidate.

The build compiled the kernels ahead of time (compiling/record.py uses this module too); a worker only finds, loads and
launches them. Launches and tensor maps are made with ctypes, so that no compiler is needed where a candidate runs.
Written against Triton 3.6: backends/nvidia/driver.py, compiler/compiler.py, runtime/jit.py.
"""

import importlib.util
import json
import os
import struct
import sys
import types
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from . import driver as cuda
from .tensor import DTYPES, Device, Tensor

WARP = 32
CACHE, SIGNATURE, CANDIDATE = "cache", "signature.json", "candidate.py"
_HOST_TYPE = {**{i: i for i in range(16)}, 8: 10, 9: 8, 10: 9}
"""Number of a tensor map's element type in host code, by its number in device code."""
_FLOAT_FORMAT = {"fp16": "<e", "fp32": "<f", "f32": "<f", "fp64": "<d"}
_TORCH = "torch is not available: a candidate receives tensor handles and launches Triton kernels on them"


ENVIRONMENT = {"TRITON_BACKENDS_IN_TREE": "1", "TRITON_DEFAULT_FP_FUSION": "1", "TRITON_STORE_BINARY_ONLY": "1"}
"""Environment variables, the same for the build and the worker, because some of them are part of the names in the
cache."""


class NotCompiled(Exception):
    """Raised when the candidate launches a kernel that was not compiled during the build, or launches a compiled one
    with argument types or compile-time values for which it was not compiled. The worker can compile nothing; the
    message says so."""


# --- Triton's driver ------------------------------------------------------------------------------------------------


class Utils:
    """A replacement for the compiled helper module that Triton's own driver uses: it loads kernels, reads device
    properties and makes tensor maps, through the `driver` (a Driver, or a stand-in during the build). TorchlessDriver
    and Launcher make it. Its methods raise DriverError if the CUDA driver returns an error."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver

    def load_binary(self, name: str, cubin: bytes, shared: int, device: int) -> tuple[int, int, int, int, int]:
        """Load the kernel `name` from `cubin` (GPU machine code in bytes), permit `shared` bytes of shared memory if
        these are more than 48 KiB, and return (module handle, kernel handle, registers, 32-bit words of local memory,
        largest block). `device` is ignored, because a worker has one GPU. Raises DriverError if loading fails."""
        module = self._driver.load_module(cubin)
        function = self._driver.function(module, name)
        registers, local_bytes, most_threads = self._driver.function_attributes(function)
        if shared > 48 << 10:
            self._driver.allow_shared(function, shared)
        return module, function, registers, local_bytes // 4, most_threads

    def get_device_properties(self, device: int) -> dict[str, int]:
        """Return a dict from Triton's names of device properties, such as `max_shared_mem`, to integers. `device` is
        ignored, because a worker has one GPU. Raises DriverError if the driver returns an error."""
        return {
            "max_shared_mem": self._driver.attribute(cuda.MAX_SHARED_OPTIN),
            "max_num_regs": self._driver.attribute(cuda.MAX_REGISTERS),
            "multiprocessor_count": self._driver.attribute(cuda.MULTIPROCESSORS),
            "warpSize": WARP,
            "sm_clock_rate": self._driver.attribute(cuda.CLOCK_KHZ),
            "mem_clock_rate": self._driver.attribute(cuda.MEMORY_CLOCK_KHZ),
            "mem_bus_width": self._driver.attribute(cuda.BUS_BITS),
        }

    def fill_tma_descriptor(self, pointer: int, swizzle: int, elem_size: int, elem_type: int, block: Sequence[int],
                            shape: Sequence[int], strides: Sequence[int], padding: int) -> Any:  # fmt: skip
        """Return a tensor map: 128 bytes that describe the tensor at the device address `pointer` to the GPU's copy
        engine (TMA). `block` is the tile in elements, `padding` 1 for NaN outside the tensor. Dimensions are listed
        outermost first. Raises DriverError if the driver refuses the description."""
        return self._driver.encode_tiled(
            data_type=elem_type,
            pointer=pointer,
            shape=list(reversed(shape)),
            strides_bytes=[elem_size * stride for stride in reversed(strides[:-1])],
            box=list(reversed(block)),
            swizzle=swizzle,
            fill=padding,
        )


class Launcher:
    """A function object with which Triton launches one compiled kernel through `driver`, a Driver. It converts the
    candidate's arguments to kernel parameters, by the types in the kernel's signature (`source.signature`) and the
    properties that Triton's compiler recorded, such as warps and shared memory (`metadata`). Triton makes one per
    compiled kernel."""

    def __init__(self, source: Any, metadata: Any, *, driver: Any) -> None:
        self._driver = driver
        self._metadata = metadata
        self._signature = list(source.signature.values())
        self._maps = list(getattr(metadata, "tensordesc_meta", None) or [])
        self._launch: Any = None

    def __call__(self, x: int, y: int, z: int, stream: int, function: int, *rest: Any) -> None:
        """Queue one launch of the compiled kernel with the handle `function` on a grid of `x`, `y` and `z` programs, on
        the CUDA stream with the handle `stream`; return None without waiting for it. `rest` holds four values that
        Triton passes and this method ignores (packed metadata, launch metadata and two hooks), then the kernel's
        arguments. Raises DriverError if the launch fails."""
        values = self._values(rest[4:])
        blocks = x * y * z * self._metadata.num_ctas
        scratch = (self._metadata.global_scratch_size, self._metadata.global_scratch_align)
        values += [("i64", self._scratch(blocks, *scratch, stream=stream)), ("i64", 0)]
        if self._launch is None:
            self._launch = self._prepared(function, len(values))
        for slot, (kind, value) in enumerate(values):
            if kind == "map":
                self._launch.addresses[slot] = _address(value)
            else:
                self._launch.slots[slot] = _word(kind, value)
        if blocks:
            self._launch((x * self._metadata.num_ctas, y, z), stream)

    def _prepared(self, function: int, slots: int) -> Any:
        metadata = self._metadata
        if metadata.num_ctas > 8:
            self._driver.allow_large_clusters(function)
        shape = cuda.Shape(
            WARP * metadata.num_warps, metadata.shared, slots, cluster=metadata.num_ctas,
            is_cooperative=bool(metadata.launch_cooperative_grid), is_programmatic=bool(metadata.launch_pdl),
        )  # fmt: skip
        return self._driver.prepare(function, shape)

    def _scratch(self, blocks: int, size: int, alignment: int, *, stream: int) -> int:
        """Return the device address of memory in which the kernel can build tensor descriptors: `size` bytes, aligned
        to `alignment` bytes, for each of `blocks` blocks. The allocator that `load` registered with Triton provides it
        for the `stream` handle. Return 0 if `size` is 0, because the kernel then builds no descriptors."""
        if not size:
            return 0
        from triton.runtime import _allocation

        return int(_allocation._allocator.get()(blocks * size, alignment, stream).data_ptr())

    def _values(self, arguments: Iterable[Any]) -> list[tuple[str, Any]]:
        maps = iter(self._maps)
        values: list[tuple[str, Any]] = []
        for kind, argument in zip(self._signature, arguments, strict=True):
            if isinstance(kind, str) and kind.startswith("tensordesc"):
                values += self._descriptor(argument, next(maps, None))
            else:
                values += _flat(kind, argument)
        return values

    def _descriptor(self, argument: Any, map_format: Any) -> list[tuple[str, Any]]:
        """Return the kernel parameters that stand for `argument`, a tensor descriptor that the candidate made in
        Python, as a list of (kind, value). If `map_format`, Triton's record of tile, element type and swizzle, is
        given, they are a tensor map, the shape and the strides. If it is None, they are the device pointer, shape,
        strides and padding, then shape and strides again."""
        shape = [("i32", length) for length in argument.shape]
        strides = [("i64", stride) for stride in argument.strides]
        is_nan = argument.padding == "nan"
        if map_format is None:
            wide = [("i64", length) for length in (*argument.shape, *argument.strides)]
            return [("*", argument.base), *wide, ("i1", is_nan), *shape, *strides]
        utils = Utils(self._driver)
        tensor_map = utils.fill_tma_descriptor(
            argument.base.data_ptr(), map_format["swizzle"], map_format["elem_size"],
            _HOST_TYPE[map_format["elem_type"]], map_format["block_size"], list(argument.shape),
            list(argument.strides), int(is_nan),
        )  # fmt: skip
        return [("map", tensor_map), *shape, *strides]


def _flat(kind: Any, argument: Any) -> list[tuple[str, Any]]:
    """Return a list of pairs (kind, value), one per kernel parameter that the candidate's `argument` becomes: one for a
    plain value, one per member of a tuple, none for a compile-time constant. `kind` is the argument's Triton type in
    the kernel's signature: a string such as `i32`, or a tuple of them."""
    if isinstance(kind, tuple):
        return [value for k, a in zip(kind, argument, strict=True) for value in _flat(k, a)]
    return [] if kind == "constexpr" else [(kind, argument)]


def _word(kind: str, value: Any) -> int:
    """Return the value of one kernel parameter as an integer of 64 bits, ready for a slot of a launch. `kind` is its
    Triton type, such as `*fp32` (a pointer), `i32` or `fp16`; the value of a shorter type stands in the low bytes. A
    pointer is given as a Tensor or as an integer address."""
    if kind[0] == "*":
        return int(value.data_ptr()) if hasattr(value, "data_ptr") else int(value or 0)
    if kind == "bf16":
        return int.from_bytes(struct.pack("<f", value), "little") >> 16
    if kind in _FLOAT_FORMAT:
        return int.from_bytes(struct.pack(_FLOAT_FORMAT[kind], value), "little")
    return int(value) & ((1 << 64) - 1)


def _address(tensor_map: Any) -> int:
    import ctypes

    return ctypes.addressof(tensor_map)


def install(driver: Any, *, stream: int, capability: int) -> None:
    """Make a TorchlessDriver the driver that Triton uses in this process; return nothing. It loads and launches kernels
    through `driver` (a Driver, or a stand-in during the build), on the stream with the handle `stream`. `capability` is
    the GPU's compute capability, such as 90."""
    from triton.backends.compiler import GPUTarget
    from triton.backends.driver import DriverBase
    from triton.backends.nvidia import compiler
    from triton.runtime import cache
    from triton.runtime.driver import driver as active

    # Both values are part of the names in the cache. Asking ptxas needs a fork, which a worker must not do, and hashing
    # all of Triton takes a second. The harness keys its own cache by Triton's version instead.
    compiler.get_ptxas_version = lambda arch=0: "as the build found it"
    cache.triton_key = lambda: "as the build found it"

    class TorchlessDriver(DriverBase):  # type: ignore[misc]
        """The object that Triton asks for its target GPU, device number, stream and launcher; an implementation of
        Triton's class DriverBase without torch. `get_active_torch_device` raises ImportError, and `get_benchmarker`
        raises RuntimeError, because candidates have neither torch nor a clock."""

        def __init__(self) -> None:
            self.utils = Utils(driver)
            self.launcher_cls = lambda source, metadata: Launcher(source, metadata, driver=driver)

        @classmethod
        def is_active(cls) -> bool:
            return True

        def map_python_to_cpp_type(self, ty: str) -> str:
            return ty

        def get_current_target(self) -> Any:
            return GPUTarget("cuda", capability, WARP)

        def get_current_device(self) -> int:
            return 0

        def get_current_stream(self, device: int) -> int:
            return stream

        def get_active_torch_device(self) -> Any:
            raise ImportError(_TORCH)

        def get_benchmarker(self) -> Any:
            raise RuntimeError("a candidate cannot time anything: mark constants as knobs instead")

    active.set_active(TorchlessDriver())


# --- the candidate --------------------------------------------------------------------------------------------------


class _NoTorch:
    """An import hook that `import_candidate` puts first into sys.meta_path: `import torch` in the candidate raises an
    ImportError, whose message says that a candidate receives tensor handles instead. Other imports are not affected."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name.partition(".")[0] == "torch":
            raise ImportError(_TORCH, name="torch")


def import_candidate(folder: Path) -> types.ModuleType:
    """Import candidate.py from the path `folder` and return its module. `import torch` fails from now on in this
    process. Raises whatever the candidate's code raises, and FileNotFoundError if the file is missing."""
    sys.meta_path.insert(0, _NoTorch())
    spec = importlib.util.spec_from_file_location("candidate", folder / CANDIDATE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["candidate"] = module
    spec.loader.exec_module(module)
    return module


class Entry:
    """A callable that runs the entry function of a candidate's imported `module`: it gets device addresses and sizes,
    and passes the entry one Tensor per buffer and, as last argument, `device`. `signature` is the dict read from
    signature.json with the entry's name and the role, shape and dtype of each argument. The constructor raises
    AttributeError if the module has no function of that name."""

    def __init__(self, module: types.ModuleType, signature: dict[str, Any], device: Device) -> None:
        self._function = getattr(module, signature["entry"])
        self._buffers = [argument for argument in signature["arguments"] if argument["role"] != "size"]
        self._sizes = [argument["name"] for argument in signature["arguments"] if argument["role"] == "size"]
        self._device = device

    def __call__(self, pointers: Sequence[int], sizes: Sequence[int]) -> None:
        """Call the candidate's entry function once and return None; its kernels may still run on the device. `pointers`
        holds the device addresses of the buffers and `sizes` the integer size arguments, both in the order of the
        signature; the shapes of the buffers follow from the sizes. Raises whatever the candidate's code raises."""
        lengths = dict(zip(self._sizes, sizes, strict=False))
        handles = [
            Tensor(pointer, [lengths[name] for name in argument["shape"]], DTYPES[argument["dtype"]])
            for argument, pointer in zip(self._buffers, pointers, strict=True)
        ]
        self._function(*handles, self._device)
        self._device.take_back()


def load(folder: str, driver: cuda.Driver, stream: int) -> Callable[[list[int], list[int], int], int]:
    """Load a Triton candidate from `folder`, the result of its build; return a function (buffer addresses, sizes,
    stream) that calls the candidate's entry once and returns 0. All work runs on the `stream` handle given to `load`;
    the function ignores its own third argument. Raises whatever the candidate's code raises on import, and
    AttributeError if its entry is missing."""
    set_environment(Path(folder))
    import triton
    from triton import knobs

    knobs.cache.manager_class = _built_cache()
    signature = json.loads((Path(folder) / SIGNATURE).read_text(encoding="utf-8"))
    install(driver, stream=stream, capability=signature["capability"])
    device = Device(driver, stream=stream)
    triton.set_allocator(device.allocate)
    entry = Entry(import_candidate(Path(folder)), signature, device)

    def call(buffers: list[int], sizes: list[int], _: int) -> int:
        entry(buffers, sizes)
        return 0

    return call


def set_environment(folder: Path) -> None:
    """Set environment variables of this process, such as TRITON_CACHE_DIR, so that Triton finds the compiled kernels of
    a build in the path `folder`; return nothing. Must be called before Triton is imported, because Triton reads the
    variables on import."""
    os.environ |= ENVIRONMENT | {"TRITON_HOME": str(folder), "TRITON_CACHE_DIR": str(folder / CACHE)}


def _built_cache() -> type:
    """Return a class that Triton uses in place of its own cache of compiled kernels: it reads the kernels that the
    build compiled, and stores nothing. Its method `get_group` returns the files of one kernel and raises NotCompiled if
    the build did not compile that kernel. The class is made here, because its base class needs Triton imported."""
    from triton.runtime.cache import FileCacheManager

    class BuiltCache(FileCacheManager):  # type: ignore[misc]
        def __init__(self, key: str, **_: Any) -> None:
            self.cache_dir = os.path.join(os.environ["TRITON_CACHE_DIR"], key)

        def get_group(self, filename: str) -> dict[str, str]:
            group = Path(self.cache_dir) / f"__grp__{filename}"
            if not group.exists():
                raise NotCompiled("a kernel is launched with a specialisation that the build did not compile")
            names = json.loads(group.read_text(encoding="utf-8"))["child_paths"]
            return {name: str(group.with_name(name)) for name in names}

    return BuiltCache

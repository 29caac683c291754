"""Find the files that a sandboxed process needs to compute on a GPU (device nodes, the driver's libraries, parts of
/proc), and ask the driver for a GPU's UUID and size.
"""

import ctypes
import functools
import re
from collections.abc import Callable
from pathlib import Path

from harness.errors import MachineError
from harness.sandbox import libraries
from harness.worker.runtime.driver import MULTIPROCESSORS

# Entries of /proc that cuInit opens; if one cannot be read, cuInit returns error 304.
_PROC = ("driver", "devices", "cpuinfo", "meminfo", "filesystems", "sys", "modules", "stat", "version")
_LIBRARIES = ("libcuda.so*", "libnvidia-*.so*", "libcudadebugger.so*")


@functools.cache
def devices() -> tuple[Path, ...]:
    """Return the paths of the device nodes of all GPUs, such as /dev/nvidia0, as a sorted tuple; empty if there are
    none. A process gets all of them in its sandbox, and the environment variable CUDA_VISIBLE_DEVICES selects the GPU
    that it uses.
    """
    nodes = (*Path("/dev").glob("nvidia*"), *Path("/dev/nvidia-caps").glob("*"))
    return tuple(node for node in sorted(nodes) if not node.is_dir())


@functools.cache
def readable() -> tuple[Path, ...]:
    """Return the paths of existing files and folders that a sandboxed process must be able to read to use CUDA: the
    driver's libraries and the libraries they are linked with, /sys, and parts of /proc. Raises OSError if libcuda is
    missing.
    """
    places = [*(Path("/proc") / name for name in _PROC), Path("/sys"), Path("/dev/null"), Path("/dev/urandom")]
    driver = driver_library()
    drivers = [path for pattern in _LIBRARIES for path in sorted(driver.parent.glob(pattern))]
    targets = [path.resolve() for path in drivers]
    linked = libraries.linked(driver)
    return tuple(p for p in dict.fromkeys((*places, *drivers, *targets, *linked)) if p.exists())


@functools.cache
def driver_library() -> Path:
    """Return the path of the driver's library libcuda.so.1 that the dynamic loader finds. Loads the library into this
    process. Raises OSError if it is missing.
    """
    ctypes.CDLL("libcuda.so.1")
    mapped = re.search(r"(/\S*libcuda\.so\S*)", Path("/proc/self/maps").read_text(encoding="utf-8"))
    if mapped is None:
        raise OSError("libcuda.so.1 is loaded, but not from a file")
    return Path(mapped[1])


def uuid(ordinal: int) -> str:
    """Return the UUID of a GPU as text, `GPU-` and hexadecimal digits, by which NVML and the variable
    CUDA_VISIBLE_DEVICES identify the same GPU. `ordinal` is the driver's number of the GPU, from 0. Raises MachineError
    if the driver has no such GPU, and OSError if libcuda is missing.
    """
    driver = ctypes.CDLL("libcuda.so.1")
    device, raw = ctypes.c_int(), (ctypes.c_ubyte * 16)()
    calls: tuple[tuple[str, Callable[[], int]], ...] = (
        ("cuInit", lambda: int(driver.cuInit(0))),
        ("cuDeviceGet", lambda: int(driver.cuDeviceGet(ctypes.byref(device), ordinal))),
        ("cuDeviceGetUuid", lambda: int(driver.cuDeviceGetUuid_v2(raw, device))),
    )
    for name, call in calls:
        if error := call():
            raise MachineError(f"no GPU {ordinal}: {name}: {error_words(error)}")
    digits = bytes(raw).hex()
    return "GPU-" + "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def size(ordinal: int) -> tuple[int, int]:
    """Return (memory in bytes, number of multiprocessors) of the GPU number `ordinal`, from 0; both are 0 if the driver
    has no such GPU. No CUDA context is made, so this takes no GPU memory. Raises OSError if libcuda is missing.
    """
    driver = ctypes.CDLL("libcuda.so.1")
    device, memory, count = ctypes.c_int(), ctypes.c_size_t(), ctypes.c_int()
    driver.cuInit(0)
    driver.cuDeviceGet(ctypes.byref(device), ordinal)
    driver.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    driver.cuDeviceGetAttribute(ctypes.byref(count), MULTIPROCESSORS, device)
    return memory.value, count.value


def error_words(number: int) -> str:
    """Return the CUDA driver's name and description of an error as one text, or `unknown` if the driver does not know
    it; `number` is the driver's error code. Raises OSError if libcuda is missing.
    """
    driver = ctypes.CDLL("libcuda.so.1")
    words = []
    for function in (driver.cuGetErrorName, driver.cuGetErrorString):
        text = ctypes.c_char_p()
        if function(number, ctypes.byref(text)) == 0 and text.value:
            words.append(text.value.decode())
    return ": ".join(words) or "unknown"

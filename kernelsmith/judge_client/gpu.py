"""Whether this machine has an NVIDIA GPU, asked of the driver by ctypes: no package is needed and none is imported."""

import ctypes

SUCCESS = 0


def uuid(ordinal: int) -> str | None:
    """Names the card whatever order the devices are listed in; None where the driver does not tell.

    No context is made: the agent never computes.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    device, found = ctypes.c_int(), (ctypes.c_ubyte * 16)()
    if driver.cuInit(0) != SUCCESS or driver.cuDeviceGet(ctypes.byref(device), ordinal) != SUCCESS:
        return None
    return bytes(found).hex() if driver.cuDeviceGetUuid_v2(found, device) == SUCCESS else None


def missing() -> str | None:
    """What keeps a `cuda` task from running here, in words; None where a GPU answers."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "no NVIDIA driver (libcuda.so.1 not found)"
    count = ctypes.c_int(0)
    if (error := driver.cuInit(0)) != SUCCESS:
        return f"the NVIDIA driver does not start (cuInit: error {error})"
    if driver.cuDeviceGetCount(ctypes.byref(count)) != SUCCESS or count.value == 0:
        return "the NVIDIA driver finds no GPU"
    return None

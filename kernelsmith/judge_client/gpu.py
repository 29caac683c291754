"""Find out whether the NVIDIA driver has a GPU and what its UUID is. The module calls the driver's library through
ctypes and needs no GPU package.
"""

import ctypes

SUCCESS = 0
"""Return value of a driver function that succeeded."""


def uuid(ordinal: int) -> str | None:
    """Return the UUID of the GPU with the number `ordinal` as 32 hexadecimal digits, or None if there is no NVIDIA
    driver or no such GPU. CUDA_VISIBLE_DEVICES changes a GPU's number but not its UUID. Never raises, and creates no
    CUDA context.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    device, uuid_bytes = ctypes.c_int(), (ctypes.c_ubyte * 16)()
    if driver.cuInit(0) != SUCCESS or driver.cuDeviceGet(ctypes.byref(device), ordinal) != SUCCESS:
        return None
    return bytes(uuid_bytes).hex() if driver.cuDeviceGetUuid_v2(uuid_bytes, device) == SUCCESS else None


def missing() -> str | None:
    """Return one line that says why `cuda` tasks cannot run on this machine (no NVIDIA driver, or no GPU), or None if
    the driver finds a GPU. Never raises.
    """
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

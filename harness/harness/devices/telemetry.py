"""Read a GPU's clocks, power, temperature and throttle reasons, and list the processes that compute on it, through
NVML, NVIDIA's monitoring library.

NVML is called through ctypes, so no package is needed. Names and numbers are those of nvml.h of driver 580. A sample
leaves out readings that this card or driver does not offer. Calls that the judge cannot do without raise NoTelemetry.
"""

import ctypes
from ctypes import byref, c_char_p, c_int, c_longlong, c_uint, c_ulonglong, c_void_p
from pathlib import Path

from harness.errors import MachineError

LIBRARY = "libnvidia-ml.so.1"
_SM, _MEMORY = 1, 2
"""Values of nvmlClockType_t."""
_GPU_TEMPERATURE = 0
_POWER_INSTANT = 186
"""NVML_FI_DEV_POWER_INSTANT. nvmlDeviceGetPowerUsage would return the average of one second on these cards, which is
twenty batches."""
_NOT_FOUND, _INSUFFICIENT_SIZE, _FUNCTION_MISSING = 6, 7, 13
"""Values of nvmlReturn_t."""
_LIST_LENGTHS = (64, 4096)
"""Lengths of the list for processes; the second is used if the first is too short."""
_NAME_BYTES = 96
_REASONS = ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons")
"""Name of the function for throttle reasons, and its name before driver 535."""


class NoTelemetry(MachineError):
    """Exception: NVML, NVIDIA's monitoring library, cannot be loaded, or one of its functions failed. The message names
    the function and the reason.
    """


class _ProcessInfo(ctypes.Structure):
    _fields_ = (
        ("pid", c_uint),
        ("used_bytes", c_ulonglong),
        ("gpu_instance", c_uint),
        ("compute_instance", c_uint),
    )


class _FieldValue(ctypes.Structure):
    _fields_ = (
        ("field", c_uint),
        ("scope", c_uint),
        ("timestamp", c_longlong),
        ("latency_us", c_longlong),
        ("value_type", c_int),
        ("code", c_int),
        ("value", c_ulonglong),
    )


class Telemetry:
    """A connection to NVML, NVIDIA's monitoring library, for the GPU with the UUID `uuid`: it holds the card's name,
    driver version and power limit in watts, and reads clocks and processes. `library` is the file name of NVML. Making
    one raises NoTelemetry if NVML is missing or fails, or the GPU is a MIG slice (a part of a GPU).
    """

    def __init__(self, uuid: str, *, library: str = LIBRARY) -> None:
        try:
            self._nvml = ctypes.CDLL(library)
        except OSError as error:
            raise NoTelemetry(f"{library} cannot be loaded: {error}") from error
        self._call("nvmlInit_v2")
        self._handle = c_void_p()
        self._find(uuid)
        self.name = self._text("nvmlDeviceGetName", self._handle)
        self.driver_version = self._text("nvmlSystemGetDriverVersion")
        self.power_limit_w = self._number("nvmlDeviceGetEnforcedPowerLimit") / 1000

    def sample(self) -> dict[str, float]:
        """Return the GPU's current readings as a dict: `sm_clock_mhz`, `mem_clock_mhz`, `power_w`, `temperature_c`
        (°C), and `throttle_reasons`, NVML's bit mask of why the clocks are lowered. Readings that the card or driver
        does not offer are left out; nothing is raised.
        """
        readings = {
            "sm_clock_mhz": self._read("nvmlDeviceGetClockInfo", c_int(_SM)),
            "mem_clock_mhz": self._read("nvmlDeviceGetClockInfo", c_int(_MEMORY)),
            "power_w": self._power_w(),
            "temperature_c": self._read("nvmlDeviceGetTemperature", c_int(_GPU_TEMPERATURE)),
            "throttle_reasons": self._reasons(),
        }
        return {name: value for name, value in readings.items() if value is not None}

    def processes(self) -> dict[int, str]:
        """Return the processes that compute on the GPU: a dict from process number to name. Inside a container the
        numbers are the host's, names are empty, and processes that the driver hides are missing. Raises NoTelemetry if
        NVML cannot list them.
        """
        for length in _LIST_LENGTHS:
            infos, count = (_ProcessInfo * length)(), c_uint(length)
            code = self._code("nvmlDeviceGetComputeRunningProcesses_v3", self._handle, byref(count), infos)
            if code != _INSUFFICIENT_SIZE:
                break
        self._check_code("nvmlDeviceGetComputeRunningProcesses_v3", code)
        return {info.pid: _process_name(info.pid) for info in infos[: count.value]}

    def _find(self, uuid: str) -> None:
        """Store NVML's handle of the GPU with this UUID. Raises NoTelemetry if NVML does not find the GPU, or if it is
        a MIG slice, a part of a GPU that has no peak of its own.
        """
        code = self._code("nvmlDeviceGetHandleByUUID", c_char_p(uuid.encode()), byref(self._handle))
        slice_uuid = uuid.replace("GPU-", "MIG-", 1).encode()
        if code == _NOT_FOUND and not self._code("nvmlDeviceGetHandleByUUID", c_char_p(slice_uuid), byref(c_void_p())):
            raise NoTelemetry(
                "this GPU is a MIG slice: work on the other slices would disturb the timing, and no peak is known for "
                "a slice; choose a whole GPU with CUDA_VISIBLE_DEVICES"
            )
        self._check_code("nvmlDeviceGetHandleByUUID", code)

    def _power_w(self) -> float | None:
        now = _FieldValue(field=_POWER_INSTANT)
        if self._code("nvmlDeviceGetFieldValues", self._handle, c_int(1), byref(now)) == 0 and now.code == 0:
            # The value is an unsigned int in milliwatts, the lower half of the union.
            return float(now.value & 0xFFFFFFFF) / 1000
        average = self._read("nvmlDeviceGetPowerUsage")
        return None if average is None else average / 1000

    def _reasons(self) -> float | None:
        mask = c_ulonglong()
        is_known = any(self._code(name, self._handle, byref(mask)) == 0 for name in _REASONS)
        return float(mask.value) if is_known else None

    def _number(self, function: str) -> int:
        value = c_uint()
        self._call(function, self._handle, byref(value))
        return value.value

    def _read(self, function: str, *arguments: object) -> float | None:
        value = c_uint()
        return None if self._code(function, self._handle, *arguments, byref(value)) else float(value.value)

    def _text(self, function: str, *arguments: object) -> str:
        text = ctypes.create_string_buffer(_NAME_BYTES)
        self._call(function, *arguments, text, c_uint(_NAME_BYTES))
        return text.value.decode("utf-8", "replace")

    def _call(self, function: str, *arguments: object) -> None:
        self._check_code(function, self._code(function, *arguments))

    def _check_code(self, function: str, code: int) -> None:
        """Raise NoTelemetry with the name of the NVML function `function` and NVML's message if its return code `code`
        is not 0, which means success. Return None otherwise.
        """
        if code == _FUNCTION_MISSING:
            raise NoTelemetry(f"{function}: this driver's NVML lacks the function; install driver 535 or later")
        if code:
            raise NoTelemetry(f"{function}: NVML error {code}: {self._words(code)}")

    def _code(self, function: str, *arguments: object) -> int:
        """Call the NVML function named `function` with `arguments` (values and pointers of ctypes) and return its code;
        0 means success. If the library lacks the function, return NVML's code for that and raise nothing.
        """
        try:
            called = getattr(self._nvml, function)
        except AttributeError:
            return _FUNCTION_MISSING
        code: int = called(*arguments)
        return code

    def _words(self, code: int) -> str:
        self._nvml.nvmlErrorString.restype = c_char_p
        words: bytes = self._nvml.nvmlErrorString(code)
        return words.decode("utf-8", "replace")


def _process_name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""

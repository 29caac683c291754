"""What the card says of itself while it computes: clocks, power, temperature, throttling; and who else computes on it.

NVML by ctypes: no package is needed. Names and numbers: nvml.h of driver 580.
"""

import ctypes
from ctypes import byref, c_char_p, c_int, c_uint, c_ulonglong, c_void_p
from pathlib import Path

from machine import MachineError

LIBRARY = "libnvidia-ml.so.1"
_SM, _MEMORY = 1, 2
"""nvmlClockType_t."""
_GPU_TEMPERATURE = 0
_INSUFFICIENT_SIZE = 7
_MOST_PROCESSES = 64
_NAME_BYTES = 96


class NoTelemetry(MachineError):
    """NVML cannot be asked; the message says why."""


class _ProcessInfo(ctypes.Structure):
    _fields_ = (
        ("pid", c_uint),
        ("used_bytes", c_ulonglong),
        ("gpu_instance", c_uint),
        ("compute_instance", c_uint),
    )


class Telemetry:
    """One card, by its UUID. Raises NoTelemetry where it is made, and from `processes`."""

    def __init__(self, uuid: str, *, library: str = LIBRARY) -> None:
        try:
            self._nvml = ctypes.CDLL(library)
        except OSError as error:
            raise NoTelemetry(f"{library} cannot be loaded: {error}") from error
        self._call("nvmlInit_v2")
        self._handle = c_void_p()
        self._call("nvmlDeviceGetHandleByUUID", c_char_p(uuid.encode()), byref(self._handle))
        self.name = self._text("nvmlDeviceGetName", self._handle)
        self.driver_version = self._text("nvmlSystemGetDriverVersion")
        self.power_limit_w = self._number("nvmlDeviceGetEnforcedPowerLimit") / 1000

    def sample(self) -> dict[str, float]:
        """sm_clock_mhz, mem_clock_mhz, power_w, temperature_c, throttle_reasons (a bit mask); what cannot be read is
        left out."""
        reasons = c_ulonglong()
        found: dict[str, float | None] = {
            "sm_clock_mhz": self._read("nvmlDeviceGetClockInfo", c_int(_SM)),
            "mem_clock_mhz": self._read("nvmlDeviceGetClockInfo", c_int(_MEMORY)),
            "power_w": self._read("nvmlDeviceGetPowerUsage"),
            "temperature_c": self._read("nvmlDeviceGetTemperature", c_int(_GPU_TEMPERATURE)),
        }
        if self._nvml.nvmlDeviceGetCurrentClocksThrottleReasons(self._handle, byref(reasons)) == 0:
            found["throttle_reasons"] = float(reasons.value)
        if found["power_w"] is not None:
            found["power_w"] /= 1000
        return {name: value for name, value in found.items() if value is not None}

    def processes(self) -> dict[int, str]:
        """Names by pid of what computes on the card; behind a container's wall pids are the host's, and nameless."""
        infos, count = (_ProcessInfo * _MOST_PROCESSES)(), c_uint(_MOST_PROCESSES)
        code = self._nvml.nvmlDeviceGetComputeRunningProcesses_v3(self._handle, byref(count), infos)
        if code not in (0, _INSUFFICIENT_SIZE):
            raise NoTelemetry(f"nvmlDeviceGetComputeRunningProcesses: NVML error {code}: {self._words(code)}")
        return {info.pid: _process_name(info.pid) for info in infos[: min(count.value, _MOST_PROCESSES)]}

    def _number(self, function: str) -> int:
        value = c_uint()
        self._call(function, self._handle, byref(value))
        return value.value

    def _read(self, function: str, *arguments: object) -> float | None:
        value = c_uint()
        code = getattr(self._nvml, function)(self._handle, *arguments, byref(value))
        return float(value.value) if code == 0 else None

    def _text(self, function: str, *arguments: object) -> str:
        text = ctypes.create_string_buffer(_NAME_BYTES)
        self._call(function, *arguments, text, c_uint(_NAME_BYTES))
        return text.value.decode("utf-8", "replace")

    def _call(self, function: str, *arguments: object) -> None:
        code = getattr(self._nvml, function)(*arguments)
        if code:
            raise NoTelemetry(f"{function}: NVML error {code}: {self._words(code)}")

    def _words(self, code: int) -> str:
        self._nvml.nvmlErrorString.restype = c_char_p
        words: bytes = self._nvml.nvmlErrorString(code)
        return words.decode("utf-8", "replace")


def _process_name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""

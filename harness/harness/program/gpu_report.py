"""Reports on the GPU for `kernelsmith doctor`: the card, its peaks, the processes that compute on it, nvcc and GPU
packages.
"""

import importlib.metadata
from collections.abc import Callable

from harness.compiling import nvcc
from harness.devices import cards as device
from harness.devices import gpu_files
from harness.devices.telemetry import Telemetry
from harness.errors import MachineError

PEAK_UNITS = ("fp8", "bf16", "dram")

Finding = tuple[bool, str]
"""Whether a topic is as a GPU task needs it, and its description or the problem in words."""


def report() -> dict[str, Finding]:
    """Return a dict from topic (`GPU card`, `nvcc`, `GPU packages`) to a pair: True if a GPU task can use what was
    found, and a description of it or of the problem in words. The dict is empty without an NVIDIA driver, and holds
    only the topic `GPU` if the driver fails.
    """
    try:
        uuid = gpu_files.uuid(0)
    except OSError:
        return {}
    except MachineError as error:
        return {"GPU": (False, str(error))}
    return {"GPU card": _finding(lambda: _card(uuid)), "nvcc": _finding(lambda: nvcc.toolkit().version),
            "GPU packages": _packages()}  # fmt: skip


def _card(uuid: str) -> str:
    card = Telemetry(uuid)
    memory_bytes, sm_count = gpu_files.size(0)
    sku = device.pick(card.name, power_limit_w=card.power_limit_w, memory_bytes=memory_bytes, sm_count=sm_count)
    peaks = ", ".join(f"{unit} {sku.peak(unit) / 1e12:.4g}" for unit in PEAK_UNITS)
    processes = ", ".join(f"{pid} {name}".strip() for pid, name in card.processes().items())
    description = f"{sku.name} ({sku.reason}), driver {card.driver_version}; peaks in 10^12 per second: {peaks}"
    return f"{description}; processes on it: {processes}" if processes else description


def _packages() -> Finding:
    installed = []
    for name in ("cupy-cuda13x", "cupy-cuda12x", "triton"):
        try:
            installed.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return bool(installed), ", ".join(installed) or "neither cupy nor triton is installed"


def _finding(describe: Callable[[], str]) -> Finding:
    try:
        return True, describe()
    except MachineError as error:
        return False, str(error)

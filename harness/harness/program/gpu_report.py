"""What the judge would find of the GPU, for `doctor`: the card, its denominators, the tools, and who else computes."""

import importlib.metadata
from collections.abc import Callable

from harness.compiling import nvcc
from harness.devices import cards as device
from harness.devices import gpu_files
from harness.devices.telemetry import Telemetry
from harness.errors import MachineError

PEAK_UNITS = ("fp8", "bf16", "dram")

Told = tuple[bool, str]
"""Whether it is as a GPU task needs it, and the words."""


def report() -> dict[str, Told]:
    """By topic; what cannot be found says why. Empty on a machine without a driver."""
    try:
        uuid = gpu_files.uuid(0)
    except OSError:
        return {}
    except MachineError as error:
        return {"GPU": (False, str(error))}
    return {"GPU card": _said(lambda: _card(uuid)), "nvcc": _said(lambda: nvcc.toolkit().version),
            "GPU packages": _packages()}  # fmt: skip


def _card(uuid: str) -> str:
    card = Telemetry(uuid)
    memory_bytes, sm_count = gpu_files.size(0)
    sku = device.pick(card.name, power_limit_w=card.power_limit_w, memory_bytes=memory_bytes, sm_count=sm_count)
    peaks = ", ".join(f"{unit} {sku.peak(unit) / 1e12:.4g}" for unit in PEAK_UNITS)
    others = ", ".join(f"{pid} {name}".strip() for pid, name in card.processes().items())
    told = f"{sku.name} ({sku.reason}), driver {card.driver_version}; peaks in 10^12 a second: {peaks}"
    return f"{told}; processes on it: {others}" if others else told


def _packages() -> Told:
    found = []
    for name in ("cupy-cuda13x", "cupy-cuda12x", "triton"):
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return bool(found), ", ".join(found) or "neither cupy nor triton"


def _said(ask: Callable[[], str]) -> Told:
    try:
        return True, ask()
    except MachineError as error:
        return False, str(error)

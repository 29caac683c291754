"""Which card this is, and what it could do at most: dense peaks by SKU and unit, the denominators of every number.

Peaks are the vendor's, dense, at boost clock; the sparse figures of the same sheets are twice as high and are never a
denominator. Tensor peaks follow from the chip: SMs x operations a clock x boost clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from machine import MachineError

TFLOPS = 1e12
PER_CLOCK = {"fp8": 8192, "bf16": 4096, "fp16": 4096, "tf32": 2048, "fp32": 256}
"""Operations a clock of one Hopper SM, dense (H100 architecture whitepaper, 2022)."""


@dataclass(frozen=True, slots=True)
class Sku:
    """One product: what it is sold as, and the figures it is judged against."""

    name: str
    peaks: Mapping[str, float]
    """Operations a second, and bytes a second for `dram`."""
    sm_count: int
    boost_mhz: float
    """At which the peaks hold."""
    max_mhz: float
    """The highest clock it boosts to."""
    source: str
    measured: bool
    """Whether our own runs have come near these figures on such a card."""
    why: str = ""

    def peak(self, unit: str) -> float:
        """The denominator. Raises UnknownPeak: this unit has none."""
        if unit not in self.peaks:
            raise UnknownPeak(
                f"task.toml: unit {unit}: no peak is known of {self.name}; known are {', '.join(self.peaks)}"
            )
        return self.peaks[unit]

    def floor(self, unit: str) -> float:
        """The highest rate that physics allows: every SM at the highest clock; memory at its full width."""
        if unit == "dram":
            return self.peaks["dram"]
        return max(self.sm_count * PER_CLOCK[unit] * self.max_mhz * 1e6, self.peak(unit))


class UnknownPeak(MachineError):
    """There is no denominator; the message names the key."""


def _sku(name: str, *, sms: int, boost: float, top: float, dram: float, source: str, measured: bool = False) -> Sku:
    peaks = {unit: sms * count * boost * 1e6 for unit, count in PER_CLOCK.items()} | {"dram": dram * 1e12}
    return Sku(name, peaks, sms, boost, top, source, measured)


_H100 = "NVIDIA H100 Tensor Core GPU datasheet"
_H200 = "NVIDIA H200 Tensor Core GPU datasheet"
SKUS = {
    "H100 SXM": _sku("H100 SXM", sms=132, boost=1830, top=1980, dram=3.35, source=_H100, measured=True),
    "H100 PCIe": _sku("H100 PCIe", sms=114, boost=1620, top=1755, dram=2.0, source=_H100),
    "H100 NVL": _sku("H100 NVL", sms=132, boost=1545, top=1785, dram=3.9, source=_H100),
    "H200 SXM": _sku("H200 SXM", sms=132, boost=1830, top=1980, dram=4.8, source=_H200, measured=True),
    "H200 NVL": _sku("H200 NVL", sms=132, boost=1545, top=1785, dram=4.8, source=_H200),
    "H800 SXM": _sku(
        "H800 SXM", sms=132, boost=1830, top=1980, dram=3.35, source="NVIDIA H800 datasheet; arithmetic as the H100's"
    ),
    "H800 PCIe": _sku(
        "H800 PCIe", sms=114, boost=1620, top=1755, dram=2.0, source="NVIDIA H800 datasheet; arithmetic as the H100's"
    ),
    "H20": _sku(
        "H20", sms=78, boost=463.5, top=1980, dram=4.0, source="NVIDIA H20 datasheet: 148 TFLOP/s bf16, 296 fp8"
    ),
    "GH200 96GB": _sku("GH200 96GB", sms=132, boost=1830, top=1980, dram=4.0, source="NVIDIA GH200 datasheet"),
    "GH200 144GB": _sku("GH200 144GB", sms=132, boost=1830, top=1980, dram=4.9, source="NVIDIA GH200 datasheet"),
}

# What the driver calls a card, and what tells its variants apart: power limit in watts, memory in GiB.
_NAMES: tuple[tuple[str, tuple[tuple[str, float, float], ...]], ...] = (
    ("GH200", (("GH200 96GB", 0, 0), ("GH200 144GB", 0, 120))),
    ("H200 NVL", (("H200 NVL", 0, 0),)),
    ("H200", (("H200 NVL", 0, 0), ("H200 SXM", 650, 0))),
    ("H100 NVL", (("H100 NVL", 0, 0),)),
    ("H100 PCIe", (("H100 PCIe", 0, 0),)),
    ("H100", (("H100 PCIe", 0, 0), ("H100 SXM", 450, 0))),
    ("H800 PCIe", (("H800 PCIe", 0, 0),)),
    ("H800", (("H800 PCIe", 0, 0), ("H800 SXM", 450, 0))),
    ("H20", (("H20", 0, 0),)),
)
"""A variant is taken where the card has at least this much power and memory; the last that fits counts."""


def pick(name: str, *, power_limit_w: float, memory_bytes: int, sm_count: int) -> Sku:
    """The product behind a card's name, with the reason.

    Raises:
        UnknownPeak: the name is in no row of the table.
    """
    gib = memory_bytes / (1 << 30)
    words = name.upper()
    for called, variants in _NAMES:
        if called.upper() in words:
            fitting = [row for row in variants if power_limit_w >= row[1] and gib >= row[2]]
            return _with_reason(SKUS[fitting[-1][0]], name, power_limit_w=power_limit_w, gib=gib, sm_count=sm_count)
    raise UnknownPeak(f"{name}: no peak is known of this card; add it to the table in harness/device.py")


def _with_reason(sku: Sku, name: str, *, power_limit_w: float, gib: float, sm_count: int) -> Sku:
    why = f"named {name}, {power_limit_w:g} W, {gib:.0f} GiB, {sm_count} SMs"
    if sm_count != sku.sm_count:
        why += f" of {sku.sm_count}: part of a card (MIG?), measured against the whole"
    return replace(sku, why=why)

"""Which card this is, and what it could do at most: dense peaks by SKU and unit, the denominators of every number.

Peaks are the vendor's, dense; the sparse figures of the same sheets are twice as high and are never a denominator.
They follow from the chip: SMs x operations a clock x clock, at boost clock for the tensor cores and at the highest one
for plain fp32, as the sheets count. A card that is in no row is refused: a guessed denominator would look like a
figure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from harness.errors import MachineError, TaskFault

PER_CLOCK = {"fp8": 8192, "bf16": 4096, "fp16": 4096, "tf32": 2048, "fp32": 256}
"""Operations a clock of one Hopper SM, dense (H100 architecture whitepaper, 2022)."""
H20_PER_CLOCK = {"fp8": 2048, "bf16": 1024, "fp16": 1024, "tf32": 512, "fp32": 256}
"""A quarter of the tensor rate: what its sheet's 148 TFLOP/s come to on 78 SMs at a clock that it can have."""
PLAIN = ("fp32",)
"""Units whose peak the sheets give at the highest clock."""


@dataclass(frozen=True, slots=True)
class Sku:
    """One product: what it is sold as, and the figures it is judged against."""

    name: str
    peaks: Mapping[str, float]
    """Operations a second, and bytes a second for `dram`."""
    sm_count: int
    memory_gib: int
    power_w: float
    """As sold; the limit of one card may be lower."""
    boost_mhz: float
    """At which the tensor cores' peaks hold."""
    max_mhz: float
    """The highest clock it boosts to."""
    per_clock: Mapping[str, int]
    """Operations a clock of one SM."""
    wire_rate: float
    """Bytes a second of all memory pins at the memory's clock: the sheets round it."""
    source: str
    measured: tuple[str, ...]
    """The units in which our own runs have come near these figures on such a card."""
    why: str = ""

    def peak(self, unit: str) -> float:
        """Return the denominator. Raises TaskFault: this unit has none."""
        if unit not in self.peaks:
            raise TaskFault(
                f"task.toml: unit {unit}: no peak is known of {self.name}; known are {', '.join(self.peaks)}"
            )
        return self.peaks[unit]

    def floor(self, unit: str) -> float:
        """The highest rate that physics allows: every SM at the highest clock; every memory pin at its clock."""
        if unit == "dram":
            return max(self.wire_rate, self.peak(unit))
        return max(self.sm_count * self.per_clock[unit] * self.max_mhz * 1e6, self.peak(unit))

    def share_at(self, unit: str, *, clock_mhz: float) -> float | None:
        """What part of the peak all SMs could reach at a clock; None for memory, which has a clock of its own."""
        if unit == "dram":
            return None
        return self.sm_count * self.per_clock[unit] * clock_mhz * 1e6 / self.peak(unit)


class UnknownPeak(MachineError):
    """There is no denominator; the message names the key."""


def _sku(name: str, *, sms: int, clocks: tuple[float, float], dram: float, memory: tuple[int, float, int], watts: float,
         source: str, measured: tuple[str, ...] = (), per_clock: Mapping[str, int] = PER_CLOCK) -> Sku:  # fmt: skip
    """`clocks` (boost, highest) MHz; `dram` TB/s by the sheet; `memory` (GiB, MHz, bits), two transfers a clock."""
    boost, top = clocks
    peaks = {unit: sms * each * (top if unit in PLAIN else boost) * 1e6 for unit, each in per_clock.items()}
    gib, mhz, bits = memory
    return Sku(name, peaks | {"dram": dram * 1e12}, sms, gib, watts, boost, top, per_clock, 2 * mhz * 1e6 * bits / 8,
               source, measured)  # fmt: skip


_H100 = "NVIDIA H100 Tensor Core GPU datasheet, 2024"
_H200 = "NVIDIA H200 Tensor Core GPU datasheet, 2024"
_GH200 = "NVIDIA GH200 Grace Hopper Superchip datasheet, 2024"
_AS_H100 = "no public sheet; arithmetic and memory as NVIDIA's H100 datasheet, 2024, only its links are slower"
_H20 = "no public sheet; 296 TFLOP/s fp8, 148 bf16, 74 tf32, {} TB/s as resellers publish NVIDIA's figures, 2024"

SKUS = {
    sku.name: sku
    for sku in (
        _sku("H100 SXM", sms=132, clocks=(1830, 1980), dram=3.35, memory=(80, 2619, 5120), watts=700, source=_H100,
             measured=("fp8", "bf16", "dram")),
        _sku("H100 PCIe", sms=114, clocks=(1620, 1755), dram=2.0, memory=(80, 1593, 5120), watts=350, source=_H100),
        _sku("H100 NVL", sms=132, clocks=(1545, 1785), dram=3.9, memory=(94, 2619, 6016), watts=400, source=_H100),
        _sku("H200 SXM", sms=132, clocks=(1830, 1980), dram=4.8, memory=(141, 3201, 6144), watts=700, source=_H200,
             measured=("bf16",)),
        _sku("H200 NVL", sms=132, clocks=(1545, 1785), dram=4.8, memory=(141, 3201, 6144), watts=600, source=_H200),
        _sku("H800 SXM", sms=132, clocks=(1830, 1980), dram=3.35, memory=(80, 2619, 5120), watts=700, source=_AS_H100),
        _sku("H800 PCIe", sms=114, clocks=(1620, 1755), dram=2.0, memory=(80, 1593, 5120), watts=350, source=_AS_H100),
        _sku("H20", sms=78, clocks=(1853, 1980), dram=4.0, memory=(96, 2619, 6144), watts=500,
             source=_H20.format("4.0"), per_clock=H20_PER_CLOCK),
        _sku("H20-3e", sms=78, clocks=(1853, 1980), dram=4.8, memory=(141, 3201, 6144), watts=500,
             source=_H20.format("4.8"), per_clock=H20_PER_CLOCK),
        _sku("GH200 96GB", sms=132, clocks=(1830, 1980), dram=4.0, memory=(96, 2619, 6144), watts=900, source=_GH200),
        _sku("GH200 144GB", sms=132, clocks=(1830, 1980), dram=4.9, memory=(144, 3201, 6144), watts=900, source=_GH200),
    )
}  # fmt: skip
"""Memory clocks and widths, and the highest clocks, are as the driver reports them of such cards; what the widths come
to agrees with the sheets within 3 %. An H20's boost clock is computed from its 148 TFLOP/s, its fp32 from the highest
clock.
"""

_NAMES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("GH200", ("GH200 96GB", "GH200 144GB")),
    ("H200 NVL", ("H200 NVL",)),
    ("H200", ("H200 SXM",)),
    ("H100 NVL", ("H100 NVL",)),
    ("H100 PCIe", ("H100 PCIe",)),
    ("H100", ("H100 SXM", "H100 PCIe", "H100 NVL")),
    ("H800 PCIe", ("H800 PCIe",)),
    ("H800", ("H800 SXM", "H800 PCIe")),
    ("H20", ("H20", "H20-3e")),
)
"""What the driver calls a card, the first that fits counts, and what it may be then."""


def pick(name: str, *, power_limit_w: float, memory_bytes: int, sm_count: int) -> Sku:
    """The product behind a card's name, with the reason.

    Where the name leaves a choice, SMs decide, then memory, then power: anybody may lower a power limit.

    Raises:
        UnknownPeak: the name is in no row of the table.
    """
    gib = memory_bytes / (1 << 30)
    for called, variants in _NAMES:
        if called.upper() in name.upper():
            sku = min(
                (SKUS[variant] for variant in variants),
                key=lambda sku: (sku.sm_count != sm_count, abs(sku.memory_gib - gib) > 8,
                                 abs(sku.power_w - power_limit_w)),
            )  # fmt: skip
            return _with_reason(sku, name, power_limit_w=power_limit_w, gib=gib, sm_count=sm_count)
    raise UnknownPeak(f"{name}: no peak is known of this card; add it to the table in harness/harness/devices/cards.py")


def _with_reason(sku: Sku, name: str, *, power_limit_w: float, gib: float, sm_count: int) -> Sku:
    power = f"{power_limit_w:g} W" + (f" of {sku.power_w:g}" if power_limit_w < sku.power_w else "")
    why = f"named {name}, {power}, {gib:.0f} GiB, {sm_count} SMs"
    if sm_count != sku.sm_count:
        why += f" of {sku.sm_count}: part of a card (MIG?), measured against the whole"
    return replace(sku, why=why)

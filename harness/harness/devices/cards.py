"""A table of GPU products with their dense peak rates by unit, which are the denominators of utilization.

Peaks are the vendor's dense figures; the sparse figures on the same data sheets are twice as high and are not used. A
peak is SMs x operations per clock x clock: the boost clock for tensor cores, and the highest clock for plain fp32, as
the data sheets calculate. A card that is not in the table is refused, because a guessed denominator would look like a
known one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from harness.contract import capability
from harness.errors import MachineError, TaskFault

PER_CLOCK = {"fp8": 8192, "bf16": 4096, "fp16": 4096, "tf32": 2048, "fp32": 256}
"""Dense operations per clock of one Hopper SM, by unit (H100 architecture whitepaper, 2022)."""
H20_PER_CLOCK = {"fp8": 2048, "bf16": 1024, "fp16": 1024, "tf32": 512, "fp32": 256}
"""Operations per clock of one SM of an H20, by unit. The tensor rates are a quarter of Hopper's: so 78 SMs reach the
148 TFLOP/s of the H20's sheet at a clock that the card has."""
PLAIN = ("fp32",)
"""Units whose peak the data sheets calculate at the highest clock."""


@dataclass(frozen=True, slots=True)
class Sku:
    """One GPU product: its name, its dense peak rates by unit (`fp8`, `dram`, ...), and the figures from which they
    follow (number of multiprocessors, clocks, operations per clock, memory bandwidth, power limit). The table SKUS
    holds all known ones, and `pick` chooses one for a card.
    """

    name: str
    """Name under which the product is sold."""
    peaks: Mapping[str, float]
    """Dense operations per second by unit, and bytes per second for `dram`."""
    sm_count: int
    memory_gib: int
    power_w: float
    """Power limit of the product in watts; the limit of one card may be set lower."""
    boost_mhz: float
    """Clock at which the peaks of the tensor cores hold."""
    max_mhz: float
    """Highest clock that the card reaches."""
    per_clock: Mapping[str, int]
    """Operations per clock of one SM, by unit."""
    wire_rate: float
    """Bytes per second of all memory pins at the memory's clock. Data sheets round this figure."""
    source: str
    """Data sheet that the figures come from."""
    measured: tuple[str, ...]
    """Units in which measurements by this project on such a card came close to the peak."""
    reason: str = ""
    """Words that say why a card was identified as this product; empty in the table."""

    def peak(self, unit: str) -> float:
        """Return the dense peak rate of `unit`, such as `fp8`, in operations per second, or in bytes per second for
        `dram`. Raises TaskFault if the table has no peak for the unit.
        """
        if unit not in self.peaks:
            raise TaskFault(
                f"task.toml: unit {unit}: no peak of {self.name} is known for it; known units: {', '.join(self.peaks)}"
            )
        return self.peaks[unit]

    def ceiling(self, unit: str) -> float:
        """Return the highest rate of `unit`, such as `fp8`, that the hardware allows: operations per second at the
        highest clock, or for `dram` bytes per second of all memory pins. The judge refuses a measured rate above it.
        Raises TaskFault or KeyError if the table has no figures for the unit.
        """
        if unit == "dram":
            return max(self.wire_rate, self.peak(unit))
        return max(self.sm_count * self.per_clock[unit] * self.max_mhz * 1e6, self.peak(unit))

    def share_at(self, unit: str, *, clock_mhz: float) -> float | None:
        """Return the fraction of the peak of `unit`, such as `fp8`, that all multiprocessors can reach at an SM clock
        of `clock_mhz`; None for `dram`, because memory has its own clock. Raises KeyError if the table has no figures
        for the unit.
        """
        if unit == "dram":
            return None
        return self.sm_count * self.per_clock[unit] * clock_mhz * 1e6 / self.peak(unit)


def check_architecture(arch: str, *, name: str, major: int, minor: int) -> None:
    """Raise MachineError if a card cannot run programs built for `arch`, the task's architecture such as `sm_90a`,
    because its compute capability `major`.`minor` is another one; return None otherwise. `name` is the card's name for
    the message.
    """
    needed = divmod(capability(arch), 10)
    if needed != (major, minor):
        raise MachineError(
            f"task.toml: arch {arch} is compute capability {needed[0]}.{needed[1]}, and {name} has {major}.{minor}: "
            "choose another card with CUDA_VISIBLE_DEVICES, or set arch to this card's"
        )


class UnknownPeak(MachineError):
    """Exception: the table has no peak rates for this card, so no utilization can be computed. The message names the
    card and the source file to extend. `pick` raises it.
    """


def _sku(name: str, *, sms: int, clocks: tuple[float, float], dram: float, memory: tuple[int, float, int], watts: float,
         source: str, measured: tuple[str, ...] = (), per_clock: Mapping[str, int] = PER_CLOCK) -> Sku:  # fmt: skip
    """Return one product of the table. `sms` is the number of multiprocessors, `clocks` (boost, highest) in MHz, `dram`
    the bandwidth in TB/s, `memory` (GiB, clock in MHz, bus width in bits), and `watts` the power limit. `source` names
    the data sheet, `measured` the units whose peak was confirmed by measurement; `per_clock` holds the operations per
    clock of one multiprocessor by unit.
    """
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
"""GPU products by name. Memory clocks, memory widths and highest clocks are those that the driver reports; the
bandwidths that follow agree with the data sheets within 3 %. An H20's boost clock is computed from its 148 TFLOP/s."""

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
"""Part of the driver's name of a card, and the products that it may be. The first matching row counts."""


def pick(name: str, *, power_limit_w: float, memory_bytes: int, sm_count: int) -> Sku:
    """Return the product of the table that a card is, with the reason in words in its field `reason`. `name` is the
    driver's name of the card; if several products share it, the card's number of multiprocessors (`sm_count`) decides,
    then its memory size, then its power limit in watts. Raises UnknownPeak if the name is not in the table.
    """
    gib = memory_bytes / (1 << 30)
    for driver_name, variants in _NAMES:
        if driver_name.upper() in name.upper():
            sku = min(
                (SKUS[variant] for variant in variants),
                key=lambda sku: (sku.sm_count != sm_count, abs(sku.memory_gib - gib) > 8,
                                 abs(sku.power_w - power_limit_w)),
            )  # fmt: skip
            return _with_reason(sku, name, power_limit_w=power_limit_w, gib=gib, sm_count=sm_count)
    raise UnknownPeak(
        f"{name}: no peak is known for this card; add it to the table in harness/harness/devices/cards.py"
    )


def _with_reason(sku: Sku, name: str, *, power_limit_w: float, gib: float, sm_count: int) -> Sku:
    """Return a copy of the product `sku` with the field `reason`: a text that names the card's `name`, power limit in
    watts, memory (`gib`) and number of multiprocessors, and says so if the card has fewer multiprocessors than the
    product, as a part of a card (MIG) has.
    """
    power = f"{power_limit_w:g} W" + (f" of {sku.power_w:g}" if power_limit_w < sku.power_w else "")
    reason = f"named {name}, {power}, {gib:.0f} GiB, {sm_count} SMs"
    if sm_count != sku.sm_count:
        reason += f" of {sku.sm_count}: a part of a card (MIG?), measured against the peak of the whole card"
    return replace(sku, reason=reason)

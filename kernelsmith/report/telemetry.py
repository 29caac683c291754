"""Summarizes a GPU's readings during an attempt: the medians of clock, power and temperature over its batches, and the
reasons that held the clock down.
"""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kernelsmith.core.verdict import Batch

READINGS = {
    "sm_clock_mhz": "SM {:,.0f} MHz",
    "mem_clock_mhz": "memory {:,.0f} MHz",
    "power_w": "{:.0f} W",
    "temperature_c": "{:.0f} °C",
}
REASONS = {
    0x01: "idle",
    0x02: "application clocks",
    0x04: "power cap",
    0x08: "hardware slowdown",
    0x10: "sync boost",
    0x20: "heat",
    0x40: "heat (hardware)",
    0x80: "power brake",
    0x100: "display clocks",
}
"""Bit of `throttle_reasons` -> reason in words (nvml.h, nvmlClocksEventReasons)."""


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Medians of a GPU's clocks (MHz), power (W) and temperature (°C) over the timed batches of an attempt, None for a
    reading that no batch has. `throttled` counts the batches for each reason that lowered the GPU's clock.
    `telemetry_of` makes it.
    """

    batches: int
    """Number of batches with readings."""
    sm_clock_mhz: float | None
    mem_clock_mhz: float | None
    power_w: float | None
    temperature_c: float | None
    throttled: Mapping[str, int]
    """Reason that held the clock down -> number of batches in which it did."""


def telemetry_of(batches: Sequence[Batch]) -> Telemetry | None:
    """Return the medians of a GPU's readings (clocks, power, temperature) over the timed batches of an attempt, and how
    often its clock was lowered. Return None if no batch has readings, as on a CPU.
    """
    sampled = [batch.telemetry for batch in batches if batch.telemetry]
    if not sampled:
        return None
    medians = {name: _median([float(readings[name]) for readings in sampled if name in readings]) for name in READINGS}
    masks = [int(readings.get("throttle_reasons", 0)) for readings in sampled]
    throttled = Counter(name for mask in masks for bit, name in REASONS.items() if mask & bit)
    return Telemetry(batches=len(sampled), throttled=dict(throttled), **medians)


def telemetry_rows(telemetry: Telemetry | None) -> list[tuple[str, str]]:
    """Return up to two pairs (name, value in words) as a list, for the page of an attempt: the medians of the GPU's
    readings, and the reasons that lowered its clock. The list is empty if `telemetry` is None.
    """
    if telemetry is None:
        return []
    readings = ((getattr(telemetry, name), shown) for name, shown in READINGS.items())
    words = [shown.format(reading) for reading, shown in readings if reading is not None]
    rows = [("telemetry", f"{', '.join(words)}, medians of the batches")] if words else []
    held = [f"{reason} in {count} of {telemetry.batches} batches" for reason, count in telemetry.throttled.items()]
    return rows + ([("clock held down by", ", ".join(held))] if held else [])


def _median(values: list[float]) -> float | None:
    return statistics.median(values) if values else None

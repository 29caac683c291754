"""What a GPU said of itself during an attempt's batches, summed up: medians, and what held its clock down how often."""

import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any

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
"""Bits of `throttle_reasons`, by nvml.h's nvmlClocksEventReasons."""


def telemetry_data(batches: Sequence[Batch]) -> dict[str, Any] | None:
    """Medians by reading, and `throttled`: reason -> number of batches; None where nothing was sampled."""
    sampled = [batch.telemetry for batch in batches if batch.telemetry]
    if not sampled:
        return None
    found = {name: [float(one[name]) for one in sampled if name in one] for name in READINGS}
    medians = {name: statistics.median(values) for name, values in found.items() if values}
    masks = [int(one.get("throttle_reasons", 0)) for one in sampled]
    throttled = Counter(name for mask in masks for bit, name in REASONS.items() if mask & bit)
    return {"batches": len(sampled), **medians, "throttled": dict(throttled)}


def telemetry_rows(batches: Sequence[Batch]) -> list[tuple[str, str]]:
    """The same for a reader."""
    data = telemetry_data(batches)
    if data is None:
        return []
    words = [shown.format(data[name]) for name, shown in READINGS.items() if name in data]
    rows = [("telemetry", f"{', '.join(words)}, medians of the batches")] if words else []
    held = [f"{reason} in {count} of {data['batches']} batches" for reason, count in data["throttled"].items()]
    return rows + ([("clock held down by", ", ".join(held))] if held else [])

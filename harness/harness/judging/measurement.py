"""The stage `floor`, and the measurement of a candidate that passed it."""

import math
import statistics
from dataclasses import replace

from harness.judging.judgement import Judgement, Timed
from harness.judging.open_task import OpenTask
from harness.task import Case, Task
from harness.timing.failure import CandidateFailed
from harness.wire import messages as wire

Z95 = 1.96
"""Standard deviations within which 95 % of a normal distribution lie."""


def check_physics_floor(judgement: Judgement) -> None:
    """Make the measurement of a candidate that is not faster than physics allows.

    Raises:
        Failed: tampered, because no honest work is as fast.
    """
    opened, timed = judgement.opened, judgement.timed
    refuse_impossible_rates(opened, timed)
    judgement.measurement = measurement_of(opened, timed)


def refuse_impossible_rates(opened: OpenTask, timed: Timed) -> None:
    """Compare the rate of every timed case with the device's ceiling. Raises Failed: one lies above it."""
    for case in opened.task.timed:
        moved = opened.task.work(case) - unwritten_bytes(opened, case, timed)
        rate = moved / timed.scores[case.name].call_s
        if rate > opened.device.ceiling(opened.task.unit, suspected=rate):
            part = rate / opened.calibration.peak
            raise CandidateFailed("tampered", f"case {case.name}: {part:.2f} of the peak: faster than physics")


def unwritten_bytes(opened: OpenTask, case: Case, timed: Timed) -> float:
    """Return how many bytes of a call's outputs a cache may still hold when a batch ends; 0 unless memory is timed."""
    if opened.task.unit != "dram":
        return 0.0
    calls = min(batch.calls for batch in timed.batches[case.name])
    outputs = sum(buffer.bytes_in(case.sizes) for buffer in opened.task.buffers if buffer.is_output)
    return min(outputs, opened.device.cache_bytes / calls)


def measurement_of(opened: OpenTask, timed: Timed) -> wire.Measurement:
    """Return the weighted geometric mean over the timed cases, its interval widened by the process spread."""
    task, calibration = opened.task, opened.calibration
    time_s = weighted_mean(task, {name: score.call_s for name, score in timed.scores.items()})
    fractions = {case.name: opened.utilization(case, timed.scores[case.name].call_s) for case in task.timed}
    utilization, vendor = weighted_mean(task, fractions), calibration.vendor
    return wire.Measurement(
        time_us=time_s * 1e6,
        interval_us=_interval_us(task, timed, time_s=time_s, spread=calibration.spread),
        utilization=utilization,
        rate=utilization * calibration.peak,
        peak=calibration.peak,
        unit=task.unit,
        pilot_us=timed.pilot_s * 1e6,
        vendor_ratio=vendor.call_s / timed.scores[opened.main.name].call_s if vendor else None,
        utilization_at_clock=_at_clock(opened, timed, utilization),
    )


def _interval_us(task: Task, timed: Timed, *, time_s: float, spread: float) -> wire.Interval:
    low_s = weighted_mean(task, {name: score.low_s for name, score in timed.scores.items()})
    high_s = weighted_mean(task, {name: score.high_s for name, score in timed.scores.items()})
    below = math.hypot(1 - low_s / time_s, Z95 * spread)
    above = math.hypot(high_s / time_s - 1, Z95 * spread)
    return wire.Interval(time_s * 1e6 * max(0.0, 1 - below), time_s * 1e6 * (1 + above))


def _at_clock(opened: OpenTask, timed: Timed, utilization: float) -> float | None:
    """Return the utilization of what the device could do at the clock that was sampled during the batches."""
    batches = timed.batches[opened.main.name]
    clocks = [clock for batch in batches if (clock := batch.telemetry.get("sm_clock_mhz"))]
    if not clocks:
        return None
    share = opened.device.share_at(opened.task.unit, clock_mhz=statistics.median(clocks))
    return share and utilization / share


def weighted_mean(task: Task, values: dict[str, float]) -> float:
    """Return the weighted geometric mean of values by timed case."""
    weight = sum(case.timed for case in task.timed)
    return math.exp(sum(case.timed * math.log(values[case.name]) for case in task.timed) / weight)


def slowed(measurement: wire.Measurement, factor: float) -> wire.Measurement:
    """Return a measurement as if each call had taken `factor` times as long."""
    interval = measurement.interval_us
    return replace(
        measurement,
        time_us=measurement.time_us * factor,
        interval_us=wire.Interval(interval.low * factor, interval.high * factor),
        utilization=measurement.utilization / factor,
        rate=measurement.rate / factor,
        vendor_ratio=measurement.vendor_ratio and measurement.vendor_ratio / factor,
    )

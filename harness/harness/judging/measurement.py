"""The stage `floor`: refuse rates that the device cannot reach, and make the measurement (score, interval, utilization)
of a candidate that is not refused.
"""

import math
import statistics
from dataclasses import replace

from harness.judging.judgement import Judgement, Timed
from harness.judging.open_task import OpenTask
from harness.task import Case, Task
from harness.timing.failure import CandidateFailed
from harness.wire import messages as wire

Z95 = 1.96
"""Number of standard deviations around the mean that hold 95 % of a normal distribution."""


def check_physics_floor(judgement: Judgement) -> None:
    """Compare the rate (operations or bytes per second) of every timed case with the highest rate that the device can
    reach, and store the candidate's measurement in `judgement`. Raises CandidateFailed with status `tampered` if a rate
    is higher, because no honest work reaches it.
    """
    opened, timed = judgement.opened, judgement.timed
    refuse_impossible_rates(opened, timed)
    judgement.measurement = measurement_of(opened, timed)


def refuse_impossible_rates(opened: OpenTask, timed: Timed) -> None:
    """Raise CandidateFailed with status `tampered` if the rate (operations or bytes per second) of a timed case is
    above the device's highest possible rate; return None otherwise. `timed` holds the batches and scores by case.
    """
    for case in opened.task.timed:
        moved = opened.task.work(case) - unwritten_bytes(opened, case, timed)
        rate = moved / timed.scores[case.name].call_s
        if rate > opened.device.ceiling(opened.task.unit, suspected=rate):
            fraction = rate / opened.calibration.peak
            raise CandidateFailed(
                "tampered", f"case {case.name}: {fraction:.2f} of the peak, which this device cannot reach"
            )


def unwritten_bytes(opened: OpenTask, case: Case, timed: Timed) -> float:
    """Return how many bytes of the outputs of one call in `case` may still be in a cache, not in memory, when a batch
    in `timed` ends; they are subtracted so that memory traffic is not counted too high. Returns 0 if the task does not
    measure memory traffic (its unit is not `dram`).
    """
    if opened.task.unit != "dram":
        return 0.0
    calls = min(batch.calls for batch in timed.batches[case.name])
    outputs = sum(buffer.bytes_in(case.sizes) for buffer in opened.task.buffers if buffer.is_output)
    return min(outputs, opened.device.cache_bytes / calls)


def measurement_of(opened: OpenTask, timed: Timed) -> wire.Measurement:
    """Return the measurement of a candidate from `timed`, its batches and scores by case: microseconds per call
    (weighted geometric mean of the timed cases) with a 95 % interval that includes the spread between processes,
    utilization of the peak, rate, and the vendor's time divided by the candidate's (None without a vendor's library).
    """
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
    """Return the 95 % interval, in microseconds, of `time_s`, the candidate's seconds per call over all cases. It
    combines the intervals of the cases' batches in `timed` with `spread`, the standard deviation between processes as a
    fraction of the time.
    """
    low_s = weighted_mean(task, {name: score.low_s for name, score in timed.scores.items()})
    high_s = weighted_mean(task, {name: score.high_s for name, score in timed.scores.items()})
    below = math.hypot(1 - low_s / time_s, Z95 * spread)
    above = math.hypot(high_s / time_s - 1, Z95 * spread)
    return wire.Interval(time_s * 1e6 * max(0.0, 1 - below), time_s * 1e6 * (1 + above))


def _at_clock(opened: OpenTask, timed: Timed, utilization: float) -> float | None:
    """Return the utilization relative to the peak that the device has at the median SM clock (multiprocessor clock) of
    the main case's batches; `utilization` is relative to the nominal peak. Returns None without clock readings, or if
    the peak does not depend on the clock.
    """
    batches = timed.batches[opened.main.name]
    clocks = [clock for batch in batches if (clock := batch.telemetry.get("sm_clock_mhz"))]
    if not clocks:
        return None
    share = opened.device.share_at(opened.task.unit, clock_mhz=statistics.median(clocks))
    return share and utilization / share


def weighted_mean(task: Task, values: dict[str, float]) -> float:
    """Return the geometric mean of `values`, a dict by name of the timed case, weighted by the cases' weights in
    task.toml. Raises KeyError if a timed case is missing, and ValueError if a value is not positive.
    """
    weight = sum(case.timed for case in task.timed)
    return math.exp(sum(case.timed * math.log(values[case.name]) for case in task.timed) / weight)


def slowed(measurement: wire.Measurement, factor: float) -> wire.Measurement:
    """Return a copy of the measurement as if each call had taken `factor` times as long: time and interval are
    multiplied, and utilization, rate and vendor ratio divided by `factor`.
    """
    interval = measurement.interval_us
    return replace(
        measurement,
        time_us=measurement.time_us * factor,
        interval_us=wire.Interval(interval.low * factor, interval.high * factor),
        utilization=measurement.utilization / factor,
        rate=measurement.rate / factor,
        vendor_ratio=measurement.vendor_ratio and measurement.vendor_ratio / factor,
    )

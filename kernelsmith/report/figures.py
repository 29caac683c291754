"""Formats figures with their units, and the reason for an attempt's status, as short texts."""

from collections.abc import Sequence

from kernelsmith.core import rates
from kernelsmith.core.kinds import Unit
from kernelsmith.core.run import Device
from kernelsmith.core.verdict import Duel, Measurement, Promotion, Verdict
from kernelsmith.report.model_attempt import is_vendor_disturbed
from kernelsmith.report.text import one_line

BLOCKS = "▁▂▃▄▅▆▇█"


def percent(fraction: float | None) -> str:
    """Return a fraction, for example a utilization of 0.713, as a percentage, `71.3 %`, or with two decimals below one
    percent, `0.42 %`. Return an empty string for None, which means not measured.
    """
    if fraction is None:
        return ""
    return f"{fraction:.1%}".replace("%", " %") if fraction >= 0.01 else f"{fraction:.2%}".replace("%", " %")


def duration(time_us: float) -> str:
    """Return a time, given in microseconds, as text with three digits in us, ms or s: `52.1 ms`."""
    for scale, unit in ((1e6, "s"), (1e3, "ms")):
        if time_us >= 0.9995 * scale:  # what rounds to 1000 of the smaller unit is 1.00 of this one
            return f"{time_us / scale:#.3g} {unit}".replace(". ", " ")
    return f"{time_us:#.3g} us".replace(". ", " ")


def interval(measurement: Measurement) -> str:
    """Return the time per call with its 95 % confidence interval: `25.6 ms [25.4 ms, 25.9 ms]`."""
    return f"{duration(measurement.time_us)} {bounds(measurement)}"


def bounds(measurement: Measurement) -> str:
    """Return the 95 % confidence interval of the time per call: `[25.4 ms, 25.9 ms]`."""
    return f"[{duration(measurement.interval_us.low)}, {duration(measurement.interval_us.high)}]"


def clock(seconds: float) -> str:
    """Return a number of seconds as text in minutes and seconds, `2:13`, or from one hour on with hours, `1:02:13`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def working(active_s: float, elapsed_s: float | None) -> str:
    """Return a run's time spent on attempts and its total time as text: `2:49 working, 3:10 from start to end`.
    `active_s` is the time on attempts in seconds, without pauses. `elapsed_s` is the time from start to end in seconds;
    None, for a run that goes on, leaves it out.
    """
    words = f"{clock(active_s)} working"
    return words if elapsed_s is None else f"{words}, {clock(elapsed_s)} from start to end"


def of_vendor(verdict: Verdict, device: Device | None) -> str:
    """Return a kernel's speed relative to the vendor's library for the same task, `76.7 % of OpenBLAS (Haswell)`; an
    empty string if `verdict` holds no such speed or `device`, which names the library, is None. The text ends with `
    (disturbed)` if other work ran on the device during the measurement.
    """
    vendor = device.vendor.name if device and device.vendor else None
    return share_of_vendor(verdict.measurement, vendor=vendor, is_disturbed=is_vendor_disturbed(verdict))


def share_of_vendor(measurement: Measurement | None, *, vendor: str | None, is_disturbed: bool) -> str:
    """Return a kernel's measured speed relative to the vendor's library, `76.7 % of OpenBLAS (Haswell)`; an empty
    string if it was not measured or `vendor`, the library's name, is None or empty. The text ends with ` (disturbed)`
    if `is_disturbed` is true: other work ran on the device during the measurement.
    """
    if measurement is None or measurement.vendor_ratio is None or vendor is None:
        return ""
    mark = " (disturbed)" if is_disturbed else ""
    return one_line(f"{percent(measurement.vendor_ratio)} of {vendor}") + mark


def speedup(duel: Duel) -> str:
    """Return the speedup that a duel (a direct timing comparison of two kernels) measured, with its 95 % confidence
    interval: `1.031x [1.012, 1.050]`.
    """
    return f"{duel.speedup:.3f}x [{duel.interval.low:.3f}, {duel.interval.high:.3f}]"


def reason(verdict: Verdict) -> str:
    """Return one line that says why the attempt with this verdict became the run's best, why it did not although it
    passed its checks, or why it failed them.
    """
    match verdict.promotion:
        case Promotion.FIRST:
            return "new best: the first that passes"
        case Promotion.CLEAR:
            return "new best: clearly faster, no duel needed"
        case Promotion.DUEL:
            return f"new best: won the duel{_against(verdict.duel)}"
    if verdict.passed:
        return f"not faster than the best{_against(verdict.duel)}"
    return one_line(verdict.detail)


def _against(duel: Duel | None) -> str:
    return f", {speedup(duel)}" if duel else ""


def staircase(climb: Sequence[float], *, most: int | None = None) -> str:
    """Return a bar chart as a string with one block character for each utilization in `climb`, the best utilization
    after each attempt: a full block for the highest, a blank for 0. If `climb` is longer than `most`, only `most`
    values at equal distances are drawn; None draws all.
    """
    if most is not None and len(climb) > most:
        climb = [climb[(point + 1) * len(climb) // most - 1] for point in range(most)]
    highest = max(climb, default=0.0)
    if not highest:
        return " " * len(climb)
    return "".join(BLOCKS[round(step / highest * (len(BLOCKS) - 1))] if step else " " for step in climb)


def rate(units_per_s: float, unit: Unit) -> str:
    """Return a rate, given in units per second, as text with a decimal prefix and the unit's name: `117 GFLOP/s fp32`,
    `3.35 TB/s dram`. `unit` is what the rate counts, such as operations of fp32 or bytes of device memory.
    """
    return f"{rates.rate(units_per_s, unit)} {unit}"


def spent(amount: int, limit: int | None, noun: str) -> str:
    """Return an amount with its limit as text, `23 of 60 asks`; without a limit (None or 0) `23 asks`. `noun` is the
    singular, `ask`.
    """
    return f"{amount} of {counted(limit, noun)}" if limit else counted(amount, noun)


def counted(amount: int, noun: str) -> str:
    """Return a number with its noun as text, in the singular or plural: `1 attempt`, `2 attempts`. `noun` is the
    singular.
    """
    return f"{amount} {noun}" if amount == 1 else f"{amount} {noun}s"


def cost(usd: float | None) -> str:
    """Return an amount of US dollars as text, `$0.12`, or `cost unknown` for None."""
    return "cost unknown" if usd is None else f"${usd:.2f}"

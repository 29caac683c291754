"""How figures read: numbers with their units, and the reason for an attempt's status in a few words."""

from collections.abc import Sequence

from kernelsmith.core import rates
from kernelsmith.core.kinds import Unit
from kernelsmith.core.run import Device
from kernelsmith.core.verdict import Duel, Measurement, Promotion, Verdict
from kernelsmith.report.model_attempt import is_vendor_disturbed
from kernelsmith.report.text import one_line

BLOCKS = "▁▂▃▄▅▆▇█"


def percent(fraction: float | None) -> str:
    """Return `71.3 %`; two digits below one percent, an empty text for None."""
    if fraction is None:
        return ""
    return f"{fraction:.1%}".replace("%", " %") if fraction >= 0.01 else f"{fraction:.2%}".replace("%", " %")


def duration(time_us: float) -> str:
    """Return a time per call with three digits and the unit that fits."""
    for scale, unit in ((1e6, "s"), (1e3, "ms")):
        if time_us >= 0.9995 * scale:  # what rounds to 1000 of the smaller unit is 1.00 of this one
            return f"{time_us / scale:#.3g} {unit}".replace(". ", " ")
    return f"{time_us:#.3g} us".replace(". ", " ")


def interval(measurement: Measurement) -> str:
    """Return the time with its 95 % interval: `25.6 ms [25.4 ms, 25.9 ms]`."""
    low, high = measurement.interval_us.low, measurement.interval_us.high
    return f"{duration(measurement.time_us)} [{duration(low)}, {duration(high)}]"


def clock(seconds: float) -> str:
    """Return `2:13`, or `1:02:13`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def of_vendor(verdict: Verdict, device: Device | None) -> str:
    """Return `76.7 % of OpenBLAS (Haswell)`, empty where there is no vendor line; a disturbed ratio carries a mark."""
    vendor = device.vendor.name if device and device.vendor else None
    return share_of_vendor(verdict.measurement, vendor=vendor, is_disturbed=is_vendor_disturbed(verdict))


def share_of_vendor(measurement: Measurement | None, *, vendor: str | None, is_disturbed: bool) -> str:
    """Return the vendor ratio in words, as `of_vendor` does, from its parts."""
    if measurement is None or measurement.vendor_ratio is None or vendor is None:
        return ""
    mark = " (disturbed)" if is_disturbed else ""
    return one_line(f"{percent(measurement.vendor_ratio)} of {vendor}") + mark


def speedup(duel: Duel) -> str:
    """Return `1.031x [1.012, 1.050]`."""
    return f"{duel.speedup:.3f}x [{duel.interval.low:.3f}, {duel.interval.high:.3f}]"


def reason(verdict: Verdict) -> str:
    """Return why the attempt has the status it has, or became the best, in a few words; safe for a terminal."""
    match verdict.promotion:
        case Promotion.FIRST:
            return "new best: the first that passes"
        case Promotion.CLEAR:
            return "new best: clearly faster"
        case Promotion.DUEL:
            return f"new best: won the duel{_against(verdict.duel)}"
    if verdict.passed:
        return f"not faster than the best{_against(verdict.duel)}"
    return one_line(verdict.detail)


def _against(duel: Duel | None) -> str:
    return f", {speedup(duel)}" if duel else ""


def staircase(climb: Sequence[float]) -> str:
    """Return utilizations as a row of blocks, the highest block for the highest of them; a blank for 0."""
    highest = max(climb, default=0.0)
    if not highest:
        return " " * len(climb)
    return "".join(BLOCKS[round(step / highest * (len(BLOCKS) - 1))] if step else " " for step in climb)


def rate(units_per_s: float, unit: Unit) -> str:
    """Return a rate with the peak that it belongs to: `117 GFLOP/s fp32`, `3.35 TB/s dram`."""
    return f"{rates.rate(units_per_s, unit)} {unit}"


def spent(amount: int, limit: int | None, what: str) -> str:
    """Return `23 of 60 asks`, or `23 asks` without a limit."""
    return f"{amount} of {counted(limit, what)}" if limit else counted(amount, what)


def counted(amount: int, what: str) -> str:
    """Return `1 attempt`, `2 attempts`."""
    return f"{amount} {what}" if amount == 1 else f"{amount} {what}s"


def cost(usd: float | None) -> str:
    """Return `$0.12`; says so where the price is not known."""
    return "cost unknown" if usd is None else f"${usd:.2f}"

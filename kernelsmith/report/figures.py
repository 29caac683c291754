"""How an attempt reads in one line: figures with their units, and the reason for its status."""

from collections.abc import Sequence

from kernelsmith.core.attempt import Attempt
from kernelsmith.core.run import Device
from kernelsmith.core.verdict import Duel, Measurement, Promotion, Verdict
from kernelsmith.report.text import one_line

BLOCKS = "▁▂▃▄▅▆▇█"


def percent(fraction: float | None) -> str:
    """`71.3 %`; two digits below one percent, nothing for None."""
    if fraction is None:
        return ""
    return f"{fraction:.1%}".replace("%", " %") if fraction >= 0.01 else f"{fraction:.2%}".replace("%", " %")


def duration(time_us: float) -> str:
    """A time per call with three digits and the unit that fits."""
    for scale, unit in ((1e6, "s"), (1e3, "ms")):
        if time_us >= 0.9995 * scale:  # what rounds to 1000 of the smaller unit is 1.00 of this one
            return f"{time_us / scale:#.3g} {unit}".replace(". ", " ")
    return f"{time_us:#.3g} us".replace(". ", " ")


def interval(measurement: Measurement) -> str:
    """The time with its 95 % interval: `25.6 ms [25.4 ms, 25.9 ms]`."""
    low, high = measurement.interval_us.low, measurement.interval_us.high
    return f"{duration(measurement.time_us)} [{duration(low)}, {duration(high)}]"


def clock(seconds: float) -> str:
    """`2:13`, or `1:02:13`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def of_vendor(measurement: Measurement, device: Device | None) -> str:
    """`76.7 % of OpenBLAS (Haswell)`, empty where there is no vendor line."""
    if measurement.vendor_ratio is None or device is None or device.vendor is None:
        return ""
    return one_line(f"{percent(measurement.vendor_ratio)} of {device.vendor.name}")


def sku(device: Device | None) -> str:
    """Which product's peak was picked, and why; empty where the peak was measured."""
    return device.details.get("sku", "") if device else ""


def speedup(duel: Duel) -> str:
    """`1.031x [1.012, 1.050]`."""
    return f"{duel.speedup:.3f}x [{duel.interval.low:.3f}, {duel.interval.high:.3f}]"


def reason(verdict: Verdict) -> str:
    """Why the attempt has the status it has, or became the best, in a few words; safe for a terminal."""
    match verdict.promotion:
        case Promotion.FIRST:
            return "new best: the first that passes"
        case Promotion.CLEAR:
            return "new best: clearly faster"
        case Promotion.DUEL:
            return f"new best: won the duel{_against(verdict)}"
    if verdict.passed:
        return f"not faster than the best{_against(verdict)}"
    return one_line(verdict.detail)


def _against(verdict: Verdict) -> str:
    return f", {speedup(verdict.duel)}" if verdict.duel else ""


def staircase(attempts: Sequence[Attempt], width: int = 60) -> str:
    """The incumbent's utilization, attempt by attempt, as a row of blocks; the highest block is the highest of all.

    A duel decides, so an incumbent may have a lower figure than the one before it.
    """
    best, steps = 0.0, []
    for attempt in attempts:
        best = (attempt.verdict.utilization or best) if attempt.verdict.promotion else best
        steps.append(best)
    if not best:
        return " " * min(len(steps), width)
    shown = steps if len(steps) <= width else [steps[(i + 1) * len(steps) // width - 1] for i in range(width)]
    highest = max(steps)
    return "".join(BLOCKS[round(step / highest * (len(BLOCKS) - 1))] if step else " " for step in shown)


def rate(units_per_s: float, unit: str) -> str:
    """`117 GFLOP/s fp32`, `3.35 TB/s` for memory."""
    name = "B/s" if unit == "dram" else "FLOP/s"
    for scale, prefix in ((1e12, "T"), (1e9, "G")):
        if units_per_s >= scale:
            return f"{units_per_s / scale:.4g} {prefix}{name} {unit}"
    return f"{units_per_s / 1e6:.4g} M{name} {unit}"


def spent(amount: int, limit: int | None, what: str) -> str:
    """`23 of 60 attempts`, or `23 attempts` without a limit."""
    return f"{amount} of {counted(limit, what)}" if limit else counted(amount, what)


def counted(amount: int, what: str) -> str:
    """`1 attempt`, `2 attempts`."""
    return f"{amount} {what}" if amount == 1 else f"{amount} {what}s"


def cost(usd: float | None) -> str:
    """`$0.12`; says so where the price is not known."""
    return "cost unknown" if usd is None else f"${usd:.2f}"

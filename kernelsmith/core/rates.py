"""Format rates as text for prompts and reports."""

from kernelsmith.core.kinds import Unit


def rate(units_per_s: float, unit: Unit) -> str:
    """Return a rate, `units_per_s` operations or bytes per second, as text with four significant digits and a prefix M,
    G or T. `unit` decides the text of the unit: `117.4 GFLOP/s`, `1979 TFLOP/s`, or `3.35 TB/s` for the unit `dram`.
    """
    for scale, prefix in ((1e12, "T"), (1e9, "G")):
        if units_per_s >= scale:
            return f"{units_per_s / scale:.4g} {prefix}{unit.per_second}"
    return f"{units_per_s / 1e6:.4g} M{unit.per_second}"

"""Define the enumerations of values that task.toml may hold: kinds of device, units, roles of arguments, kinds of data.

harness/contract.toml lists the same values for the judge; a test in tests/core compares the two.
"""

from enum import StrEnum


class DeviceKind(StrEnum):
    """The kind of device on which a task's kernels run: a CPU, or an NVIDIA GPU (`cuda`)."""

    CPU = "cpu"
    CUDA = "cuda"


class MeasuringKind(StrEnum):
    """The kind of device that measured a run: `cpu`, `cuda` (an NVIDIA GPU), or `scripted` (nothing is measured; times
    and failures come from a file, for tests and demonstrations).
    """

    CPU = "cpu"
    CUDA = "cuda"
    SCRIPTED = "scripted"
    """A device whose times and failures come from a file; its numbers are no measurements."""


SCRIPTED_DEVICE = "scripted:"
"""Prefix of a scripted device's name; the path of the script follows."""


class Unit(StrEnum):
    """The unit in which a task counts its work: arithmetic operations of one number type, such as `fp8`, or bytes to
    and from memory (`dram`). The device's peak rate is counted in the same unit; utilization is the achieved fraction
    of that peak.
    """

    FP8 = "fp8"
    BF16 = "bf16"
    FP16 = "fp16"
    TF32 = "tf32"
    FP32 = "fp32"
    DRAM = "dram"

    @property
    def per_second(self) -> str:
        """Return the unit of a rate as text: `B/s` for `dram`, `FLOP/s` for all others."""
        return "B/s" if self is Unit.DRAM else "FLOP/s"


class Role(StrEnum):
    """The purpose of an argument of the entry function, which every candidate must define: an input array, an output
    array, or a size.
    """

    INPUT = "input"
    OUTPUT = "output"
    SIZE = "size"


class DataKind(StrEnum):
    """The distribution of the random inputs of a case: normal numbers, small whole numbers, or rows whose magnitudes
    differ by powers of two (`wide_range`).
    """

    NORMAL = "normal"
    SMALL_INTEGERS = "small_integers"
    WIDE_RANGE = "wide_range"

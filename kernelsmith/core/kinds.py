"""Enumerations of the values that task.toml may hold: kinds of device, units, roles of arguments, kinds of data.

harness/contract.toml lists the same values for the judge; a test in tests/core compares the two.
"""

from enum import StrEnum


class DeviceKind(StrEnum):
    """The kind of device that a task runs on."""

    CPU = "cpu"
    CUDA = "cuda"


class MeasuringKind(StrEnum):
    """The kind of device that measured a run: a task's kind of device, or a script."""

    CPU = "cpu"
    CUDA = "cuda"
    SCRIPTED = "scripted"
    """A device whose times and failures come from a file; its numbers are no measurements."""


SCRIPTED_DEVICE = "scripted:"
"""Prefix of a scripted device's name; the path of the script follows."""


class Unit(StrEnum):
    """The unit of a task's work, and of the device's peak that utilization refers to; `dram` counts bytes."""

    FP8 = "fp8"
    BF16 = "bf16"
    FP16 = "fp16"
    TF32 = "tf32"
    FP32 = "fp32"
    DRAM = "dram"

    @property
    def per_second(self) -> str:
        """Return the unit of a rate: `FLOP/s`, or `B/s` for `dram`."""
        return "B/s" if self is Unit.DRAM else "FLOP/s"


class Role(StrEnum):
    """The purpose of an argument of the entry function."""

    INPUT = "input"
    OUTPUT = "output"
    SIZE = "size"


class DataKind(StrEnum):
    """The distribution from which the inputs of a case are drawn."""

    NORMAL = "normal"
    SMALL_INTEGERS = "small_integers"
    WIDE_RANGE = "wide_range"

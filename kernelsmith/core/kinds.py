"""The words that a task is made of: kinds of device, units, roles of arguments, kinds of data.

harness/contract.toml lists the same words for the judge; tests/core holds the two together.
"""

from enum import StrEnum


class DeviceKind(StrEnum):
    """The kind of device that a task runs on."""

    CPU = "cpu"
    CUDA = "cuda"


class MeasuringKind(StrEnum):
    """The kind of device that a run's numbers come from."""

    CPU = "cpu"
    CUDA = "cuda"
    SCRIPTED = "scripted"
    """A device that does what a script says: its numbers are no measurements."""


SCRIPTED_DEVICE = "scripted:"
"""Begins the name of a scripted device; the path of its script follows."""


class Unit(StrEnum):
    """Which dense peak of the device utilization is a fraction of."""

    FP8 = "fp8"
    BF16 = "bf16"
    FP16 = "fp16"
    TF32 = "tf32"
    FP32 = "fp32"
    DRAM = "dram"

    @property
    def per_second(self) -> str:
        """What a rate in this unit counts: `FLOP/s`, or `B/s` for memory."""
        return "B/s" if self is Unit.DRAM else "FLOP/s"


class Role(StrEnum):
    """What an argument of the entry function is for."""

    INPUT = "input"
    OUTPUT = "output"
    SIZE = "size"


class DataKind(StrEnum):
    """How a case's inputs are drawn."""

    NORMAL = "normal"
    SMALL_INTEGERS = "small_integers"
    WIDE_RANGE = "wide_range"

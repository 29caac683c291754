"""Bounds of values that a judge sends, as types: the wire enforces them; other parts read plain numbers and texts.

A reader of annotations that knows `annotated_types`, such as pydantic, enforces them; the classes themselves do not.
"""

from typing import Annotated

from annotated_types import Gt, Interval, MaxLen, Predicate

from kernelsmith.core import caps, contract

Positive = Annotated[float, Interval(gt=1e-15, lt=1e30)]
"""A figure: what is smaller or larger is no measurement, and its ratios would not be numbers."""
Fraction = Annotated[float, Interval(ge=0, lt=1e30)]
"""A ratio or a duration that may be zero."""
Finite = Annotated[float, Interval(gt=-1e30, lt=1e30)]
Count = Annotated[int, Interval(ge=0, lt=1 << 63)]
"""A number that the attempt log can hold."""
Calls = Annotated[Count, Gt(0)]
Level = Annotated[int, Interval(ge=0, le=3)]
"""Of the sandbox."""
Text = Annotated[str, MaxLen(caps.TEXT)]
Name = Annotated[str, MaxLen(caps.NAME)]
Key = Annotated[str, Predicate(contract.is_key)]
"""What generates a batch's inputs."""

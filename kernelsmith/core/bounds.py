"""Bounds of values that a judge sends, as types: the wire enforces them; other parts read plain numbers and texts.

A reader of annotations that knows `annotated_types`, such as pydantic, enforces them; the classes themselves do not.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from kernelsmith.core import caps, contract


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """Bounds of a number, or of a text's length. It has the form of `annotated_types.GroupedMetadata`."""

    gt: float | None = None
    ge: float | None = None
    lt: float | None = None
    le: float | None = None
    shortest: int = 0
    longest: int | None = None
    holds: Callable[[str], bool] | None = None

    @property
    def __is_annotated_types_grouped_metadata__(self) -> Literal[True]:
        return True

    def __iter__(self) -> Iterator[object]:
        """Return the bounds as `annotated_types` names them."""
        # Only a program that checks values pays for this import: 20 ms of a command that shows a run.
        from annotated_types import Interval, Len, Predicate

        yield from Interval(gt=self.gt, ge=self.ge, lt=self.lt, le=self.le)
        yield from Len(self.shortest, self.longest)
        if self.holds:
            yield Predicate(self.holds)


Positive = Annotated[float, Bounds(gt=1e-15, lt=1e30)]
"""A figure: what is smaller or larger is no measurement, and its ratios would not be numbers."""
Fraction = Annotated[float, Bounds(ge=0, lt=1e30)]
"""A ratio or a duration that may be zero."""
Finite = Annotated[float, Bounds(gt=-1e30, lt=1e30)]
Count = Annotated[int, Bounds(ge=0, lt=1 << 63)]
"""A number that the attempt log can hold."""
Calls = Annotated[Count, Bounds(gt=0)]
Level = Annotated[int, Bounds(ge=0, le=3)]
"""Of the sandbox."""
Text = Annotated[str, Bounds(longest=caps.TEXT)]
Name = Annotated[str, Bounds(longest=caps.NAME)]
Key = Annotated[str, Bounds(holds=contract.is_key)]
"""What generates a batch's inputs."""

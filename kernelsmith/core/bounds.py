"""Define annotated types with bounds for the values that a judge sends, such as a positive number or a text of limited
length.

Only pydantic enforces the bounds, where the agent reads the wire or a config file; a dataclass that uses these types
accepts any value.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from kernelsmith.core import caps, contract


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """The bounds of a number (above `gt`, at least `ge`, below `lt`, at most `le`) or of a text (least and greatest
    length, and a function `holds` that returns whether the text is allowed), written inside `typing.Annotated`.
    Pydantic refuses values outside the bounds, because the object acts as an `annotated_types.GroupedMetadata`; a
    dataclass checks nothing.
    """

    gt: float | None = None
    ge: float | None = None
    lt: float | None = None
    le: float | None = None
    shortest: int = 0
    """Least length of a text, in characters."""
    longest: int | None = None
    """Greatest length of a text, in characters."""
    holds: Callable[[str], bool] | None = None
    """Returns whether a text is allowed."""

    @property
    def __is_annotated_types_grouped_metadata__(self) -> Literal[True]:
        return True

    def __iter__(self) -> Iterator[object]:
        """Yield the bounds as objects of the package `annotated_types`, which pydantic understands: an Interval for a
        number, a Len for a length, and a Predicate if the function `holds` is set. Pydantic calls this method.
        """
        # Imported only when a value is checked, because the import takes 20 ms of a command that shows a run.
        from annotated_types import Interval, Len, Predicate

        yield from Interval(gt=self.gt, ge=self.ge, lt=self.lt, le=self.le)
        yield from Len(self.shortest, self.longest)
        if self.holds:
            yield Predicate(self.holds)


Positive = Annotated[float, Bounds(gt=1e-15, lt=1e30)]
"""A measured value. Smaller or larger numbers are no measurement, and their ratios could be infinite or zero."""
Fraction = Annotated[float, Bounds(ge=0, lt=1e30)]
"""A ratio or a duration of at least zero."""
Finite = Annotated[float, Bounds(gt=-1e30, lt=1e30)]
"""Any finite number."""
Count = Annotated[int, Bounds(ge=0, lt=1 << 63)]
"""A whole number that SQLite can store."""
Calls = Annotated[Count, Bounds(gt=0)]
"""A number of calls, at least 1."""
Level = Annotated[int, Bounds(ge=0, le=3)]
"""A sandbox level; 3 confines most."""
Text = Annotated[str, Bounds(longest=caps.TEXT)]
"""A detail, a note or a warning."""
Name = Annotated[str, Bounds(longest=caps.NAME)]
"""The name of a device, a stage or a case."""
Key = Annotated[str, Bounds(holds=contract.is_key)]
"""The 128-bit key, in hexadecimal digits, from which the inputs of a batch are drawn."""

"""Lists attempts in a table. The page of a run and its live view share these headings and cells."""

from collections.abc import Callable, Mapping, Sequence

from kernelsmith.report import figures
from kernelsmith.report.model_attempt import AttemptRow

Cells = tuple[str, ...]


def attempts_table(attempts: Sequence[AttemptRow], headings: Sequence[str]) -> list[Cells]:
    """Return a table as a list of rows, each a tuple of texts: first the headings, then one row for each attempt.
    `headings` are keys of `CELLS`, a mapping from a heading to the function that makes its cell, for example
    `RUN_HEADINGS`; any other key raises KeyError. Every cell is one line without control characters.
    """
    cells = [CELLS[heading] for heading in headings]
    return [tuple(headings), *(tuple(cell(attempt) for cell in cells) for attempt in attempts)]


def _parent(attempt: AttemptRow) -> str:
    return "" if attempt.parent is None else f"{attempt.parent}"


def _percent_of_peak(attempt: AttemptRow) -> str:
    return figures.percent(attempt.verdict.utilization).removesuffix(" %")


def _time_per_call(attempt: AttemptRow) -> str:
    measured = attempt.verdict.measurement
    return figures.duration(measured.time_us) if measured else ""


CELLS: Mapping[str, Callable[[AttemptRow], str]] = {
    "#": lambda attempt: f"{attempt.number}",
    "ask": lambda attempt: f"{attempt.ask}",
    "trial": lambda attempt: f"{attempt.trial}",
    "from": _parent,
    "stance": lambda attempt: attempt.stance,
    "status": lambda attempt: attempt.verdict.status,
    "% peak": _percent_of_peak,
    "time/call": _time_per_call,
    "result": lambda attempt: figures.reason(attempt.verdict),
}
"""Heading of a column -> function that returns the cell of an attempt. A time has its unit (us, ms, s) in the cell."""
RUN_HEADINGS = ("#", "from", "stance", "status", "% peak", "time/call", "result")
"""Columns of a run without sweep trials. `from` is the number of the attempt that the candidate was made from."""
SWEEP_HEADINGS = ("#", "ask", "trial", *RUN_HEADINGS[1:])
"""Columns of a run with sweep trials, in which several attempts answer one ask."""
LIVE_HEADINGS = ("#", "status", "% peak", "stance", "result")
"""Columns of the live view of a run."""

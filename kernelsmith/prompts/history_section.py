"""What a prompt tells of a run so far, chosen under a token budget; pure, and the same for the same history.

Always told: the source to start from, the incumbent, the latest verdicts. The table of attempts gets what room is
left; promotions stay in it longest, then the newest.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from kernelsmith.core.attempt import Ask, Attempt, Stance
from kernelsmith.core.history import History
from kernelsmith.prompts.clean import clip, quoted, tokens
from kernelsmith.prompts.outcome import details, failed, result_of, row

LATEST = 3
"""How many verdicts are told in full."""

RECENT = 10
"""A failure among the last so many is told in full as well."""

_HEADINGS = 250
"""Tokens for the template's own words and the marks around data."""


@dataclass(frozen=True, slots=True)
class ShownKernel:
    """A kernel whose source is shown, whole where there is room."""

    number: int
    result: str
    source: str
    """Marked as data."""


@dataclass(frozen=True, slots=True)
class HistorySection:
    """The values of history.j2."""

    counts: str
    """`60 attempts: 41 passed, 12 incorrect, 7 build_failed`."""
    table: str
    """One row an attempt, oldest first, marked as data; empty where none fits."""
    left_out: int
    """Attempts that the table has no room for."""
    parent: ShownKernel | None
    """The kernel to start from."""
    incumbent: ShownKernel | None
    """The best kernel, where it is not the parent."""
    latest: tuple[str, ...]
    """Verdicts in full, oldest first, marked as data."""


def history_section(history: History, ask: Ask, *, limit: int) -> HistorySection:
    """Return what a prompt shows of a run for one ask, in about `limit` tokens."""
    room = max(limit - _HEADINGS, 0)
    parent, incumbent = _kernels(history, ask, room=room)
    latest = tuple(details(attempt, room // 16) for attempt in _telling(history, ask))
    used = sum(tokens(text) for text in (*latest, *(k.source for k in (parent, incumbent) if k)))
    rows, left_out = _rows(history.attempts, room=room - used)
    return HistorySection(
        counts=_counts(history.attempts),
        table=quoted("\n".join(rows), "attempts") if rows else "",
        left_out=left_out,
        parent=parent,
        incumbent=incumbent,
        latest=latest,
    )


def _kernels(history: History, ask: Ask, *, room: int) -> tuple[ShownKernel | None, ShownKernel | None]:
    """Return parent and incumbent; neither for a restart, which begins anew with the lessons and without the code."""
    if ask.directive.stance is Stance.RESTART:
        return None, None
    parent = _parent(history, ask)
    best = history.incumbent if history.incumbent is not parent else None
    # The table and the verdicts keep what two sources, or a lone one, leave.
    shares = (room * 4 // 10, room * 2 // 10) if parent and best else (room * 6 // 10,) * 2
    return _kernel(parent, shares[0]), _kernel(best, shares[1])


def _parent(history: History, ask: Ask) -> Attempt | None:
    number = ask.directive.parent
    return None if number is None else history.attempt(number)


def _kernel(attempt: Attempt | None, limit: int) -> ShownKernel | None:
    if attempt is None or attempt.candidate is None:
        return None
    verdict = attempt.verdict
    result = result_of(verdict) if verdict.passed else verdict.status.value
    source = quoted(clip(attempt.candidate.source, limit), f"source of attempt {attempt.number}")
    return ShownKernel(attempt.number, result, source)


def _telling(history: History, ask: Ask) -> list[Attempt]:
    """Return the latest attempts, the last failure if it is recent, and the parent if it failed; oldest first."""
    told = list(history.attempts[-LATEST:])
    recent = history.attempts[-RECENT:]
    told += [attempt for attempt in reversed(recent) if failed(attempt)][:1]
    parent = _parent(history, ask)
    if parent and failed(parent):
        told.append(parent)
    return [attempt for _, attempt in sorted({a.number: a for a in told}.items())]


def _counts(attempts: Sequence[Attempt]) -> str:
    by_status = Counter(attempt.verdict.status.value for attempt in attempts)
    parts = ", ".join(f"{count} {status}" for status, count in by_status.most_common())
    return f"{len(attempts)} attempt{'s' if len(attempts) != 1 else ''}: {parts}"


def _rows(attempts: Sequence[Attempt], *, room: int) -> tuple[list[str], int]:
    """Return the rows of the table that fit, oldest first, and the number of attempts that are left out."""
    promoted_first = sorted(attempts, key=lambda a: (a.verdict.promotion is None, -a.number))
    kept: dict[int, str] = {}
    for attempt in promoted_first:
        line = row(attempt)
        if (room := room - tokens(line + "\n")) < 0:
            break
        kept[attempt.number] = line
    return [kept[number] for number in sorted(kept)], len(attempts) - len(kept)

"""Choose what a prompt shows of a run's past attempts, within a limit of tokens: sources, verdicts and a table.

The same history and ask always give the same choice. The parent's source, the incumbent's source and the latest
verdicts come first. The table of attempts gets the room that is left: promoted attempts first, then the newest.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from kernelsmith.core.attempt import Ask, Attempt, Stance
from kernelsmith.core.history import History
from kernelsmith.prompts.clean import clip, quoted, tokens
from kernelsmith.prompts.outcome import details, failed, result_of, row

LATEST = 3
"""The number of latest attempts whose verdicts are shown in full."""

RECENT = 10
"""The number of latest attempts among which the last failure is shown in full too."""

_HEADINGS = 250
"""Tokens reserved for the template's own words and for the marks around data."""


@dataclass(frozen=True, slots=True)
class ShownKernel:
    """One past kernel as a prompt shows it: the number of its attempt, its result in words, and its source text, from
    which the middle is cut if it is too long.
    """

    number: int
    """The attempt's number."""
    result: str
    """Its utilization and duel in words, or its status if it did not pass."""
    source: str
    """Its source, marked as data."""


@dataclass(frozen=True, slots=True)
class HistorySection:
    """The part of a prompt about a run's past attempts: the number of attempts by status, a table, the sources of the
    kernel to start from and of the best kernel, and the latest verdicts. `history_section` makes it, and the template
    `history.j2` prints it.
    """

    counts: str
    """Number of attempts by status: `60 attempts: 41 passed, 12 incorrect, 7 build_failed`."""
    table: str
    """One row per attempt, oldest first, marked as data; empty if no row fits."""
    left_out: int
    """Number of attempts for which the table has no room."""
    parent: ShownKernel | None
    """The kernel to start from; None to start from scratch."""
    incumbent: ShownKernel | None
    """The best kernel; None if there is none or it is the parent."""
    latest: tuple[str, ...]
    """Verdicts in full, oldest first, each marked as data."""


def history_section(history: History, ask: Ask, *, limit: int) -> HistorySection:
    """Return the HistorySection that a prompt shows of the run's record `history`: counts by status, a table, two
    sources and the latest verdicts, cut to about `limit` tokens in total. `ask` selects the parent's source (none for a
    restart), and a failed parent's verdict is shown in full. The table loses rows first (the oldest attempts that were
    not promoted), while verdicts and sources are clipped to fixed shares of `limit`.
    """
    room = max(limit - _HEADINGS, 0)
    parent, incumbent = _kernels(history, ask, room=room)
    latest = tuple(details(attempt, room // 16) for attempt in _detailed(history, ask))
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
    """Return a pair: the kernel that the ask starts from, and the incumbent (the best kernel); `room` is the number of
    tokens for the whole section, and both sources fill at most 60 % of it. The first is None if the ask has no parent;
    the second is None if nothing passed or it equals the first. Both are None if the ask is a restart from scratch.
    """
    if ask.directive.stance is Stance.RESTART:
        return None, None
    parent = _parent(history, ask)
    best = history.incumbent if history.incumbent is not parent else None
    # At least 40 % of the room is left for the verdicts and the table.
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


def _detailed(history: History, ask: Ask) -> list[Attempt]:
    """Return the attempts of a run whose verdicts the prompt for `ask` shows in full, oldest first and each once: the
    latest 3, the last failed one among the latest 10, and the attempt that the ask starts from if it failed.
    """
    chosen = list(history.attempts[-LATEST:])
    recent = history.attempts[-RECENT:]
    chosen += [attempt for attempt in reversed(recent) if failed(attempt)][:1]
    parent = _parent(history, ask)
    if parent and failed(parent):
        chosen.append(parent)
    return [attempt for _, attempt in sorted({a.number: a for a in chosen}.items())]


def _counts(attempts: Sequence[Attempt]) -> str:
    by_status = Counter(attempt.verdict.status.value for attempt in attempts)
    parts = ", ".join(f"{count} {status}" for status, count in by_status.most_common())
    return f"{len(attempts)} attempt{'s' if len(attempts) != 1 else ''}: {parts}"


def _rows(attempts: Sequence[Attempt], *, room: int) -> tuple[list[str], int]:
    """Return a pair: the rows of the table of attempts that fit into `room` tokens (a list of lines, oldest attempt
    first), and the number of attempts that are left out. Attempts that became the best are kept first, then the newest.
    """
    promoted_first = sorted(attempts, key=lambda a: (a.verdict.promotion is None, -a.number))
    kept: dict[int, str] = {}
    for attempt in promoted_first:
        line = row(attempt)
        if (room := room - tokens(line + "\n")) < 0:
            break
        kept[attempt.number] = line
    return [kept[number] for number in sorted(kept)], len(attempts) - len(kept)

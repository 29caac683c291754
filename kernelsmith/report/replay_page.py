"""A recorded run against the same candidates judged again: recorded figures, figures now, and their ratio."""

from typing import Any

from kernelsmith.core.attempt import Attempt
from kernelsmith.core.history import History
from kernelsmith.propose.replay import recorded_number
from kernelsmith.report import figures
from kernelsmith.report.attempt_page import attempt_data
from kernelsmith.report.text import columns, one_line

HEADINGS = ("#", "recorded", "", "now", "", "speed now / then", "")


def replay_data(recorded: History, now: History) -> dict[str, Any]:
    """`{recorded, now, attempts: [{number, recorded, now, speedup}]}`; speedup = recorded time / time now."""
    return {
        "recorded": recorded.run.name,
        "now": now.run.name,
        "attempts": [
            {
                "number": then.number,
                "recorded": attempt_data(then),
                "now": attempt_data(again),
                "speedup": _ratio(then, again),
            }
            for then, again in pairs(recorded, now)
        ],
    }


def replay_page(recorded: History, now: History, *, width: int | None = None) -> str:
    """A row for each candidate, below the two devices."""
    rows = [_row(then, again) for then, again in pairs(recorded, now)]
    devices = columns([("recorded on", _device(recorded)), ("now on", _device(now))])
    return f"{devices}\n\n{columns([HEADINGS, *rows], width=width)}"


def pairs(recorded: History, now: History) -> list[tuple[Attempt, Attempt]]:
    """Each attempt of the replay behind the one it repeats."""
    return [(recorded.attempts[recorded_number(again)], again) for again in now.attempts]


def lost(recorded: History, now: History) -> list[int]:
    """The recorded numbers that passed then and do not pass now."""
    return [then.number for then, again in pairs(recorded, now) if then.verdict.passed and not again.verdict.passed]


def _ratio(then: Attempt, again: Attempt) -> float | None:
    before, after = then.verdict.measurement, again.verdict.measurement
    return before.time_us / after.time_us if before and after else None


def _row(then: Attempt, again: Attempt) -> tuple[str, ...]:
    ratio = _ratio(then, again)
    reason = "" if again.verdict.passed else one_line(again.verdict.detail)
    return (str(then.number), *_cells(then), *_cells(again), f"{ratio:.3f}" if ratio else "", reason)


def _cells(attempt: Attempt) -> tuple[str, str]:
    """Status or share of peak, and the time."""
    found = attempt.verdict.measurement
    if found is None:
        return attempt.verdict.status, ""
    return figures.percent(found.utilization), figures.interval(found)


def _device(history: History) -> str:
    device = history.device
    return one_line(f"{device.name}, peak {figures.rate(device.peak, device.unit)}") if device else "unknown"

"""What a run came to: plain data first, then the few lines that a person reads."""

from typing import Any

from kernelsmith.core.attempt import Attempt
from kernelsmith.core.history import History
from kernelsmith.core.run import EventKind
from kernelsmith.report import figures
from kernelsmith.report.text import columns, one_line

BEGINNINGS = (EventKind.STARTED, EventKind.RESUME)
ENDINGS = (EventKind.ENDED, EventKind.PAUSED, EventKind.EXHAUSTED)


def summary(history: History) -> dict[str, Any]:
    """The run's outcome as plain data; utilizations are fractions of peak, times microseconds a call."""
    best = history.incumbent
    return {
        "run": history.run.name,
        "task": history.run.config.task,
        "ended": _ending(history),
        "attempts": len(history.attempts),
        "passed": sum(attempt.verdict.passed for attempt in history.attempts),
        "active_s": history.active_s,
        "cost_usd": history.usage.cost_usd,
        "best": best_data(best) if best else None,
        "promotions": [_step(a) for a in history.attempts if a.verdict.promotion],
    }


def summary_text(history: History, *, options: str = "") -> str:
    """The same in a few aligned lines, with the commands that lead on; `options` is what each of them must repeat."""
    led = " | ".join(f"{command}{options}" for command in _next(history))
    return columns([("run", history.run.name), *rows_of(history), ("next", led)])


def rows_of(history: History) -> list[tuple[str, str]]:
    """How it ended, what was spent, and what was found."""
    passed = sum(attempt.verdict.passed for attempt in history.attempts)
    made = figures.counted(len(history.attempts), "attempt")
    spent = f"{made}, {passed} passed, {figures.clock(history.active_s)} active"
    rows = [("ended", one_line(_ending(history))), ("spent", f"{spent}, {figures.cost(history.usage.cost_usd)}")]
    return rows + _found(history)


def _found(history: History) -> list[tuple[str, str]]:
    best = history.incumbent
    if best is None or best.verdict.measurement is None:
        return [("best", "none: no candidate passed")]
    found = best.verdict.measurement
    words = [f"{figures.percent(found.utilization)} of {figures.rate(found.peak, found.unit)}"]
    words += [of_vendor] if (of_vendor := figures.of_vendor(found, history.device_of(best))) else []
    words += [figures.interval(found), f"attempt {best.number}"]
    steps = [f"{figures.percent(a.verdict.utilization)} at {a.number}" for a in history.attempts if a.verdict.promotion]
    return [("best", " · ".join(words)), ("steps", " > ".join(steps)), ("", figures.staircase(history.attempts))]


def _next(history: History) -> list[str]:
    name, best = history.run.name, history.incumbent
    if best is None or best.proposal.candidate is None:
        return [f"kernelsmith show {name}"]
    first = next(a.number for a in history.attempts if a.verdict.promotion)
    commands = [f"kernelsmith show {name}", f"kernelsmith best {name} -o best{best.proposal.candidate.language.suffix}"]
    return commands + ([f"kernelsmith diff {name}:{first} {name}:{best.number}"] if first != best.number else [])


def _ending(history: History) -> str:
    """The reason in the event that ended or paused the run; a run that goes on has none yet."""
    last = next((e for e in reversed(history.events) if e.kind in (*ENDINGS, *BEGINNINGS)), None)
    return str(last.data.get("reason", last.kind)) if last and last.kind in ENDINGS else "not yet"


def _step(attempt: Attempt) -> dict[str, Any]:
    return {"number": attempt.number, "utilization": attempt.verdict.utilization, "by": attempt.verdict.promotion}


def best_data(attempt: Attempt) -> dict[str, Any]:
    """The attempt's measurement with its denominators."""
    found = attempt.verdict.measurement
    assert found is not None
    return {
        "number": attempt.number,
        "utilization": found.utilization,
        "time_us": found.time_us,
        "interval_us": [found.interval_us.low, found.interval_us.high],
        "vendor_ratio": found.vendor_ratio,
        "vendor_paired": found.vendor_paired,
        "sustained_us": found.sustained_us,
        "utilization_at_clock": found.utilization_at_clock,
        "peak": found.peak,
        "unit": found.unit,
    }

"""Two runs side by side: configuration, first divergence, milestones, best against best."""

from dataclasses import asdict
from typing import Any

from kernelsmith.core.attempt import Attempt
from kernelsmith.core.history import History
from kernelsmith.report import figures
from kernelsmith.report.attempt_diff import differing, speed_of
from kernelsmith.report.attempt_line import attempt_line
from kernelsmith.report.summary import best_data
from kernelsmith.report.text import columns, one_line

STEPS = 10
"""Milestones of utilization are one of this many parts of peak apart."""


def runs_data(a: History, b: History) -> dict[str, Any]:
    """What differs between the runs; milestones are numbers of attempts, None where a run did not get there."""
    parted = _divergence(a, b)
    return {
        "a": a.run.name,
        "b": b.run.name,
        "configuration": differing(_settings(a), _settings(b)),
        "first_divergence": parted,
        "milestones": [
            {"milestone": name, "a": x.number if x else None, "b": y.number if y else None}
            for name, x, y in _milestones(a, b)
        ],
        "best": {side: best_data(h.incumbent) if h.incumbent else None for side, h in (("a", a), ("b", b))},
    }


def runs_page(a: History, b: History) -> str:
    """The comparison for a reader."""
    settings = [
        (key, one_line(str(x)), one_line(str(y))) for key, (x, y) in differing(_settings(a), _settings(b)).items()
    ]
    milestones = [(name, _when(a, x), _when(b, y)) for name, x, y in _milestones(a, b)]
    heading = ("", a.run.name, b.run.name)
    parts = [columns([heading, *settings]) if settings else "the configurations are identical", _parted(a, b)]
    parts += [columns([("reached at", a.run.name, b.run.name), *milestones])] if milestones else []
    return "\n\n".join([*parts, _bests(a, b)])


def _settings(history: History) -> dict[str, Any]:
    """Everything a run was asked to be, and what it ran on, flat."""
    config = asdict(history.run.config)
    budget = {f"budget.{key}": value for key, value in asdict(history.budget).items()}
    device = history.device
    about = {"device": device.name, "peak": figures.rate(device.peak, device.unit)} if device else {}
    vendor = {"vendor line": device.vendor.name} if device and device.vendor else {}
    del config["budget"]
    return {**config, **budget, "task digest": history.task_digest[:12], **about, **vendor}


def _divergence(a: History, b: History) -> int | None:
    """The first attempt whose candidates differ; None where one history begins with all of the other."""
    pairs = zip(a.attempts, b.attempts, strict=False)
    return next((x.number for x, y in pairs if _digest(x) != _digest(y)), None)


def _digest(attempt: Attempt) -> str:
    return attempt.proposal.candidate.digest if attempt.proposal.candidate else ""


def _milestones(a: History, b: History) -> list[tuple[str, Attempt | None, Attempt | None]]:
    """The first that passed, then every tenth of peak that either run reached, each with the attempts that did."""
    rows = [("first passing attempt", _reaching(a, 0), _reaching(b, 0))]
    step = 1
    while any(pair := (_reaching(a, step / STEPS), _reaching(b, step / STEPS))):
        rows.append((f"{step / STEPS:.0%} of peak".replace("%", " %"), *pair))
        step += 1
    return [row for row in rows if row[1] or row[2]]


def _reaching(history: History, utilization: float) -> Attempt | None:
    """The first promoted attempt at or above this fraction of peak."""
    steps = (attempt for attempt in history.attempts if attempt.verdict.promotion)
    return next((attempt for attempt in steps if (attempt.verdict.utilization or 0) >= utilization), None)


def _when(history: History, attempt: Attempt | None) -> str:
    """`attempt 14, after 0:45`."""
    if attempt is None:
        return "never"
    active_s = sum(earlier.seconds for earlier in history.attempts[: attempt.number + 1])
    return f"attempt {attempt.number}, after {figures.clock(active_s)}"


def _parted(a: History, b: History) -> str:
    number = _divergence(a, b)
    if number is None:
        same = min(len(a.attempts), len(b.attempts))
        return f"the same candidates in the first {figures.counted(same, 'attempt')}"
    lines = [f"first divergence at attempt {number}"]
    return "\n".join(lines + [f"{h.run.name}: {attempt_line(h.attempts[number], h)}" for h in (a, b)])


def _bests(a: History, b: History) -> str:
    x, y = (h.incumbent.verdict.measurement if h.incumbent else None for h in (a, b))
    if x is None or y is None or a.incumbent is None or b.incumbent is None:
        without = " and ".join(h.run.name for h in (a, b) if h.incumbent is None)
        return f"no candidate has passed in {without}"
    lines = [f"{h.run.name}:{best.number}  {attempt_line(best, h)}" for h, best in ((a, a.incumbent), (b, b.incumbent))]
    verdict = f"best against best, {b.run.name} over {a.run.name}: {speed_of(y, over=x)}"
    if x.peak != y.peak:
        verdict += f"; peaks {figures.rate(x.peak, x.unit)} and {figures.rate(y.peak, y.unit)}"
    return "\n".join([verdict, *lines])

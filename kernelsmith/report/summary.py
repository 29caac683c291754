"""What a run came to, in the few lines that a person reads."""

from kernelsmith.core.kinds import MeasuringKind
from kernelsmith.core.run import StopReason
from kernelsmith.report import figures
from kernelsmith.report.attempt_line import vendor_share
from kernelsmith.report.model import RunOutcome, SummaryReport
from kernelsmith.report.model_attempt import AttemptRow
from kernelsmith.report.text import columns, one_line

SIMULATED = "scripted: a script gave these numbers, and nothing was measured"
Row = tuple[str, str]


def summary_text(report: SummaryReport, *, options: str = "") -> str:
    """Return the outcome in aligned lines, with the commands that lead on; each of them ends with `options`."""
    commands = " | ".join(f"{command}{options}" for command in _next_commands(report.run, report.outcome))
    return columns([("run", report.run), *outcome_rows(report.outcome), ("next", commands)])


def outcome_rows(outcome: RunOutcome) -> list[Row]:
    """Return how the run ended, what it spent, and what it found."""
    spent = [outcome.made, f"{outcome.passed} passed", f"{figures.clock(outcome.active_s)} working"]
    rows = [("ended", one_line(outcome.ended)), ("spent", ", ".join([*spent, figures.cost(outcome.cost_usd)]))]
    if outcome.measured_on is MeasuringKind.SCRIPTED:
        rows.append(("device", SIMULATED))
    return rows + _found_rows(outcome)


def _found_rows(outcome: RunOutcome) -> list[Row]:
    best = outcome.best
    if best is None or best.verdict.measurement is None:
        return [("best", "none: no candidate passed")]
    measured = best.verdict.measurement
    peak = figures.rate(measured.peak, measured.unit)
    words = [f"{figures.percent(measured.utilization)} of {peak}", vendor_share(best)]
    words += [figures.interval(measured), f"attempt {best.number}"]
    steps = " > ".join(f"{figures.percent(step.utilization)} at {step.number}" for step in outcome.promotions)
    stairs = figures.staircase(outcome.climb)
    return [("best", " · ".join(word for word in words if word)), ("steps", steps), ("", stairs)]


def _next_commands(run: str, outcome: RunOutcome) -> list[str]:
    """Return the commands that lead on. A run that stopped before its budget was spent is offered to `resume` first."""
    best, is_paused = outcome.best, outcome.limit in (StopReason.USER, StopReason.TROUBLE)
    commands = [f"kernelsmith resume {run}"] if is_paused else []
    commands += [f"kernelsmith show {run}"]
    if best is None or best.language is None:
        return commands
    commands += [f"kernelsmith best {run} -o best{best.language.suffix}"]
    return commands + _compare_with_parent(run, best)


def _compare_with_parent(run: str, best: AttemptRow) -> list[str]:
    return [] if best.parent is None else [f"kernelsmith diff {run}:{best.parent} {run}:{best.number}"]

"""Formats the outcome of a run in a few lines of text, and names the commands that a user may want next."""

from kernelsmith.core.kinds import MeasuringKind
from kernelsmith.core.run import StopReason
from kernelsmith.report import figures
from kernelsmith.report.attempt_line import vendor_share
from kernelsmith.report.model import RunOutcome, SummaryReport
from kernelsmith.report.model_attempt import AttemptRow
from kernelsmith.report.text import columns, entries, one_line

SIMULATED = "scripted: a script gave these numbers, and nothing was measured"
STAIRS_INDENT = 10
"""Characters to the left of the staircase, at most: the widest name of a row and the gap behind it."""
Row = tuple[str, str]


def summary_text(
    report: SummaryReport, *, options: str = "", program: str = "kernelsmith", width: int | None = None
) -> str:
    """Return one string: the run's outcome in aligned lines, then one line for each suggested command. A command begins
    with `program` (how the user calls this program) and ends with `options`, such as ` --db FILE`. `width` is the
    number of characters to which the outcome, but no command, is wrapped; None does not wrap.
    """
    commands = [f"{program} {command}{options}" for command in _next_commands(report.run, report.outcome)]
    following = [(f"{'next' if not index else '':5}", command) for index, command in enumerate(commands)]
    outcome = entries([(f"{'run':5}", report.run), *outcome_rows(report.outcome, width=width)], width=width)
    return f"{outcome}\n{columns(following)}"


def outcome_rows(outcome: RunOutcome, *, width: int | None = None) -> list[Row]:
    """Return the outcome of a run as a list of pairs (name, value in words): why the run ended, what it spent, its best
    attempt, and a bar chart of the best utilization after each attempt. `width` is the number of characters in a line;
    a chart that is longer draws fewer attempts (None = all).
    """
    made = [outcome.made, f"{outcome.passed} passed", figures.working(outcome.active_s, outcome.elapsed_s)]
    rows = [("ended", one_line(outcome.ended)), ("spent", ", ".join([*made, figures.cost(outcome.cost_usd)]))]
    if outcome.measured_on is MeasuringKind.SCRIPTED:
        rows.append(("device", SIMULATED))
    return rows + _best_rows(outcome, width)


def _best_rows(outcome: RunOutcome, width: int | None) -> list[Row]:
    best = outcome.best
    if best is None or best.verdict.measurement is None:
        return [("best", "none: no candidate passed")]
    measured = best.verdict.measurement
    peak = figures.rate(measured.peak, measured.unit)
    words = [f"{figures.percent(measured.utilization)} of {peak}", vendor_share(best)]
    words += [figures.interval(measured), f"attempt {best.number}"]
    steps = " > ".join(f"{figures.percent(step.utilization)} at {step.number}" for step in outcome.promotions)
    stairs = figures.staircase(outcome.climb, most=width and max(width - STAIRS_INDENT, 1))
    return [("best", " · ".join(word for word in words if word)), ("steps", steps), ("", stairs)]


def _next_commands(run: str, outcome: RunOutcome) -> list[str]:
    """Return a list of commands that the user may want after the run named `run`, without the program's name, such as
    `show RUN`. `outcome` decides which: `resume RUN` comes first if the run is paused.
    """
    best, is_paused = outcome.best, outcome.limit in (StopReason.USER, StopReason.TROUBLE)
    commands = [f"resume {run}", f"show {run}"] if is_paused else [f"show {run}"]
    if best is None or best.language is None:
        return commands
    return [*commands, f"best {run} -o best{best.language.suffix}", *_compare_with_parent(run, best)]


def _compare_with_parent(run: str, best: AttemptRow) -> list[str]:
    return [] if best.parent is None else [f"diff {run}:{best.parent} {run}:{best.number}"]

"""Defines the command `kernelsmith replay`, which plays a recorded run back, or judges its candidates again on this
machine.
"""

import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from kernelsmith import invocation
from kernelsmith.cli import options, terminal

if TYPE_CHECKING:
    from kernelsmith.core.history import History

PLAY_S = 20.0
"""The most seconds that playing a run back takes on a terminal."""
STEP_S = 0.25
"""The most seconds for which one attempt is the newest on the screen."""
MEASURE = typer.Option("--measure", metavar="best|improvements|all", help="Judge these candidates again, here and now.")


def replay(
    run: options.RunArgument,
    measure: Annotated[str | None, MEASURE] = None,
    trust_candidates: options.Trust = False,
    harness_python: options.HarnessPython = None,
    trust_task: options.TrustTask = None,
    db: options.Database = None,
    json: options.Json = False,
) -> None:
    """Play a recorded run back, attempt by attempt, or with --measure judge its candidates again on this machine.

    --measure judges the candidates in a new run, RUN-replay-1; only this needs the device. Exit code 1: a candidate
    that passed then fails now.
    """
    from kernelsmith.app.reading import read_history, read_run
    from kernelsmith.propose.replay import selection_named

    selection = selection_named(measure) if measure is not None else None
    if selection is not None:
        machine = {"trust_candidates": trust_candidates, "harness_python": harness_python}
        return _judge_again(run, selection, db=db, json=json, trusted_task=trust_task, **machine)
    if json:
        return terminal.result_json(read_run(run, db=db))
    return _play(read_history(run, db=db), db=db)


def _play(history: "History", *, db: str | None) -> None:
    """Play a recorded run back: redraw it attempt by attempt if stdout is a terminal, else print a line for each
    attempt; then print the run's summary. `history` is everything that the log holds of the run, and `db` the value of
    `--db` (None = not given), which the suggested commands repeat.
    """
    from kernelsmith.report.attempt_line import attempt_line
    from kernelsmith.report.model import summary_report
    from kernelsmith.report.model_attempt import attempt_row
    from kernelsmith.report.summary import summary_text

    if sys.stdout.isatty():
        _play_live(history)
    else:
        for attempt in history.attempts:
            row = attempt_row(attempt, history.device_of(attempt))
            terminal.result(attempt_line(row, limit=history.budget.attempts))
    words = {"options": options.repeated(db), "program": invocation.command_name()}
    terminal.result(summary_text(summary_report(history), **words, width=terminal.width()))


def _play_live(history: "History") -> None:
    from rich.console import Console

    from kernelsmith.cli.live import LiveView

    step_s = min(STEP_S, PLAY_S / max(len(history.attempts), 1))
    with LiveView(Console(), suffix="replay", is_replay=True) as view:
        for count in range(len(history.attempts) + 1):
            view.history(replace(history, attempts=history.attempts[:count]))
            time.sleep(step_s)


def _judge_again(run: str, selection: str, *, db: str | None, json: bool, **how: object) -> None:
    from kernelsmith.app.reading import read_history
    from kernelsmith.app.replay import judge_again
    from kernelsmith.cli.outcome import exit_if_stopped
    from kernelsmith.cli.view import say_how_to_stop, watched
    from kernelsmith.propose.replay import Selection
    from kernelsmith.report.model_replay import replay_report
    from kernelsmith.report.replay_page import replay_text

    with watched() as (view, stop):
        session = judge_again(run, Selection(selection), db=db, observer=view, stopped=stop, **how)  # type: ignore[arg-type]
        say_how_to_stop(view, session.resume_command)
        with session:
            now = session.run()
    report = replay_report(read_history(run, db=db), now)
    terminal.result_json(report) if json else terminal.result(replay_text(report, width=terminal.width()))
    exit_if_stopped(now)
    if report.lost:
        terminal.fault(f"passed when recorded, not now: {', '.join(map(str, report.lost))}")
        raise typer.Exit(1)

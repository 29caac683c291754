"""`kernelsmith replay`: a history played back, or its candidates judged again on this machine."""

import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kernelsmith.cli import options, terminal

if TYPE_CHECKING:
    from kernelsmith.core.history import History
    from kernelsmith.log.store import Store
    from kernelsmith.propose.replay import Selection

PLAY_S = 20.0
"""A history of any length is played back in at most this time ..."""
STEP_S = 0.25
"""... and an attempt of a short one in this."""
MEASURE = typer.Option("--measure", metavar="best|improvements|all", help="Judge these again: recorded against now.")


def replay(
    run: options.RunArgument,
    measure: Annotated[str | None, MEASURE] = None,
    trust_candidates: options.Trust = False,
    harness_python: options.HarnessPython = None,
    db: options.Database = None,
    json: options.Json = False,
) -> None:
    """Play a run back, attempt by attempt; no device is needed unless --measure is given.

    What --measure judges is a run of its own, named RUN-replay-1. Exit code 1: what passed then does not pass now.
    """
    from kernelsmith.cli.references import history_of
    from kernelsmith.log.store import open_store
    from kernelsmith.propose.replay import selection_named

    selection = selection_named(measure) if measure is not None else None
    with open_store(options.database_url(db), create=False) as store:
        recorded = history_of(store, run)
        if selection is None:
            return _play(recorded, store, json=json, db=db)
        settings = {"trust_candidates": trust_candidates, "harness_python": harness_python}
        now = _judge_again(store, recorded, selection, settings=settings, db=db)
    return _tell(recorded, now, json=json)


def _play(history: "History", store: "Store", *, json: bool, db: str | None) -> None:
    """On a terminal in the view that the run had, elsewhere a line an attempt."""
    from kernelsmith.report.attempt_line import attempt_line
    from kernelsmith.report.run_page import run_data
    from kernelsmith.report.summary import summary_text

    if json:
        return terminal.result_json(run_data(history, store.status(history.run)))
    if sys.stdout.isatty():
        _play_live(history)
    else:
        for attempt in history.attempts:
            terminal.result(attempt_line(attempt, history))
    return terminal.result(summary_text(history, options=options.repeated(db)))


def _play_live(history: "History") -> None:
    from rich.console import Console

    from kernelsmith.cli.live import LiveView

    step_s = min(STEP_S, PLAY_S / max(len(history.attempts), 1))
    with LiveView(f"{history.run.config.task} · {history.run.name} · replay", Console()) as view:
        for count in range(len(history.attempts) + 1):
            view.history(replace(history, attempts=history.attempts[:count]))
            time.sleep(step_s)


def _judge_again(
    store: "Store", recorded: "History", selection: "Selection", *, settings: dict[str, Any], db: str | None
) -> "History":
    """A run whose proposer repeats the recorded candidates; `settings` are this machine's, not the recording's."""
    from kernelsmith.cli import interpreter
    from kernelsmith.cli.judging import ready_task
    from kernelsmith.cli.resume import same_task
    from kernelsmith.cli.run import wire
    from kernelsmith.cli.session import carry_on
    from kernelsmith.core.run import Budget, Event, EventKind
    from kernelsmith.propose.replay import ReplayProposer

    python = settings["harness_python"] or recorded.run.config.harness_python
    settings["harness_python"] = python and interpreter.lasting(python)
    task = ready_task(recorded.run.config.task, harness_python=python)
    same_task(recorded, task)
    count = len(ReplayProposer(recorded, selection))
    proposer = f"replay:{recorded.run.name}:{selection}"
    config = replace(recorded.run.config, proposer=proposer, budget=Budget(attempts=count))
    config = replace(config, model=None, base_url=None, from_file=None, **settings)
    run = store.create_run(config, name=store.free_name(f"{recorded.run.name}-replay"), task_digest=task.digest)
    started = (Event(EventKind.STARTED, datetime.now(UTC)),)
    with store.hold(run):
        wired = partial(wire, run, store=store)
        return carry_on(store, run, task=task, db=db, wired=wired, events=started)


def _tell(recorded: "History", now: "History", *, json: bool) -> None:
    from kernelsmith.report.replay_page import lost, replay_data, replay_page

    if json:
        terminal.result_json(replay_data(recorded, now))
    else:
        terminal.result(replay_page(recorded, now, width=terminal.width()))
    if numbers := lost(recorded, now):
        terminal.fault(f"passed when recorded, not now: {', '.join(map(str, numbers))}")
        raise typer.Exit(1)

"""`kernelsmith resume`: goes on where a run stopped, and extends its budget."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from kernelsmith.cli import options
from kernelsmith.errors import UsageError

if TYPE_CHECKING:
    from kernelsmith.core.history import History
    from kernelsmith.core.run import Event
    from kernelsmith.core.task import Task
    from kernelsmith.log.store import Store

BUDGET_OPTIONS = ("target", "attempts", "hours", "usd")
INTERPRETER = "harness_python"
"""Key of a `resume` event."""


def resume(
    run: options.RunArgument,
    attempts: options.MoreAttempts = None,
    hours: options.MoreHours = None,
    usd: options.MoreUsd = None,
    target: options.Target = None,
    harness_python: options.HarnessPython = None,
    db: options.Database = None,
    json: options.Json = False,
) -> None:
    """Go on with a run that was paused, interrupted, or ended by its budget.

    The limits given here are added to those the run has; the log says so.
    """
    from kernelsmith.cli.config import fraction, limits_given
    from kernelsmith.cli.outcome import tell
    from kernelsmith.log.store import open_store

    more = {"attempts": attempts, "hours": hours, "usd": usd}
    given = limits_given(more)
    with open_store(options.database_url(db), create=False) as store:
        found = store.run(run)
        with store.hold(found):
            history = under(store.history(found), harness_python)
            limits = _limits(history, given) | ({} if target is None else {"target": fraction(target)})
            history = _go_on(store, history, limits=limits, db=db)
    tell(history, json=json, db=db)


def _go_on(store: "Store", history: "History", *, limits: dict[str, Any], db: str | None) -> "History":
    from kernelsmith.cli.judging import ready_task
    from kernelsmith.cli.run import check, wire
    from kernelsmith.cli.session import carry_on

    run = history.run
    task = ready_task(run.config.task, harness_python=run.config.harness_python)
    events = _events(limits, task, python=run.config.harness_python)
    same_task(history, task)
    check(replace(run.config, budget=replace(history.budget, **limits)), task, store=store)
    _anything_left(replace(history, events=(*history.events, *events)))
    wired = partial(wire, run, store=store)
    return carry_on(store, run, task=task, db=db, wired=wired, events=events)


def under(history: "History", python: str | None) -> "History":
    """The run under the interpreter that is given now, else the one last given, else the one it was started with."""
    from kernelsmith.cli import interpreter
    from kernelsmith.core.run import EventKind

    told = [str(e.data[INTERPRETER]) for e in history.events if e.kind is EventKind.RESUME and INTERPRETER in e.data]
    last = told[-1] if told else history.run.config.harness_python
    config = replace(history.run.config, harness_python=interpreter.lasting(python) if python else last)
    return replace(history, run=replace(history.run, config=config))


def _limits(history: "History", more: dict[str, float]) -> dict[str, float]:
    """The new limits: the old ones and what is added; where there was none, what is spent and what is added."""
    budget = history.budget
    spent = {
        "attempts": len(history.attempts),
        "hours": history.active_s / 3600,
        "usd": history.usage.cost_usd or 0.0,
    }
    return {key: (getattr(budget, key) or spent[key]) + value for key, value in more.items()}


def _events(limits: dict[str, Any], task: "Task", *, python: str | None) -> "tuple[Event, ...]":
    from kernelsmith.core.run import Event, EventKind

    now = datetime.now(UTC)
    extension = (Event(EventKind.EXTENSION, now, data=limits),) if limits else ()
    told = {"task_digest": task.digest} | ({INTERPRETER: python} if python else {})
    return (Event(EventKind.RESUME, now, data=told), *extension)


def same_task(history: "History", task: "Task") -> None:
    """A changed task is another task: its figures cannot stand in one run with the old ones."""
    if history.attempts and task.digest != history.task_digest:
        raise UsageError(
            f"{task.folder}: the task has changed since {history.run.name} was started; "
            f"restore it, or start anew with `kernelsmith run {history.run.config.task}`"
        )


def _anything_left(history: "History") -> None:
    from kernelsmith.core.budget import spent

    if (reason := spent(history)) is None:
        return
    option = next(key for key in BUDGET_OPTIONS if key in reason.lower())
    raise UsageError(f"{history.run.name} is over: {reason}; extend it with --{option}")

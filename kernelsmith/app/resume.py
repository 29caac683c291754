"""Resume a run that was paused, was interrupted, or ended because its budget was spent."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from kernelsmith.app import identity, interpreter, trust
from kernelsmith.app.places import database
from kernelsmith.app.preflight import require_machine
from kernelsmith.app.session import Session, SessionInputs, SessionParts
from kernelsmith.app.settings import limits_given
from kernelsmith.app.start import check, resume_command
from kernelsmith.app.task_source import changed_task, recorded_task
from kernelsmith.core.budget import spent
from kernelsmith.core.history import History
from kernelsmith.core.run import Event, EventKind
from kernelsmith.core.seams import Observer
from kernelsmith.core.task import Task
from kernelsmith.errors import UsageError
from kernelsmith.log.store import Store, open_store

HARNESS_PYTHON = "harness_python"
"""Key of a `resume` event; its value is the path of the interpreter that runs the harness since that event."""


class TaskChoice(NamedTuple):
    """The user's choices about a resumed run's task: whether to use the files of its folder or those in the log, and
    what to trust in a log from another machine. The command line makes it from its options.
    """

    from_disk: bool = False
    """Use the files of the task's folder even if they differ from those in the log."""
    trusted: str | None = None
    """The digest of a task whose code the user trusts."""
    with_its_settings: bool = False
    """Use the log's settings of interpreter, endpoint, device and sandbox even if the run was started on another
    machine."""


def resume(
    run: str,
    *,
    db: str | Path | None = None,
    parts: SessionParts = SessionParts(),  # noqa: B008 (frozen)
    observer: Observer | None = None,
    stopped: Callable[[], bool] = lambda: False,
    task: TaskChoice = TaskChoice(),  # noqa: B008 (frozen)
    **more: Any,
) -> Session:
    """Return the session of the recorded run named `run`, which a `with` block opens: `with resume("night") as session:
    session.run()`. `observer` shows the run, the callback `stopped()` returns True to pause it, `task` says which task
    files to use and trust, and `more` holds new limits by name. Raises UsageError if the run does not exist, is over,
    is not trusted or the machine lacks something, and LogError if the log fails.

    `db` is the log's file (None = the default one). `stopped` is called before each ask. `parts` replaces strategy,
    proposer or harness. `more` may hold `attempts`, `hours` and `usd`, which are added to the budget, `target`, which
    replaces the old target, and `harness_python`; None leaves one out.
    """
    python = more.pop(HARNESS_PYTHON, None)
    given = limits_given(more)
    store = open_store(database(db), create=False)
    try:
        say = observer.say if observer else lambda text: None
        history = store.history(store.run(run))
        if not (task.with_its_settings or trust.knows_run(history.run)):
            history = _without_foreign_settings(history, python)
        history = _with_interpreter(history, python)
        loaded = _task(store, history, choice=task, say=say)
        inputs = _inputs(store, history, loaded, limits=_limits(history, given), db=db)
    except BaseException:
        store.close()
        raise
    return Session(inputs, parts=parts, observer=observer, stopped=stopped)


def _inputs(
    store: Store, history: History, task: Task, *, limits: Mapping[str, Any], db: str | Path | None
) -> SessionInputs:
    run = history.run
    require_machine(task, harness_python=run.config.harness_python, device=run.config.device)
    events = _events(history, task, limits=limits)
    check(replace(run.config, budget=replace(history.budget, **limits)), task, store)
    _refuse_spent(replace(history, events=(*history.events, *events)))
    store.keep_snapshot(identity.templates())
    return SessionInputs(store, run, task, events, resume_command(run, db))


def _without_foreign_settings(history: History, python: str | None) -> History:
    """Return a copy of the history of a run from another machine, without the interpreter and the sandbox setting that
    its log names, because these could run or permit foreign code. `python` is the interpreter that the user names now,
    or None. Raises UsageError if the log names an endpoint, which would receive the user's API key, or the script of a
    simulated device.
    """
    run, config = history.run, history.run.config
    if config.base_url:
        raise UsageError(
            f"{run.name} was started on another machine or by an older kernelsmith, and names the endpoint "
            f"{config.base_url}, which would receive your API key; give --trust-run to use it"
        )
    if config.device:
        raise UsageError(
            f"{run.name} was started on another machine or by an older kernelsmith, and names the script of its "
            f"device, {config.device}; give --trust-run to use it"
        )
    events = [e for e in history.events if not (e.kind is EventKind.RESUME and HARNESS_PYTHON in e.data)]
    config = replace(config, harness_python=python, trust_candidates=False)
    return replace(history, run=replace(run, config=config), events=events)


def _with_interpreter(history: History, python: str | None) -> History:
    """Return a copy of the history whose config names the interpreter that runs the harness from now on: the absolute
    path of `python`. If `python` is None, it is the one of the latest `resume` event that names one, or else the one
    that the run was started with.
    """
    recorded = history.resumed_value(HARNESS_PYTHON)
    last = str(recorded) if recorded else history.run.config.harness_python
    config = replace(history.run.config, harness_python=interpreter.lasting(python) if python else last)
    return replace(history, run=replace(history.run, config=config))


def _task(store: Store, history: History, *, choice: TaskChoice, say: Callable[[str], None]) -> Task:
    if choice.from_disk:
        return changed_task(store, history, trusted=choice.trusted)
    return recorded_task(store, history, trusted=choice.trusted, say=say)


def _limits(history: History, given: Mapping[str, float]) -> dict[str, Any]:
    """Return a dict of the run's new limits by name. `given` holds the numbers from the options of `resume`: attempts,
    hours and usd are added to the present limit, or to the amount spent if there is no limit, while a target replaces
    the present one.
    """
    budget = history.budget
    used = {
        "attempts": history.answered,
        "hours": history.active_s / 3600,
        "usd": history.usage.cost_usd or 0.0,
    }
    added = {key: (getattr(budget, key) or used[key]) + value for key, value in given.items() if key in used}
    return {**given, **added}


def _events(history: History, task: Task, *, limits: Mapping[str, Any]) -> tuple[Event, ...]:
    now, python = datetime.now(UTC), history.run.config.harness_python
    data: dict[str, object] = {"task_digest": task.digest, **asdict(identity.provenance())}
    data |= {HARNESS_PYTHON: python} if python else {}
    extension = (Event(EventKind.EXTENSION, now, data=dict(limits)),) if limits else ()
    return (Event(EventKind.RESUME, now, data=data), *extension)


def _refuse_spent(history: History) -> None:
    if ending := spent(history):
        raise UsageError(f"{history.run.name} is over: {ending.words}; extend it with --{ending.limit}")

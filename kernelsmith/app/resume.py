"""Go on with a run that was paused, interrupted, or ended by its budget."""

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
"""Key of a `resume` event: the interpreter that was given when the run went on."""


class TaskChoice(NamedTuple):
    """Which files of its task a run goes on with."""

    from_disk: bool = False
    """The folder's, although they differ from those that the log keeps."""
    trusted: str | None = None
    """Digest of a task whose code the user trusts now."""
    with_its_settings: bool = False
    """Follow what the log says of interpreter, endpoint and sandbox, although the run was started elsewhere."""


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
    """Return the session of a recorded run; it is not open yet.

    `more` are `attempts`, `hours` and `usd`, which are added to what the run was allowed, `target`, which replaces it,
    and `harness_python`; one that is None is not given.

    Raises:
        UsageError: there is no such run, it is over, its task may not run here, or the machine lacks something.
        LogError: the log cannot be read or written.
    """
    python = more.pop(HARNESS_PYTHON, None)
    given = limits_given(more)
    store = open_store(database(db), create=False)
    try:
        say = observer.say if observer else lambda text: None
        history = store.history(store.run(run))
        if not (task.with_its_settings or trust.knows_run(history.run)):
            history = _without_foreign_settings(history, python)
        history = _under(history, python)
        found = _task(store, history, choice=task, say=say)
        opening = _opening(store, history, found, limits=_limits(history, given), db=db)
    except BaseException:
        store.close()
        raise
    return Session(opening, parts=parts, observer=observer, stopped=stopped)


def _opening(
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
    """Return a run that was started elsewhere without what its log says of this machine.

    Raises:
        UsageError: it asks a model at an endpoint, which would get the user's key, or its device has a script.
    """
    run, config = history.run, history.run.config
    if config.base_url:
        raise UsageError(
            f"{run.name} was started on another machine or by an older kernelsmith, and names the endpoint "
            f"{config.base_url}, which would get your key; --trust-run goes on with it"
        )
    if config.device:
        raise UsageError(
            f"{run.name} was started on another machine or by an older kernelsmith, and names the script of its "
            f"device, {config.device}; --trust-run goes on with it"
        )
    told = [event for event in history.events if not (event.kind is EventKind.RESUME and HARNESS_PYTHON in event.data)]
    here = replace(config, harness_python=python, trust_candidates=False)
    return replace(history, run=replace(run, config=here), events=told)


def _under(history: History, python: str | None) -> History:
    """Return the run under the interpreter that is given now, else the last given one, else that of its start."""
    told = history.last_told(HARNESS_PYTHON)
    last = str(told) if told else history.run.config.harness_python
    config = replace(history.run.config, harness_python=interpreter.lasting(python) if python else last)
    return replace(history, run=replace(history.run, config=config))


def _task(store: Store, history: History, *, choice: TaskChoice, say: Callable[[str], None]) -> Task:
    if choice.from_disk:
        return changed_task(store, history, given=choice.trusted)
    return recorded_task(store, history, given=choice.trusted, say=say)


def _limits(history: History, given: Mapping[str, float]) -> dict[str, Any]:
    """Return the new limits: what was allowed, or else what is spent, and what is added; a target as it is given."""
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
    told: dict[str, object] = {"task_digest": task.digest, **asdict(identity.provenance())}
    told |= {HARNESS_PYTHON: python} if python else {}
    extension = (Event(EventKind.EXTENSION, now, data=dict(limits)),) if limits else ()
    return (Event(EventKind.RESUME, now, data=told), *extension)


def _refuse_spent(history: History) -> None:
    if ending := spent(history):
        raise UsageError(f"{history.run.name} is over: {ending.words}; extend it with --{ending.limit}")

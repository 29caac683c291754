"""Start a run: read its settings, look at task and machine, write the run down, and return its session."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from kernelsmith import invocation
from kernelsmith.app import identity, trust
from kernelsmith.app.places import database
from kernelsmith.app.preflight import require_machine
from kernelsmith.app.proposers import check_opening, spec_of
from kernelsmith.app.session import Session, SessionInputs, SessionParts
from kernelsmith.app.settings import configured
from kernelsmith.app.task_source import lasting_name, task_on_disk, written
from kernelsmith.core.run import Event, EventKind, Run, RunConfig
from kernelsmith.core.seams import Observer
from kernelsmith.core.snapshot import Snapshot, snapshot_of
from kernelsmith.core.task import Task
from kernelsmith.log.store import Store, open_store


def start(
    task: str | None = None,
    *,
    db: str | Path | None = None,
    name: str | None = None,
    parts: SessionParts = SessionParts(),  # noqa: B008 (frozen)
    observer: Observer | None = None,
    stopped: Callable[[], bool] = lambda: False,
    **settings: Any,
) -> Session:
    """Start a run and return its session, which is not open yet: `with start("cpu_matmul") as session: session.run()`.

    `settings` are those of a config file (`attempts`, `hours`, `usd`, `target`, `proposer`, `model`, `seed`, ...), and
    `config`, the path of such a file; a setting that is None is not given.

    Raises:
        UsageError: a setting has no meaning, the task is malformed, the machine lacks something, or the name is taken.
        LogError: the log cannot be written.
    """
    config = configured(settings.pop("config", None), {"task": task, **settings})
    found = task_on_disk(config.task)
    require_machine(found, harness_python=config.harness_python, device=config.device)
    config = replace(config, task=lasting_name(found))
    store = open_store(database(db))
    try:
        check(config, found, store)
        opening = opening_of(store, config, snapshot_of(found.folder), name=name, db=db)
    except BaseException:
        store.close()
        raise
    return Session(opening, parts=parts, observer=observer, stopped=stopped)


def check(config: RunConfig, task: Task, store: Store) -> None:
    """Find the user's faults before a run exists, or goes on. Raises UsageError."""
    spec_of(config.proposer).check(config, task, store)
    check_opening(config, task)


def opening_of(
    store: Store, config: RunConfig, task: Snapshot, *, name: str | None, db: str | Path | None
) -> SessionInputs:
    """Write a new run down with its task's files and the prompt templates, and return what its session opens."""
    store.keep_snapshot(identity.templates())
    run = store.create_run(config, name=name, task=task, provenance=identity.provenance())
    trust.remember_run(run)
    started = (Event(EventKind.STARTED, run.created_at),)
    return SessionInputs(store, run, written(task, run, store), started, resume_command(run, db))


def resume_command(run: Run, db: str | Path | None) -> str:
    """Return the command that goes on with a run."""
    return f"{invocation.command_name()} resume {run.name}{f' --db {db}' if db else ''}"

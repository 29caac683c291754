"""Starts a run: reads its settings, checks task and machine, writes the run to the log, and returns its session."""

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
from kernelsmith.app.task_source import lasting_name, task_on_disk, write_task
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
    """Write a new run of a task to the log and return its Session, which a `with` block opens: `with
    start("cpu_matmul", attempts=20) as session: session.run()`. Each keyword argument in `settings` is a key of a
    config file; `db` is the log's file (default `runs/attempts.db`) and `name` the run's name (default: the task's name
    with a number). Raises UsageError if a setting, the task, the machine or the name is wrong, and LogError if the log
    cannot be written.

    `task` is a task's name or the path of its folder. `parts` is a SessionParts whose strategy, proposer or harness
    replaces the default one, `observer` an Observer that shows the run (None = silently), and `stopped()` a callback
    that is called before each ask and returns True to pause the run. `settings` may hold `attempts`, `hours`, `usd`,
    `target`, `proposer`, `model`, `seed` and the other keys, or `config`, the path of a config file; None leaves a
    setting out.
    """
    config = configured(settings.pop("config", None), {"task": task, **settings})
    loaded = task_on_disk(config.task)
    require_machine(loaded, harness_python=config.harness_python, device=config.device)
    config = replace(config, task=lasting_name(loaded))
    store = open_store(database(db))
    try:
        check(config, loaded, store)
        inputs = create_run(store, config, snapshot_of(loaded.folder), name=name, db=db)
    except BaseException:
        store.close()
        raise
    return Session(inputs, parts=parts, observer=observer, stopped=stopped)


def check(config: RunConfig, task: Task, store: Store) -> None:
    """Check, before a run is created or resumed, that its proposer and its starting kernel can work with the settings
    `config`, the task and the attempt log `store`; return nothing. A faulty setting therefore leaves no trace in the
    log. Raises UsageError if one of them cannot.
    """
    spec_of(config.proposer).check(config, task, store)
    check_opening(config, task)


def create_run(
    store: Store, config: RunConfig, task: Snapshot, *, name: str | None, db: str | Path | None
) -> SessionInputs:
    """Write a new run with the settings `config` to the attempt log `store`, together with the files of its task and of
    the prompt templates, and return what its session needs. `name` is the run's name (None = the task's name with a
    number), and `db` the value of the option `--db` or None, for the command that resumes the run. Raises UsageError if
    the name is taken or invalid, and LogError if the log cannot be written.
    """
    store.keep_snapshot(identity.templates())
    run = store.create_run(config, name=name, task=task, provenance=identity.provenance())
    trust.remember_run(run)
    started = (Event(EventKind.STARTED, run.created_at),)
    return SessionInputs(store, run, write_task(task, run, store), started, resume_command(run, db))


def resume_command(run: Run, db: str | Path | None) -> str:
    """Return the shell command that resumes a run, as one line. `db` is the log's file if the user named one, and is
    repeated in the command; None leaves it out.
    """
    return f"{invocation.command_name()} resume {run.name}{f' --db {db}' if db else ''}"

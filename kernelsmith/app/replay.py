"""Judges the candidates of a recorded run again on this machine, as a new run."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from kernelsmith.app import interpreter, trust
from kernelsmith.app.places import database
from kernelsmith.app.preflight import require_machine
from kernelsmith.app.session import Session
from kernelsmith.app.start import create_run
from kernelsmith.app.task_source import recorded_task
from kernelsmith.core.history import History
from kernelsmith.core.run import Budget, RunConfig
from kernelsmith.core.seams import Observer
from kernelsmith.core.snapshot import snapshot_of
from kernelsmith.log.store import Store, open_store
from kernelsmith.propose.replay import Selection, selected


def judge_again(
    run: str,
    selection: Selection,
    *,
    db: str | Path | None = None,
    observer: Observer | None = None,
    stopped: Callable[[], bool] = lambda: False,
    trusted_task: str | None = None,
    **machine: bool | str | None,
) -> Session:
    """Create a new run that judges candidates of the run named `run` again, and return its session, which a `with`
    block opens. `selection` chooses the candidates, the callback `stopped()` returns True to pause the new run, and
    `observer` shows it (None = silently). Raises UsageError if the run does not exist, nothing is selected, its task is
    not trusted or the machine lacks something; LogError if the log fails.

    The new run is named RUN-replay-1, or with the next free number. `stopped` is called before each ask. `trusted_task`
    is the digest of a task whose code the user trusts. `machine` may hold `trust_candidates` and `harness_python`, as
    in `start`.
    """
    store = open_store(database(db), create=False)
    try:
        recorded = store.history(store.run(run))
        say = observer.say if observer else lambda text: None
        task = recorded_task(store, recorded, trusted=trusted_task, say=say)
        config = _config(recorded, selection, store=store, machine=machine)
        require_machine(task, harness_python=config.harness_python, device=config.device)
        name = store.free_name(f"{run}-replay")
        inputs = create_run(store, config, snapshot_of(task.folder), name=name, db=db)
    except BaseException:
        store.close()
        raise
    return Session(inputs, observer=observer, stopped=stopped)


def _config(
    recorded: History, selection: Selection, *, store: Store, machine: dict[str, bool | str | None]
) -> RunConfig:
    from kernelsmith.app.proposers import ReplaySpec

    spec = ReplaySpec(recorded.run.name, selection)
    python = machine.get("harness_python")
    if not python and trust.knows_run(recorded.run):
        python = recorded.run.config.harness_python
    config = replace(
        recorded.run.config,
        proposer=spec.text,
        budget=Budget(attempts=max(len(selected(recorded, selection)), 1)),
        model=None,
        base_url=None,
        from_file=None,
        trust_candidates=bool(machine.get("trust_candidates")),
        harness_python=interpreter.lasting(str(python)) if python else None,
        device=recorded.run.config.device if trust.knows_run(recorded.run) else None,
    )
    spec.check(config, None, store)  # type: ignore[arg-type]
    return config

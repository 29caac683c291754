"""`kernelsmith run`: reads config and task, wires the objects (the only place that does), and lets the loop go."""

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from kernelsmith import paths
from kernelsmith.cli import options, terminal
from kernelsmith.cli.selftest import require
from kernelsmith.errors import UsageError

if TYPE_CHECKING:
    from kernelsmith.cli.session import Scene
    from kernelsmith.core.run import Run, RunConfig
    from kernelsmith.core.seams import Proposer
    from kernelsmith.core.task import Task
    from kernelsmith.log.store import Store
    from kernelsmith.loop import Parts

NO_MODEL = (
    "no model configured: the tuner proposes; to ask a model, give --model NAME --base-url URL and KERNELSMITH_API_KEY"
)


def run(
    task: options.TaskOrConfig = None,
    proposer: options.Proposer = None,
    model: options.Model = None,
    base_url: options.BaseUrl = None,
    attempts: options.Attempts = None,
    hours: options.Hours = None,
    usd: options.Usd = None,
    target: options.Target = None,
    name: options.Name = None,
    db: options.Database = None,
    config: options.ConfigFile = None,
    seed: options.Seed = None,
    from_file: options.FromFile = None,
    trust_candidates: options.Trust = False,
    harness_python: options.HarnessPython = None,
    selftest: options.Selftest = False,
    json: options.Json = False,
) -> None:
    """Search for a faster kernel until the budget ends.

    Ctrl-C ends after the attempt in flight, a second one at once; `kernelsmith resume` goes on from either.
    """
    from kernelsmith.cli.config import configured, fraction, names_proposer

    given = {
        "task": task,
        "proposer": proposer,
        "model": model,
        "base_url": base_url,
        "attempts": attempts,
        "hours": hours,
        "usd": usd,
        "target": fraction(target) if target is not None else None,
        "seed": seed,
        "from_file": str(from_file) if from_file else None,
        "trust_candidates": trust_candidates or None,
        "harness_python": harness_python,
    }
    settings = configured(config, given)
    _start(
        settings,
        name=name,
        db=db,
        json=json,
        by_default=proposer is None and not names_proposer(config),
        selftest=selftest,
    )


def _start(
    config: "RunConfig", *, name: str | None, db: str | None, json: bool, by_default: bool, selftest: bool
) -> None:
    from kernelsmith.cli.judging import ready_task
    from kernelsmith.cli.outcome import tell
    from kernelsmith.cli.session import carry_on
    from kernelsmith.core.run import Event, EventKind
    from kernelsmith.log.store import open_store

    task = ready_task(config.task, harness_python=config.harness_python)
    config = replace(config, task=_lasting_name(task))
    if selftest:
        require(task.device, harness_python=config.harness_python, trust_candidates=config.trust_candidates)
    with open_store(options.database_url(db)) as store:
        check(config, task, store=store)
        run = store.create_run(config, name=name, task_digest=task.digest)
        if by_default and config.proposer == "tuner":
            terminal.progress(NO_MODEL)
        started = (Event(EventKind.STARTED, run.created_at),)
        wired = partial(wire, run, store=store)
        with store.hold(run):
            history = carry_on(store, run, task=task, db=db, wired=wired, events=started)
    tell(history, json=json, db=db)


def check(config: "RunConfig", task: "Task", *, store: "Store") -> None:
    """Find the user's faults before a run exists, or goes on.

    Raises:
        UsageError: the proposer cannot be built, its endpoint does not answer, or a budget in USD could not be kept.
    """
    from kernelsmith.core.candidate_file import read_candidate

    if config.proposer == "model":
        _check_model(config)
    else:
        modelless(config, task, store=store)
        if config.budget.usd is not None:
            raise UsageError(f"--usd: {config.proposer} costs nothing; limit it with --attempts or --hours")
    if config.from_file:
        read_candidate(Path(config.from_file), task.languages)


def _check_model(config: "RunConfig") -> None:
    """A dead endpoint is found now, not after the patience that a run in progress has with it."""
    from kernelsmith.errors import ModelError
    from kernelsmith.llm.choice import open_model
    from kernelsmith.llm.client import reachable
    from kernelsmith.llm.endpoint import api_key
    from kernelsmith.llm.price import cost_known

    open_model(config, os.environ)
    if config.budget.usd is not None and not cost_known(config):
        raise UsageError(
            "--usd: no price is known for this model; give price_per_mtok = [PROMPT, COMPLETION] in --config"
        )
    if config.base_url:
        try:
            reachable(config.base_url, api_key(os.environ))
        except ModelError as error:
            raise UsageError(f"--base-url: {error}") from error


def wire(run: "Run", at: "Scene", *, store: "Store") -> "Parts":
    """Put the parts of a run together."""
    from kernelsmith.cli.watched import Watched
    from kernelsmith.loop import Parts
    from kernelsmith.propose.foresight import Foresight
    from kernelsmith.search import Ladder

    strategy, proposer = Ladder(run.config), _proposer(run, task=at.task, store=store)
    parts = Parts(strategy, proposer, at.harness, Watched(store, at.view), stopped=at.stop)
    if run.config.proposer == "model":  # what it would say next must be paid for
        return parts
    return replace(parts, foresee=Foresight(strategy, proposer, prepare=at.harness.prepare))


def _proposer(run: "Run", *, task: "Task", store: "Store") -> "Proposer":
    """Who answers; attempt 0 is the kernel to start from, unless a recorded run is repeated."""
    from kernelsmith.propose.model import model_proposer
    from kernelsmith.propose.opening import Opening

    config = run.config
    if config.proposer == "model":
        exchanges = store.exchanges_of(run)
        then: Proposer = model_proposer(task, store.history(run), exchanges=exchanges, environ=os.environ)
    else:
        then = modelless(config, task, store=store)
    return then if config.proposer.startswith("replay:") else Opening(task, from_file=config.from_file, then=then)


def modelless(config: "RunConfig", task: "Task", *, store: "Store") -> "Proposer":
    """The proposers that need no model.

    Raises:
        UsageError: there is no such proposer, or what it needs is missing.
    """
    from kernelsmith.propose.folder import FolderProposer
    from kernelsmith.propose.replay import ReplayProposer, Selection, selection_named
    from kernelsmith.propose.tuner import Tuner

    kind, _, argument = config.proposer.partition(":")
    match kind:
        case "tuner" if not argument:
            return Tuner(task, seed=config.seed)
        case "folder":
            return FolderProposer(task, Path(argument))
        case "replay":
            name, _, selection = argument.partition(":")
            return ReplayProposer(store.history(store.run(name)), selection_named(selection or Selection.ALL))
    raise UsageError(f"--proposer {config.proposer}: known are model, tuner, folder:DIR and replay:RUN")


def _lasting_name(task: "Task") -> str:
    """What finds the task again from another working directory."""
    shipped = task.folder.parent == paths.tasks_folder().resolve()
    return task.name if shipped else str(task.folder)

"""Defines the command `kernelsmith run`, which searches for a faster kernel until the budget ends."""

from collections.abc import Mapping
from typing import Any

from kernelsmith.cli import options

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
    device: options.Device = None,
    selftest: options.Selftest = False,
    json: options.Json = False,
) -> None:
    """Search for a faster kernel of TASK until the budget ends, record every attempt, and print the outcome. Exit code
    1: no candidate passed.

    Ctrl-C ends after the attempt in flight, a second one at once; `kernelsmith resume` goes on from either.
    """
    from kernelsmith.app.settings import fraction, names_proposer
    from kernelsmith.app.start import start
    from kernelsmith.cli.outcome import print_outcome
    from kernelsmith.cli.view import say_how_to_stop, watched

    settings: dict[str, Any] = {
        "config": config,
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
        "device": device,
    }
    if selftest:
        _selftest(task, settings)
    with watched() as (view, stop):
        session = start(task, db=db, name=name, observer=view, stopped=stop, **settings)
        say_how_to_stop(view, session.resume_command)
        if not (proposer or model or names_proposer(config)):
            view.say(NO_MODEL)
        with session:
            history = session.run()
    print_outcome(history, json=json, db=db)


def _selftest(task: str | None, settings: Mapping[str, Any]) -> None:
    """Judge the cheating and honest candidates of the self-test on the kind of device (CPU or GPU) of the run's task,
    before the run. `task` is the task's name or path, None if the config file names it, and `settings` are the run's
    options by name. Raises UsageError if a candidate has the wrong outcome or an option is invalid.
    """
    from kernelsmith.app.judging import JudgeSettings
    from kernelsmith.app.settings import configured
    from kernelsmith.cli.selftest import require
    from kernelsmith.core.task_folder import find_task

    given = dict(settings)
    config = configured(given.pop("config"), {"task": task, **given})
    require(find_task(config.task).device, JudgeSettings(config.harness_python, config.trust_candidates))

"""Defines the command `kernelsmith resume`, which goes on with a run where it stopped and may extend its budget."""

from typing import Any

from kernelsmith.cli import options


def resume(
    run: options.RunArgument,
    attempts: options.MoreAttempts = None,
    hours: options.MoreHours = None,
    usd: options.MoreUsd = None,
    target: options.Target = None,
    harness_python: options.HarnessPython = None,
    task_from_disk: options.TaskFromDisk = False,
    trust_task: options.TrustTask = None,
    trust_run: options.TrustRun = False,
    db: options.Database = None,
    json: options.Json = False,
) -> None:
    """Go on with a run that was paused, interrupted, or ended by its budget, and print the outcome. Exit code 1: no
    candidate passed.

    The given limits are added to what the run was allowed before; the log records the extension.
    """
    from kernelsmith.app.resume import TaskChoice
    from kernelsmith.app.resume import resume as resumed
    from kernelsmith.app.settings import fraction
    from kernelsmith.cli.outcome import print_outcome
    from kernelsmith.cli.view import say_how_to_stop, watched

    more: dict[str, Any] = {"attempts": attempts, "hours": hours, "usd": usd, "harness_python": harness_python}
    with watched() as (view, stop):
        session = resumed(
            run,
            db=db,
            observer=view,
            stopped=stop,
            task=TaskChoice(task_from_disk, trust_task, trust_run),
            target=fraction(target) if target is not None else None,
            **more,
        )
        say_how_to_stop(view, session.resume_command)
        with session:
            history = session.run()
    print_outcome(history, json=json, db=db)

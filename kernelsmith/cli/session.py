"""A run carried on, new or resumed: the harness opened, the view shown, interrupts answered, trouble written down."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from kernelsmith import paths
from kernelsmith.bench.harness import HarnessProcess
from kernelsmith.cli.judging import open_or_explain
from kernelsmith.cli.lines import Lines
from kernelsmith.cli.stop import Stop, stoppable
from kernelsmith.cli.watched import View
from kernelsmith.core.history import History
from kernelsmith.core.run import Device, Event, EventKind, Run, RunConfig
from kernelsmith.core.task import Task
from kernelsmith.errors import HarnessError, LogError, ModelError, UsageError
from kernelsmith.loop import Parts, optimize


@dataclass(frozen=True, slots=True)
class Scene:
    """What stands ready once the harness has opened the task."""

    task: Task
    harness: HarnessProcess
    device: Device
    view: View
    stop: Stop


@contextmanager
def scene(task: Task, config: RunConfig, *, name: str, folder: Path) -> Iterator[Scene]:
    """Show the view, answer interrupts, open the harness; all of it undone in the other order.

    Raises:
        UsageError: the harness does not open.
    """
    with ExitStack() as stack:
        view = stack.enter_context(_view(f"{task.name} · {name} · {config.proposer}"))
        stop = stack.enter_context(stoppable(view.say))
        view.stage("calibrating")
        harness = stack.enter_context(_harness(task, config, folder=folder, view=view))
        yield Scene(task, harness, open_or_explain(harness), view, stop)


def conduct(run: Run, parts: Parts, *, device: Device, events: tuple[Event, ...] = ()) -> History:
    """Let the loop go until the budget ends or the user stops.

    Raises:
        UsageError: endpoint, harness or log failed; it is written down, the run is paused, and the message says how to
            go on.
    """
    try:
        for event in (*events, Event(EventKind.OPENED, parts.now(), data=asdict(device))):
            parts.log.note(run, event)
        return optimize(run, parts)
    except (ModelError, HarnessError, LogError) as error:
        _note_trouble(run, parts, error)
        raise UsageError(f"{error}; nothing is lost, go on with `kernelsmith resume {run.name}`") from error


def _note_trouble(run: Run, parts: Parts, error: Exception) -> None:
    """Written down where the log itself is not the trouble."""
    what = {"reason": f"{type(error).__name__}: {error}"}
    with suppress(LogError):
        for kind in (EventKind.TROUBLE, EventKind.PAUSED):
            parts.log.note(run, Event(kind, parts.now(), data=what))


@contextmanager
def _view(title: str) -> Iterator[View]:
    if not sys.stderr.isatty():
        yield Lines()
        return
    from rich.console import Console

    from kernelsmith.cli.live import LiveView

    with LiveView(title, Console(stderr=True)) as live:
        yield live


def _harness(task: Task, config: RunConfig, *, folder: Path, view: View) -> HarnessProcess:
    return HarnessProcess(
        task,
        folder=folder,
        calibration_s=config.calibration_s,
        trust_candidates=config.trust_candidates,
        on_progress=view.stage,
    )


def folder_of(db: str, name: str) -> Path:
    """Where the run's files are: beside an SQLite file, else beside where the default database would be."""
    database = paths.default_database() if "://" in db else Path(db)
    return paths.run_folder(database, name)

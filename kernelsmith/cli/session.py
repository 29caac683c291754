"""A run carried on, new or resumed: the harness opened, the view shown, interrupts answered, trouble written down."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from kernelsmith import paths
from kernelsmith.judge_client.harness import HarnessProcess
from kernelsmith.cli import terminal
from kernelsmith.cli.judging import open_or_explain
from kernelsmith.cli.lines import Lines
from kernelsmith.cli.options import database_url, repeated
from kernelsmith.cli.stop import Stop, stoppable
from kernelsmith.cli.watched import View
from kernelsmith.core.history import History
from kernelsmith.core.run import Device, Event, EventKind, Run, RunConfig
from kernelsmith.core.task import Task
from kernelsmith.errors import KernelsmithError, LogError, UsageError
from kernelsmith.log.store import Store
from kernelsmith.loop import Parts, optimize


@dataclass(frozen=True, slots=True)
class Scene:
    """What stands ready once the harness has opened the task."""

    task: Task
    harness: HarnessProcess
    device: Device
    view: View
    stop: Stop


def carry_on(
    store: Store, run: Run, *, task: Task, db: str | None, wired: Callable[[Scene], Parts], events: tuple[Event, ...]
) -> History:
    """Let the loop go until the budget ends or the user stops; the caller holds the run. `db` is what the user gave.

    Raises:
        UsageError: endpoint, harness or log failed, or the machine lacks something; it is written down, the run is
            paused, and the message says how to go on.
    """
    way_on = f"go on with `kernelsmith resume {run.name}{repeated(db)}`"
    try:
        with _scene(task, run, folder=_folder_of(database_url(db), run.name)) as at:
            # Not before: what could not be opened did not go on, and must not be extended again by the next try.
            for event in events:
                store.note(run, event)
            store.note(run, Event(EventKind.OPENED, datetime.now(UTC), data=asdict(at.device)))
            return optimize(run, wired(at))
    except KernelsmithError as error:
        _note_trouble(store, run, error)
        raise UsageError(f"{error}; nothing is lost, {way_on}") from error
    except KeyboardInterrupt:
        terminal.progress(f"stopped at once; {way_on}")
        raise


@contextmanager
def _scene(task: Task, run: Run, *, folder: Path) -> Iterator[Scene]:
    """Show the view, answer interrupts, open the harness; all of it undone in the other order.

    Raises:
        UsageError: the harness does not open.
    """
    with ExitStack() as stack:
        view = stack.enter_context(_view(f"{task.name} · {run.name} · {run.config.proposer}"))
        stop = stack.enter_context(stoppable(view.say))
        harness = stack.enter_context(_harness(task, run.config, folder=folder, view=view))
        yield Scene(task, harness, open_or_explain(harness), view, stop)


def _note_trouble(store: Store, run: Run, error: KernelsmithError) -> None:
    """Written down where the log itself is not the trouble."""
    what = {"reason": f"{type(error).__name__}: {error}"}
    with suppress(LogError):
        for kind in (EventKind.TROUBLE, EventKind.PAUSED):
            store.note(run, Event(kind, datetime.now(UTC), data=what))


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
        python=config.harness_python,
        on_progress=view.stage,
    )


def _folder_of(db: str, name: str) -> Path:
    """Where the run's files are: beside an SQLite file, else beside where the default database would be."""
    file = db.removeprefix("sqlite:///")
    database = paths.default_database() if "://" in file else Path(file)
    return paths.run_folder(database, name)

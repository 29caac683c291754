"""The command line in an empty folder, with a state folder of the tests; most commands run in this process."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from command_line import Done, run_here, run_process
from scripted import BROKEN, CARD, FIRST, ScriptedHarness

from kernelsmith import paths
from kernelsmith.app.judging import JudgeSettings
from kernelsmith.app.session import SessionParts
from kernelsmith.app.start import start
from kernelsmith.core.run import Budget, Event, EventKind, RunConfig, StopReason
from kernelsmith.core.snapshot import snapshot_of
from kernelsmith.core.verdict import Promotion, Status
from kernelsmith.log.store import open_store

Cli = Callable[..., Done]
SMALL = Path(__file__).parents[1] / "tasks" / "small_matmul"
MADE = "3 asks, 3 attempts"
KEYS = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "KERNELSMITH_API_KEY")


@pytest.fixture(scope="session", autouse=True)
def state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder that the trusted tasks are remembered in, instead of the user's own."""
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def environment(state_home: Path) -> dict[str, str]:
    """This process's environment without a configured model."""
    return {key: value for key, value in os.environ.items() if key not in KEYS}


@pytest.fixture
def cli(tmp_path: Path, environment: dict[str, str]) -> Cli:
    """Run a command with these arguments in an empty folder, in this process."""

    def run(*arguments: str, folder: Path = tmp_path, **variables: str) -> Done:
        return run_here(arguments, folder=folder, environment=environment | variables)

    return run


@pytest.fixture
def cli_process(tmp_path: Path, environment: dict[str, str]) -> Cli:
    """Run `kernelsmith` with these arguments in an empty folder, as a user does: in a process of its own."""

    def run(*arguments: str, folder: Path = tmp_path, **variables: str) -> Done:
        return run_process(arguments, folder=folder, environment=environment | variables)

    return run


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> tuple[Path, dict[str, Any]]:
    """The folder of a run of three attempts, named night, that nobody may change; and its summary."""
    folder = tmp_path_factory.mktemp("night")
    (folder / "card.toml").write_text(CARD)
    options = ["--attempts", "3", "--name", "night", "--json", "--device", "scripted:card.toml"]
    done = run_here(["run", str(SMALL), *options], folder=folder, environment=environment)
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


@pytest.fixture
def night(tmp_path: Path, small_run: tuple[Path, dict[str, Any]]) -> dict[str, Any]:
    """The same run in this test's own folder; its summary."""
    folder, summary = small_run
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return summary


@pytest.fixture
def card(tmp_path: Path) -> list[str]:
    """Options that take a scripted device: the skeleton fails, all else passes."""
    (tmp_path / "card.toml").write_text(CARD)
    return ["--device", "scripted:card.toml"]


@pytest.fixture
def quick(tmp_path: Path) -> list[str]:
    """Options that keep calibration short."""
    (tmp_path / "quick.toml").write_text("calibration_s = 0.1\n")
    return ["--config", "quick.toml"]


@pytest.fixture
def quick_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep calibration short in commands that take no config file, where they run in this process."""
    monkeypatch.setattr(JudgeSettings.__new__, "__defaults__", tuple(JudgeSettings(calibration_s=0.1)))


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A copy of the small task in the test's own folder."""
    return Path(shutil.copytree(SMALL, tmp_path / "mine"))


@pytest.fixture
def scripted_own(environment: dict[str, str], mine: Path, card: list[str]) -> Path:
    """The same folder as `own`; the commands under test judge on a scripted device."""
    return _own(mine, device=f"scripted:{mine.parent / 'card.toml'}")


@pytest.fixture
def own(environment: dict[str, str], mine: Path) -> Path:
    """The folder of the task of a run of two attempts, which is named own: the skeleton fails, the next one passes.

    A scripted harness gives the verdicts; the commands under test start the real one.
    """
    return _own(mine, device=None)


def _own(mine: Path, *, device: str | None) -> Path:
    parts = SessionParts(harness=ScriptedHarness(BROKEN, FIRST))
    settings = {"attempts": 2, "calibration_s": 0.1, "device": device}
    with start(str(mine), db=mine.parent / "runs" / "attempts.db", name="own", parts=parts, **settings) as session:
        session.run()
    return mine


@pytest.fixture
def events_of(cli: Cli) -> Callable[[str], list[dict[str, Any]]]:
    """Read the events of a run."""

    def read(run: str) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = json.loads(cli("show", run, "--json").stdout)["events"]
        return events

    return read


NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def recorded_log(tmp_path_factory, attempt_with, cpu_device) -> Path:
    """A database with a run named night, written through the store, that nobody may change."""
    path: Path = tmp_path_factory.mktemp("recorded") / "attempts.db"
    attempts = (
        attempt_with(0, status=Status.INCORRECT, detail="worst element C[3,4]: 1.0, not 2.0"),
        attempt_with(1, utilization=0.2, promotion=Promotion.FIRST),
        attempt_with(2, utilization=0.4, promotion=Promotion.CLEAR),
    )
    with open_store(path) as store:
        config = RunConfig("cpu_matmul", "tuner", budget=Budget(attempts=3))
        task = snapshot_of(paths.tasks_folder() / "cpu_matmul")
        run = store.create_run(config, name="night", task=task)
        store.note(run, Event(EventKind.OPENED, NOW, data=asdict(cpu_device)))
        for attempt in attempts:
            store.ask(run, attempt.ask.directive)
            store.record(run, attempt)
        store.note(run, Event(EventKind.ENDED, NOW, data={"limit": StopReason.ATTEMPTS, "reason": MADE}))
    return path


@pytest.fixture
def recorded(tmp_path: Path, recorded_log: Path) -> Path:
    """A database with a run named night in the test's own folder; its path."""
    path = tmp_path / "runs" / recorded_log.name
    shutil.copytree(recorded_log.parent, path.parent)
    return path

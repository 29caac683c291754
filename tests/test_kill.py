"""kill -9 of agent, judge or worker at any moment: `resume` continues, no attempt is lost and none is made twice."""

import json
import os
import random
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from command_line import PROGRAM, Done, run_here
from scripted import CARD

EMPTY = ": empty; `kernelsmith run` writes an attempt log, --db names another one\n"
"""What a reading command says of a database without a schema."""


@dataclass(frozen=True)
class Search:
    """A run that is killed."""

    attempts: int
    options: tuple[str, ...]
    latest_s: float
    """Seconds after a start until which somebody is killed: the run lasts longer than that, or nearly so."""


REAL = Search(9, ("--config", "config.toml"), 4.0)
"""With compilers, workers and clocks."""
SCRIPTED = Search(14, ("--device", "scripted:card.toml"), 2.0)
"""With a judge that does what a script says."""


class KilledRun:
    """One run that is killed and resumed until it ends."""

    def __init__(self, folder: Path, task: Path, *, search: Search, seed: int) -> None:
        self._folder = folder
        self._search = search
        self._random = random.Random(seed)
        self._environment = os.environ | {"XDG_STATE_HOME": str(folder / "state")}
        (folder / "config.toml").write_text("calibration_s = 0.1\n")
        (folder / "card.toml").write_text(CARD)
        options = ["--attempts", str(search.attempts), *search.options, "--name", "victim", "--seed", str(seed)]
        self._first = [*PROGRAM, "run", str(task), "--proposer", "tuner", *options]
        self.kills = 0

    def go_on(self) -> bool:
        """Start or resume, kill somebody after a random while; True once the run has ended by its budget."""
        command = self._command()
        output = self._folder / "output.txt"
        with output.open("ab") as log:
            process = subprocess.Popen(command, cwd=self._folder, env=self._environment, stdout=log, stderr=log)
        deadline = time.monotonic() + self._random.uniform(0.4, self._search.latest_s)
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        if process.poll() is None:
            self._kill_somebody(process.pid)
            self.kills += 1
        process.wait(timeout=60)
        return self.json("runs")[0]["status"] == "ended" if self._exists() else False

    def _command(self) -> list[str]:
        return [*PROGRAM, "resume", "victim"] if self._exists() else self._first

    def _exists(self) -> bool:
        database = self._folder / "runs" / "attempts.db"
        if not database.exists() or self._read("runs").stderr.endswith(EMPTY):  # killed before it wrote a word
            return False
        return any(run["name"] == "victim" for run in self.json("runs"))

    def _kill_somebody(self, agent: int) -> None:
        """The agent, the judge (its child) or a worker or compiler (the judge's child)."""
        family = [agent, *(child.pid for child in psutil.Process(agent).children(recursive=True))]
        victim = self._random.choice(family)
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            os.kill(agent, signal.SIGKILL)
        if victim != agent:
            # The agent has to notice by itself; it may finish, pause, or go on with a new judge.
            time.sleep(self._random.uniform(0.0, 1.0))
            os.kill(agent, signal.SIGKILL)

    def end(self) -> None:
        """Start or resume without killing anybody."""
        command = self._command()
        subprocess.run(command, cwd=self._folder, env=self._environment, capture_output=True, timeout=240, check=False)

    def json(self, *arguments: str) -> Any:
        """Return what a reading command prints."""
        done = self._read(*arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def _read(self, *arguments: str) -> Done:
        return run_here([*arguments, "--json"], folder=self._folder, environment=self._environment)


def survive(folder: Path, task: Path, *, search: Search, seed: int, most_kills: int) -> int:
    """Kill until the run has ended, or often enough, then let it end; the log must be whole. Returns the kills."""
    run = KilledRun(folder, task, search=search, seed=seed)
    while run.kills < most_kills:
        if run.go_on():
            break
    run.end()
    shown = run.json("show", "victim")
    numbers = [attempt["number"] for attempt in shown["attempts"]]
    assert numbers == list(range(search.attempts))
    assert [(attempt["ask"], attempt["trial"]) for attempt in shown["attempts"]] == [
        (n, 0) for n in range(search.attempts)
    ]
    assert shown["attempts"][0]["origin"] == "skeleton"
    assert all(attempt["status"] for attempt in shown["attempts"])
    assert not _leftovers(folder), "a judge or a worker outlived its agent"
    return run.kills


def _leftovers(folder: Path) -> list[int]:
    time.sleep(0.5)
    found = []
    for process in psutil.process_iter(["pid", "cwd"]):
        if process.info["cwd"] and process.info["cwd"].startswith(str(folder)):
            found.append(process.info["pid"])
    return found


def kill_often(folder: Path, task: Path, *, search: Search, kills: int, seed: int) -> None:
    """Let runs survive until so many kills were made."""
    made = 0
    while made < kills:
        seed += 1
        place = folder / str(seed)
        place.mkdir()
        made += survive(place, task, search=search, seed=seed, most_kills=kills - made)


@pytest.mark.parametrize(("search", "kills"), [(REAL, 3), (SCRIPTED, 5)], ids=["real", "scripted"])
def test_a_run_killed_at_random_moments_loses_nothing(small_task, tmp_path: Path, search: Search, kills: int) -> None:
    kill_often(tmp_path, small_task.folder, search=search, kills=kills, seed=0)


@pytest.mark.soak
def test_a_run_killed_at_300_random_moments_loses_nothing(small_task, tmp_path: Path) -> None:
    kill_often(tmp_path, small_task.folder, search=REAL, kills=300, seed=1000)

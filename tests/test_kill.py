"""kill -9 of agent, judge or worker at any moment: `resume` continues, no attempt is lost and none is made twice."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

ATTEMPTS = 14
CLI = [sys.executable, "-m", "kernelsmith.cli"]


class KilledRun:
    """One run that is killed and resumed until it ends."""

    def __init__(self, folder: Path, task: Path, *, seed: int) -> None:
        self._folder = folder
        self._random = random.Random(seed)
        self._environment = os.environ | {"XDG_STATE_HOME": str(folder / "state")}
        (folder / "config.toml").write_text("calibration_s = 0.1\n")
        options = ["--attempts", str(ATTEMPTS), "--config", "config.toml", "--name", "victim", "--seed", str(seed)]
        self._first = [*CLI, "run", str(task), "--proposer", "tuner", *options]
        self.kills = 0

    def go_on(self) -> bool:
        """Start or resume, kill somebody after a random while; True once the run has ended by its budget."""
        command = [*CLI, "resume", "victim"] if self._exists() else self._first
        output = self._folder / "output.txt"
        with output.open("ab") as log:
            process = subprocess.Popen(command, cwd=self._folder, env=self._environment, stdout=log, stderr=log)
        deadline = time.monotonic() + self._random.uniform(0.4, 4.0)
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        if process.poll() is None:
            self._kill_somebody(process.pid)
            self.kills += 1
        process.wait(timeout=60)
        return self.json("runs")[0]["status"] == "ended" if self._exists() else False

    def _exists(self) -> bool:
        database = self._folder / "runs" / "attempts.db"
        if not database.exists() or not database.stat().st_size:  # killed before it wrote a word
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
        """Resume without killing anybody."""
        command = [*CLI, "resume", "victim"]
        subprocess.run(command, cwd=self._folder, env=self._environment, capture_output=True, timeout=240, check=False)

    def json(self, *arguments: str) -> Any:
        """Return what a reading command prints."""
        command = [*CLI, *arguments, "--json"]
        done = subprocess.run(
            command, cwd=self._folder, env=self._environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def survive(folder: Path, task: Path, *, seed: int, most_kills: int) -> int:
    """Kill until the run has ended, or often enough, then let it end; the log must be whole. Returns the kills."""
    run = KilledRun(folder, task, seed=seed)
    while run.kills < most_kills:
        if run.go_on():
            break
    run.end()
    shown = run.json("show", "victim")
    numbers = [attempt["number"] for attempt in shown["attempts"]]
    assert numbers == list(range(ATTEMPTS))
    assert [(attempt["ask"], attempt["trial"]) for attempt in shown["attempts"]] == [(n, 0) for n in range(ATTEMPTS)]
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


def test_a_run_killed_at_12_random_moments_loses_nothing(small_task, tmp_path: Path) -> None:
    kills, seed = 0, 0
    while kills < 12:
        seed += 1
        folder = tmp_path / str(seed)
        folder.mkdir()
        kills += survive(folder, small_task.folder, seed=seed, most_kills=12 - kills)


@pytest.mark.soak
def test_a_run_killed_at_300_random_moments_loses_nothing(small_task, tmp_path: Path) -> None:
    kills, seed = 0, 1000
    while kills < 300:
        seed += 1
        folder = tmp_path / str(seed)
        folder.mkdir()
        kills += survive(folder, small_task.folder, seed=seed, most_kills=300 - kills)

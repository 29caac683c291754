"""Fixtures of the tests of judging: a task, and a function that opens it on a scripted device."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from scripted_judge import SMALL, ScriptedJudge, open_scripted_judge

from harness.checking import benchmark_check
from harness.devices.script import Behaviour, Script
from harness.task import Task


@pytest.fixture(scope="session")
def task() -> Task:
    """Return the product of 64 x 64 matrices, with the time limit of a real task."""
    loaded = benchmark_check.load(SMALL)
    return replace(loaded, limits=replace(loaded.limits, timing_s=2.0))


@pytest.fixture
def scripted_judge(task: Task, tmp_path: Path) -> Callable[..., ScriptedJudge]:
    """Return a function that opens the task: `scripted_judge(Script(...), fast=Behaviour(...))` judges a candidate
    `fast`.
    """

    def opened(script: Script = Script(), *, of: Task = task, **candidates: Behaviour) -> ScriptedJudge:  # noqa: B008 (frozen)
        return open_scripted_judge(of, tmp_path, script, candidates)

    return opened

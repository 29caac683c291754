"""Fixtures of tests of the judging stages: a task, and a court that judges on a scripted device."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from court import SMALL, Court, open_court

from harness.checking import rehearsal
from harness.devices.script import Behaviour, Script
from harness.task import Task


@pytest.fixture(scope="session")
def task() -> Task:
    """The 64^3 product, with as much time to measure it as a real task has."""
    loaded = rehearsal.load(SMALL)
    return replace(loaded, limits=replace(loaded.limits, timing_s=2.0))


@pytest.fixture
def court(task: Task, tmp_path: Path) -> Callable[..., Court]:
    """Open the task: `court(Script(...), fast=Behaviour(...))` judges a candidate `fast`."""

    def opened(script: Script = Script(), *, of: Task = task, **candidates: Behaviour) -> Court:  # noqa: B008 (frozen)
        return open_court(of, tmp_path, script, candidates)

    return opened

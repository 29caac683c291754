"""Builds ahead of their judgement: found by whoever builds the same, dropped when they are no longer wanted."""

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kernelsmith import paths
from kernelsmith.core.task_folder import find_task
from kernelsmith.judge_client.builders import Builders
from kernelsmith.judge_client.process import JudgeProcess

TASK = find_task("hopper_rmsnorm")
FAMILIES = {path.stem: path for path in TASK.families}
pytest.importorskip("triton")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of builds of this test's own, with what Triton needs laid out in it already."""
    shared = paths.cache_folder()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for ready in shared.glob("triton-*"):
        shutil.copytree(ready, tmp_path / "kernelsmith" / ready.name, symlinks=True)
    return tmp_path / "kernelsmith" / "candidates"


@pytest.fixture
def builders(tmp_path: Path, cache: Path) -> Iterator[Builders]:
    def start() -> JudgeProcess:
        return JudgeProcess(python=sys.executable, options=["--device=cuda:0"], log=tmp_path / "harness.log")

    found = Builders(1, start=start, task=str(TASK.folder))
    yield found
    found.close()


def built(cache: Path) -> list[Path]:
    return sorted(cache.glob("*/built.json"))


def until(holds: Callable[[], bool], *, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def source(name: str) -> dict[str, str]:
    return {"path": str(FAMILIES[name]), "language": "triton"}


def test_what_is_prepared_is_built_and_inspected_without_a_gpu_also_after_a_broken_candidate(
    builders: Builders, cache: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("def rmsnorm(:")
    builders.prepare([{"path": str(broken), "language": "triton"}, source("1_rows")])
    until(lambda: any('"is_inspected": true' in path.read_text() for path in built(cache)))


def test_what_is_no_longer_wanted_is_not_built(builders: Builders, cache: Path) -> None:
    builders.prepare([source("1_rows"), source("2_vector")])
    until((cache / "locks").exists)  # the first is begun
    builders.prepare([source("3_ahead")])
    until(lambda: len(built(cache)) == 2)
    builders.close()
    assert len(built(cache)) == 2

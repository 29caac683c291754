"""The zoo judged on this machine: when a kind of device is right, and what a machine without a sandbox leaves out."""

import shutil
from pathlib import Path

import pytest

from kernelsmith import paths
from kernelsmith.app.judging import JudgeSettings
from kernelsmith.app.selftest import devices_here, judge_zoo
from kernelsmith.core.task import DeviceKind
from kernelsmith.errors import MachineRefusal, UsageError
from kernelsmith.judge_client import gpu


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A zoo for the CPU: an honest candidate, a cheat, and one that would harm a machine without a sandbox."""
    folder, whole = tmp_path / "exploits", paths.exploits_folder()
    folder.mkdir()
    shutil.copy(whole / "honest.c", folder)
    for name in ("control_honest", "writes_zeros", "fork_bomb"):
        shutil.copytree(whole / name, folder / name)
    monkeypatch.setattr(paths, "exploits_folder", lambda: folder)
    return folder


def test_a_guard_that_was_not_tried_is_not_right(zoo):
    judged = judge_zoo(DeviceKind.CPU, JudgeSettings(trust_candidates=True, isolation_at_most=0))
    assert judged.untried == ["fork_bomb"]
    assert all(one.is_right for one in judged.examined)
    assert not judged.is_right


def test_no_candidate_is_judged_without_a_sandbox_and_without_trust(zoo):
    with pytest.raises((UsageError, MachineRefusal), match="--trust-candidates"):
        judge_zoo(DeviceKind.CPU, JudgeSettings(isolation_at_most=0))


@pytest.mark.skipif(gpu.missing() is None, reason="there is a GPU")
def test_without_a_gpu_the_cpu_is_what_can_be_tried(zoo):
    assert devices_here(JudgeSettings()) == ([DeviceKind.CPU], "")
    with pytest.raises(UsageError, match="--device cpu needs none"):
        judge_zoo(DeviceKind.CUDA, JudgeSettings())

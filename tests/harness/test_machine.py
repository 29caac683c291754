"""What the judge finds on a machine: its cores and cache, vendor libraries, GPU files, and what `doctor` says."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.devices import gpu_files, machine, vendor
from harness.errors import MachineError
from harness.program import doctor, gpu_report, main
from kernelsmith.judge_client import gpu

HAS_GPU = not gpu.missing()


@pytest.fixture
def affinity() -> Iterator[set[int]]:
    """The cores of this process, which are given back."""
    before = os.sched_getaffinity(0)
    yield before
    os.sched_setaffinity(0, before)


def test_candidates_get_the_last_core_and_the_judge_the_others(affinity: set[int]) -> None:
    cores = machine.split_cores()
    assert cores.worker == max(affinity)
    assert cores.shared == (len(affinity) == 1)
    with machine.pin_judge(cores):
        assert os.sched_getaffinity(0) == set(cores.judge)
    assert os.sched_getaffinity(0) == affinity
    os.sched_setaffinity(0, {cores.worker})
    assert machine.split_cores() == machine.Cores(cores.worker, (cores.worker,))


def test_the_last_level_cache_has_a_size() -> None:
    assert machine.last_level_cache_bytes() >= 1 << 18


def test_openblas_is_run_with_its_own_choice_of_a_kernel_and_may_be_read(tmp_path: Path) -> None:
    environments = []
    for variant in vendor.openblas_variants(tmp_path / "candidate.so", memory_bytes=1 << 30):
        environment = dict(variant.profile.environment or {})
        assert Path(environment[vendor.LIBRARY_VARIABLE]) in variant.profile.readable
        environments.append(environment)
    assert not environments or "OPENBLAS_CORETYPE" not in environments[0]


def test_each_algorithm_of_the_newest_cublaslt_is_a_vendor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version in ("98", "99"):
        (tmp_path / f"libcublasLt.so.{version}").touch()
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    found = vendor.cublaslt(tmp_path / "candidate.so", memory_bytes=1 << 30)
    chosen = [dict(one.profile.environment or {}) for one in found]
    assert [one[vendor.CHOICE_VARIABLE] for one in chosen] == [str(number) for number in range(vendor.CHOICES)]
    assert {one[vendor.LIBRARY_VARIABLE] for one in chosen} == {str(tmp_path / "libcublasLt.so.99")}
    assert {one.profile.memory_bytes for one in found} == {1 << 30}


def test_nodes_of_gpus_are_files_and_none_is_a_folder() -> None:
    assert not any(node.is_dir() for node in gpu_files.devices())


@pytest.mark.skipif(HAS_GPU, reason="a GPU is here")
def test_where_no_gpu_is_nothing_is_reported_of_it() -> None:
    with pytest.raises((OSError, MachineError)):
        gpu_files.uuid(0)
    assert all(not is_right for is_right, _ in gpu_report.report().values())


@pytest.mark.judge
def test_doctor_prints_its_findings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(doctor, "PROBE_S", 0.05)
    monkeypatch.setattr(sys, "argv", ["harness", "doctor", f"--cache={tmp_path}"])
    assert main.main() == 0
    found = json.loads(capsys.readouterr().out)
    assert found["judge_cores"] == list(machine.split_cores().judge)
    assert ("peaks" in found) != ("problem" in found)

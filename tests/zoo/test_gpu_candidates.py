"""GPU candidates where there is no GPU: well described, and built by the real builders, or refused as they say."""

import re
from pathlib import Path

import pytest

from harness import task as tasks
from harness.compiling import gpu, nvcc, toolchain
from harness.compiling.build_runner import BuildContext
from harness.compiling.built import BuildFailure, Built
from harness.sandbox import launcher as sandbox
from harness.worker import runtime
from kernelsmith import paths
from kernelsmith.app.zoo import CandidateKind, ZooCandidate, load_zoo
from kernelsmith.core.candidate import Language
from kernelsmith.core.task_folder import load_task
from kernelsmith.core.verdict import Status

ZOO = load_zoo(paths.exploits_folder(), device="cuda")
TASK = tasks.load(paths.selftest_task_folder("cuda"))
BUILD_VERDICTS = {Status.BUILD_FAILED, Status.REJECTED}
SAMPLE = {
    "cuda_control_honest", "cuda_speaks_to_the_reader", "triton_control_device_descriptors", "triton_imports_torch",
    "triton_rewrites_itself", "triton_starts_a_program_at_import",
}  # fmt: skip
"""Built in every run of the suite; the others take minutes, and are built in the soak."""
NAMED = [pytest.param(one, id=one.name, marks=() if one.name in SAMPLE else pytest.mark.soak) for one in ZOO]


def has_nvcc() -> bool:
    try:
        nvcc.toolkit()
    except toolchain.NoCompiler:
        return False
    return True


@pytest.fixture(scope="module")
def isolation() -> sandbox.Isolation:
    return sandbox.probe()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def built(one: ZooCandidate, *, cache: Path, isolation: sandbox.Isolation, folder: Path) -> Built | BuildFailure:
    source = folder / f"candidate{one.candidate.language.suffix}"
    source.write_text(one.candidate.source, encoding="utf-8")
    return gpu.build(source, TASK, language=one.candidate.language, context=BuildContext(cache, isolation))


@pytest.mark.parametrize("one", NAMED)
def test_each_builds_or_has_the_build_verdict_that_it_declares(one, cache, isolation, tmp_path) -> None:
    if one.candidate.language is Language.CUDA and not has_nvcc():
        pytest.skip("no CUDA toolkit: CUDA C++ is not built here")
    found = built(one, cache=cache, isolation=isolation, folder=tmp_path)
    expected = one.expect & BUILD_VERDICTS
    if expected:
        assert isinstance(found, BuildFailure), f"{one.name} was to fail, and was built"
        assert found.status in expected, found.detail
    else:
        assert isinstance(found, Built), f"{one.name}: {found}"


def test_what_a_triton_candidate_writes_over_itself_while_it_is_built_is_not_what_runs(
    cache, isolation, tmp_path
) -> None:
    one = next(one for one in ZOO if one.name == "triton_rewrites_itself")
    found = built(one, cache=cache, isolation=isolation, folder=tmp_path)
    assert isinstance(found, Built)
    assert (found.artifact / "candidate.py").read_text(encoding="utf-8") == one.candidate.source


def test_no_control_character_of_a_candidate_reaches_the_detail(cache, isolation, tmp_path) -> None:
    one = next(one for one in ZOO if one.name == "triton_speaks_to_the_reader")
    found = built(one, cache=cache, isolation=isolation, folder=tmp_path)
    assert isinstance(found, BuildFailure)
    assert not [c for c in found.detail if ord(c) < 32 and c != "\n"]
    assert len(found.detail) < 4000


def test_the_gpu_zoo_holds_enough_of_each_kind_in_both_languages() -> None:
    kinds = [(one.kind, one.candidate.language) for one in ZOO]
    assert kinds.count((CandidateKind.HONEST, Language.CUDA)) >= 10
    assert kinds.count((CandidateKind.HONEST, Language.TRITON)) >= 5
    assert kinds.count((CandidateKind.CHEAT, Language.CUDA)) >= 30
    assert kinds.count((CandidateKind.CHEAT, Language.TRITON)) >= 10
    assert any(kind is CandidateKind.WRONG for kind, _ in kinds)


def test_every_gpu_candidate_is_well_described() -> None:
    names = {one.name for one in ZOO}
    for one in ZOO:
        assert one.name.startswith(f"{one.candidate.language}_"), one.name
        assert one.story, one.name
        assert one.guard, one.name
        assert set(one.rows) <= set(range(1, 44)), one.name
        assert (one.kind is CandidateKind.CHEAT) == bool(one.rows), one.name
        assert (one.kind is CandidateKind.HONEST) == (one.expect == {Status.PASSED} and not one.no_faster_than), (
            one.name
        )
        assert (Status.PASSED in one.expect and one.kind is CandidateKind.CHEAT) == bool(one.no_faster_than), one.name
        assert one.no_faster_than in (None, *names), one.name
        assert len(one.candidate.source) <= TASK.limits.source_bytes, one.name


def test_a_candidate_that_acts_in_its_worker_only_knows_it_by_a_module_of_the_runtime() -> None:
    """A test that is never met would turn a cheat into honest work."""
    named = {one.name: set(re.findall(r"worker\.(\w+)", one.candidate.source)) for one in ZOO}
    there = {path.stem for path in runtime.FOLDER.glob("*.py")}
    assert all(modules <= there for modules in named.values()), named
    assert sum("gpu" in modules for modules in named.values()) >= 10
    assert not [one.name for one in ZOO if "sys.argv[0]" in one.candidate.source]


def test_the_task_of_the_gpu_zoo_is_one_that_the_agent_accepts() -> None:
    task = load_task(paths.selftest_task_folder("cuda"))
    assert (task.device, set(task.languages)) == ("cuda", {Language.CUDA, Language.TRITON})

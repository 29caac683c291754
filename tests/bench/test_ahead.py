"""GPU candidates are built before they are judged, without a GPU, into the cache that the judge reads."""

import sys
from pathlib import Path

from kernelsmith import paths
from kernelsmith.bench.ahead import build_ahead
from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.task_folder import load_task
from kernelsmith.zoo import load_zoo


def test_what_builds_is_in_the_cache_and_what_does_not_stops_nobody(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    zoo = {one.name: one.candidate for one in load_zoo(paths.exploits_folder(), device="cuda")}
    broken = Candidate("def matmul(:", Language.TRITON)
    chosen = [broken, zoo["triton_control_honest"], zoo["triton_imports_torch"], zoo["triton_passes_through"]]
    build_ahead(load_task(paths.selftest_task_folder("cuda")), chosen, folder=tmp_path / "work", python=sys.executable)
    found = {path.read_text() for path in (paths.cache_folder() / "candidates").glob("*/candidate/candidate.py")}
    assert found == {chosen[1].source, chosen[3].source}

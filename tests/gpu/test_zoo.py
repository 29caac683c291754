"""Every GPU cheat is caught and nobody honest is accused."""

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from kernelsmith import paths
from kernelsmith.app.zoo import ZooCandidate, ZooResult, examine, load_zoo
from kernelsmith.core.task_folder import load_task
from kernelsmith.judge_client.harness import HarnessProcess

pytestmark = pytest.mark.gpu

ZOO = load_zoo(paths.exploits_folder(), device="cuda")
Judge = Callable[[ZooCandidate], ZooResult]


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Judge]:
    """Judges one candidate of the zoo; at the end the sum is printed, each fault with its reason."""
    task, found = load_task(paths.selftest_task_folder("cuda")), list[ZooResult]()
    with HarnessProcess(task, folder=tmp_path_factory.mktemp("harness")) as process:
        process.prepare([exploit.candidate for exploit in ZOO])
        process.open()

        def judged(exploit: ZooCandidate) -> ZooResult:
            controls = [one for one in ZOO if one.name == exploit.no_faster_than]
            found.append(next(examine(process, [exploit, *controls])))
            return found[-1]

        yield judged
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print("\n" + told(found))


def told(found: list[ZooResult]) -> str:
    """One line a candidate, and the counts."""
    lines = [
        f"{one.outcome:<16} {one.exploit.name:<30} {one.seconds:5.1f} s  {one.verdict.status}: {one.detail}"
        for one in sorted(found, key=lambda one: (one.is_right, one.exploit.name))
    ]
    counts = Counter(str(one.outcome) for one in found)
    return "\n".join([*lines, ", ".join(f"{count} {outcome}" for outcome, count in counts.items())])


@pytest.mark.parametrize("exploit", ZOO, ids=lambda exploit: exploit.name)
def test_each_candidate_gets_the_verdict_it_deserves(judge: Judge, exploit: ZooCandidate) -> None:
    one = judge(exploit)
    assert one.is_right, f"{one.outcome}: {one.verdict.status}: {one.detail}; {one.verdict.notes}"
    assert one.verdict.status in exploit.expect, f"{one.verdict.status}: {one.detail}"

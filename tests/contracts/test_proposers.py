"""Every proposer keeps the contract of proposers."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from contracts.proposer import Make, ProposerContract, Walk

from kernelsmith.core.candidate import Language
from kernelsmith.core.run import Run, RunConfig
from kernelsmith.core.task import Task
from kernelsmith.core.usage import Exchange
from kernelsmith.propose.folder import FolderProposer
from kernelsmith.propose.model import model_proposer
from kernelsmith.propose.opening import OpeningProposer
from kernelsmith.propose.replay import ReplayProposer, Selection
from kernelsmith.propose.tuner import Tuner


def _run(proposer: str, **config: str) -> Run:
    settings = RunConfig("small_matmul", proposer, plateau=2, **config)
    return Run(1, "night", settings, "0" * 64, datetime(2026, 11, 27, tzinfo=UTC))


@pytest.fixture
def kernels(tmp_path: Path) -> Path:
    """A folder of six kernels; the later ones name a parent."""
    folder = tmp_path / "kernels"
    folder.mkdir()
    for number in range(6):
        parent = f"// parent: {number // 2}.c\n" if number else ""
        (folder / f"{number}.c").write_text(f"{parent}int kernel_{number};\n")
    return folder


class TestTuner(ProposerContract):
    """The tuner, on the 17 combinations of the small task."""

    @pytest.fixture
    def run(self) -> Run:
        return _run("tuner")

    @pytest.fixture
    def make(self, small_task: Task) -> Make:
        return lambda _history: Tuner(small_task, seed=0)


class TestFolder(ProposerContract):
    """A folder of files."""

    @pytest.fixture
    def run(self, kernels: Path) -> Run:
        return _run(f"folder:{kernels}")

    @pytest.fixture
    def make(self, small_task: Task, kernels: Path) -> Make:
        return lambda _history: FolderProposer(small_task, kernels)


class TestOpening(ProposerContract):
    """The skeleton, and then a folder of files."""

    @pytest.fixture
    def run(self, kernels: Path) -> Run:
        return _run(f"folder:{kernels}")

    @pytest.fixture
    def make(self, small_task: Task, kernels: Path) -> Make:
        then = FolderProposer(small_task, kernels)
        return lambda _history: OpeningProposer(small_task, from_file=None, then=then)


class TestReplay(ProposerContract):
    """Every attempt of a recorded run of a folder, which has sweep trials."""

    @pytest.fixture
    def run(self) -> Run:
        return _run("replay:night")

    @pytest.fixture
    def make(self, small_task: Task, kernels: Path) -> Make:
        recorded = Walk(_run(f"folder:{kernels}"), lambda _history: FolderProposer(small_task, kernels), sweep=2)
        recorded.until_exhausted()
        return lambda _history: ReplayProposer(recorded.history, Selection.ALL)


class Kept:
    """Exchanges in memory, in the order in which they came."""

    def __init__(self) -> None:
        self.all: list[Exchange] = []

    def exchanges(self, ask_number: int) -> Sequence[Exchange]:
        return tuple(exchange for exchange in self.all if exchange.ask_number == ask_number)

    def keep(self, exchange: Exchange) -> None:
        self.all.append(exchange)


class TestModel(ProposerContract):
    """A scripted model, with a reply without a kernel among its replies."""

    @pytest.fixture
    def run(self, tmp_path: Path) -> Run:
        for number in range(6):
            fence = f"```c\nvoid matmul(int kernel_{number}) {{ }}\n```" if number != 2 else "I am done."
            (tmp_path / f"{number}.md").write_text(f"Hypothesis: idea {number}.\n\n{fence}\n")
        return _run("model", model=f"scripted:{tmp_path}")

    @pytest.fixture
    def make(self, small_task: Task) -> Make:
        kept = Kept()
        return lambda history: model_proposer(small_task, history, exchanges=kept, environ={})

    def test_the_kernels_are_those_of_the_script(self, run: Run, make: Make) -> None:
        walk = Walk(run, make, sweep=1)
        walk.until_exhausted()
        written = [attempt for attempt in walk.history.attempts if attempt.trial == 0]
        assert [attempt.proposal.hypothesis for attempt in written] == [f"idea {number}." for number in range(6)]
        assert [attempt.candidate is not None for attempt in written] == [True, True, False, True, True, True]
        assert {a.candidate.language for a in written if a.candidate} == {Language.C}

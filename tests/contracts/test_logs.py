"""Every backend of the attempt log keeps the contract of logs."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from contracts.log import Log, LogContract, Reopened

from kernelsmith.core.run import Run, RunConfig
from kernelsmith.core.snapshot import Snapshot
from kernelsmith.log.store import Store, open_store


class TestStore(LogContract):
    """SQLite."""

    @pytest.fixture
    def log(self, tmp_path: Path) -> Iterator[Log]:
        with open_store(tmp_path / "attempts.db") as store:
            store.create_run(RunConfig("small_matmul", "tuner"), name="night", task=Snapshot({"task.toml": b""}))
            yield store

    @pytest.fixture
    def run(self, log: Store) -> Run:
        return log.run("night")

    @pytest.fixture
    def reopened(self, log: Store) -> Iterator[Reopened]:
        with ExitStack() as stack:
            yield lambda: stack.enter_context(open_store(log.path, create=False))

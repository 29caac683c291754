"""Write a small database of the present schema: `python tests/log/databases/make.py`, once, when a version is born.

What it wrote is committed and never made again: tests/log/test_faults.py migrates every one of them.
"""

import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from kernelsmith.core.attempt import Directive, Stance
from kernelsmith.core.run import Event, EventKind, RunConfig
from kernelsmith.log.migrations import VERSION
from kernelsmith.log.store import open_store

HERE = Path(__file__).parent


def main() -> None:
    """Three attempts: broken, first, better."""
    sys.path.insert(0, str(HERE.parent))
    from conftest import VERDICTS, attempt

    with open_store(HERE / f"v{VERSION}.db") as store:
        run = store.create_run(RunConfig(task="cpu_matmul", proposer="tuner"), name="recorded", task_digest="0" * 64)
        for name in ("build failed", "passed", "promoted"):
            ask = store.ask(run, Directive(Stance.REFINE, reason="recorded"))
            store.record(run, replace(attempt(ask.number, VERDICTS[name]), ask=ask))
        store.note(run, Event(EventKind.ENDED, datetime(2026, 11, 23, tzinfo=UTC), data={"reason": "3 attempts made"}))


if __name__ == "__main__":
    main()

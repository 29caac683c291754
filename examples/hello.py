"""All the wiring of a run in one page, without the command line: the tuner on cpu_matmul, a dozen attempts.

python examples/hello.py [TASK] [ATTEMPTS]
"""

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from kernelsmith.judge_client.harness import HarnessProcess
from kernelsmith.core.run import Budget, Event, EventKind, RunConfig
from kernelsmith.core.task_folder import find_task
from kernelsmith.log.store import open_store
from kernelsmith.loop import Parts, optimize
from kernelsmith.propose.opening import Opening
from kernelsmith.propose.tuner import Tuner
from kernelsmith.report.summary import summary_text
from kernelsmith.search import Ladder


def main(name: str = "cpu_matmul", attempts: int = 12) -> None:
    """Run, and print what came of it; `kernelsmith show hello-1` reads the same log."""
    task = find_task(name)
    config = RunConfig(task=name, proposer="tuner", budget=Budget(attempts=attempts), plateau=3)
    with open_store(Path("runs") / "attempts.db") as log:
        run = log.create_run(config, name=log.free_name("hello"), task_digest=task.digest)
        with log.hold(run), HarnessProcess(task, folder=Path("runs") / run.name) as harness:
            device = harness.open()
            log.note(run, Event(EventKind.OPENED, datetime.now(UTC), data=asdict(device)))
            proposer = Opening(task, from_file=None, then=Tuner(task, seed=config.seed))
            history = optimize(run, Parts(Ladder(config), proposer, harness, log))
    print(summary_text(history))


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))

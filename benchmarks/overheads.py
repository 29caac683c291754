"""What kernelsmith itself costs: start-up, reading a long log, and each step of the loop beside build and judge.

    python benchmarks/overheads.py [--attempts 1000]

The log is a synthetic run of the tuner on cpu_matmul, written through the store as the loop writes it: real sources of
the last family, 28 batches an attempt, 40 promotions. No kernel is built. Prints medians of several repetitions.
"""

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from kernelsmith.app.session import Session, SessionInputs, SessionParts
from kernelsmith.core.attempt import Ask, Attempt, Directive, Origin, Proposal, Stance
from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.history import History, Opponent
from kernelsmith.core.kinds import MeasuringKind, Unit
from kernelsmith.core.run import Budget, Device, Event, EventKind, Run, RunConfig, VendorLine
from kernelsmith.core.snapshot import snapshot_of
from kernelsmith.core.task import Task
from kernelsmith.core.task_folder import find_task
from kernelsmith.core.verdict import Batch, Duel, Interval, Measurement, Promotion, Status, Verdict
from kernelsmith.log.store import Store, open_store
from kernelsmith.prompts.prompt import prompt_for
from kernelsmith.propose.knobs import Family, read_family
from kernelsmith.propose.tuner import Tuner
from kernelsmith.search import Ladder

CLI = [sys.executable, "-m", "kernelsmith.cli"]
NAME = "synthetic"
PEAK = 100e9
DEVICE = Device(
    name="synthetic CPU",
    kind=MeasuringKind.CPU,
    peak=PEAK,
    unit=Unit.FP32,
    isolation=3,
    spread=0.01,
    overhead_us=10.0,
    vendor=VendorLine("synthetic BLAS", 25_000.0, 0.86),
)
BATCHES = 28
PROMOTIONS = 40
REPETITIONS = 7


def write(path: Path, task: Task, *, attempts: int) -> None:
    """A log that holds one long run."""
    family = read_family(task.families[-1])
    with open_store(path) as store:
        config = RunConfig(task=task.name, proposer="tuner", budget=Budget(attempts=attempts + 1))
        run = store.create_run(config, name=NAME, task=snapshot_of(task.folder))
        store.note(run, Event(EventKind.OPENED, datetime.now(UTC), data=asdict(DEVICE)))
        for number in range(attempts):
            record(store, run, attempt(number, family, promoted=number % max(attempts // PROMOTIONS, 1) == 1))


def record(store: Store, run: Run, made: Attempt) -> None:
    """What the loop writes for one attempt."""
    store.ask(run, made.ask.directive)
    store.note(run, Event(EventKind.JUDGING, made.started_at, made.number))
    store.record(run, made)


def attempt(number: int, family: Family, *, promoted: bool) -> Attempt:
    """A passed attempt with a source of its own; every tenth one is incorrect."""
    directive = Directive(Stance.REFINE, parent=number - 1 if number else None, reason="synthetic")
    ask = Ask(number, directive, seen=number - 1)
    found = family.candidate(random.Random(number).choice(family.combinations))
    candidate = type(found)(f"// {number}\n{found.source}", found.language, found.params)
    verdict = passed(number, promoted=promoted) if number % 10 else Verdict(Status.INCORRECT, "worst element C[3,4]")
    proposal = Proposal(Origin.TUNER, "synthetic", candidate, directive.parent)
    return Attempt(number, ask, 0, proposal, verdict, datetime.now(UTC), 2.0)


def passed(number: int, *, promoted: bool) -> Verdict:
    """A verdict with everything that a promoted attempt has."""
    time_us = 30_000.0 - number
    fraction = 2 * 1024**3 / (time_us * 1e-6) / PEAK
    around = Interval(time_us * 0.99, time_us * 1.01)
    measurement = Measurement(time_us, around, fraction, fraction * PEAK, PEAK, Unit.FP32, time_us, vendor_ratio=0.9)
    batches = tuple(Batch("main", 1, time_us + i, f"{number * 100 + i:032x}") for i in range(BATCHES))
    duel = Duel(1.02, Interval(1.011, 1.03), 24)
    return Verdict(
        Status.PASSED,
        measurement=measurement,
        promotion=Promotion.DUEL if promoted else None,
        duel=duel,
        batches=batches,
    )


def median_s(work: Callable[[], object]) -> float:
    """Median seconds of the repetitions."""
    times = []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def command_s(*arguments: str, folder: Path) -> float:
    """Median seconds of one command of the command line, interpreter included."""
    return median_s(lambda: subprocess.run([*CLI, *arguments], cwd=folder, stdout=subprocess.DEVNULL, check=True))


def ready(path: Path, task: Task) -> None:
    """What `resume` does until it can propose."""
    with open_store(path, create=False) as store:
        history = store.history(store.run(NAME))
        directive = Ladder(history.run.config).ask(history, len(history.attempts))
        Tuner(task, seed=0).propose(Ask(len(history.attempts), directive), history)


def steps(path: Path, task: Task, history: History) -> list[tuple[str, float]]:
    """Seconds of the loop's own steps behind a long history."""
    run, number = history.run, len(history.attempts)
    ladder, tuner, family = Ladder(run.config), Tuner(task, seed=0), read_family(task.families[-1])
    refine = Ask(number, Directive(Stance.REFINE, parent=number - 1))
    with open_store(path, create=False) as store:
        store.history(run)
        numbers = iter(range(number, number + REPETITIONS))
        return [
            ("directive", median_s(lambda: ladder.ask(history, number))),
            ("tuner's proposal", median_s(lambda: tuner.propose(refine, history))),
            ("prompt", median_s(lambda: prompt_for(task, history, ask=refine))),
            (
                "log: ask, judging, attempt",
                median_s(lambda: record(store, run, attempt(next(numbers), family, promoted=False))),
            ),
        ]


class InstantJudge:
    """A harness whose every verdict is there at once."""

    def __enter__(self) -> "InstantJudge":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held."""

    def open(self) -> Device:
        """Return the synthetic device."""
        return DEVICE

    def prepare(self, candidates: Sequence[Candidate]) -> None:
        """Build nothing."""

    def submit(self, candidate: Candidate, incumbent: Opponent | None) -> "Future[Verdict]":
        """Return a verdict that promotes nobody but the first."""
        verdict: Future[Verdict] = Future()
        verdict.set_result(replace(passed(1, promoted=incumbent is None), duel=None))
        return verdict


class Numbered:
    """A proposer that gives a source of its own for every ask."""

    def propose(self, ask: Ask, history: History) -> Proposal:
        """Return it."""
        return Proposal(Origin.FOLDER, "", Candidate(f"// {ask.number}", Language.C), ask.directive.parent)


def loop_s(folder: Path, task: Task, *, asks: int) -> float:
    """Return the loop's seconds an attempt: ask, prompt-free proposal, verdict, log, with nothing to build or judge."""
    config = RunConfig(task=task.name, proposer="tuner", budget=Budget(attempts=asks))
    store = open_store(folder / "loop.db")
    run = store.create_run(config, name="loop", task=snapshot_of(task.folder))
    opening = SessionInputs(store, run, task, (), "kernelsmith resume loop")
    with Session(opening, parts=SessionParts(proposer=Numbered(), harness=InstantJudge())) as session:
        start = time.perf_counter()
        session.run()
        return (time.perf_counter() - start) / asks


def main() -> None:
    """Write the log, take the times, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attempts", type=int, default=1000)
    arguments = parser.parse_args()
    task = find_task("cpu_matmul")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs" / "attempts.db"
        start = time.perf_counter()
        write(path, task, attempts=arguments.attempts)
        rows = [
            (
                f"log of {arguments.attempts} attempts, {path.stat().st_size / 2**20:.1f} MiB: written",
                time.perf_counter() - start,
            )
        ]
        rows += [("kernelsmith --help", command_s("--help", folder=Path(folder)))]
        rows += [("kernelsmith show RUN", command_s("show", NAME, folder=Path(folder)))]
        rows += [("kernelsmith show RUN --json", command_s("show", NAME, "--json", folder=Path(folder)))]
        rows += [("resume ready: log read, directive, proposal", median_s(lambda: ready(path, task)))]
        with open_store(path, create=False) as store:
            history = store.history(store.run(NAME))
        rows += steps(path, task, history)
        for asks in (100, arguments.attempts):
            rows += [(f"loop, an attempt of {asks}", loop_s(Path(folder) / f"loop-{asks}", task, asks=asks))]
    for name, seconds in rows:
        print(f"{name:60s} {seconds * 1e3:8.1f} ms")


if __name__ == "__main__":
    main()

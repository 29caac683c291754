"""Measures the time that kernelsmith itself takes: start-up, reading a long log, and the loop's steps.

    python benchmarks/overheads.py [--attempts 1000]

The log holds a synthetic run of the tuner on cpu_matmul, written through the store as the loop writes it: real sources
of the last family, 28 batches per attempt, 40 promotions. No kernel is built or judged. Prints medians of several
repetitions.
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
    """Write a new log that holds one run of this many synthetic attempts."""
    family = read_family(task.families[-1])
    with open_store(path) as store:
        config = RunConfig(task=task.name, proposer="tuner", budget=Budget(attempts=attempts + 1))
        run = store.create_run(config, name=NAME, task=snapshot_of(task.folder))
        store.note(run, Event(EventKind.OPENED, datetime.now(UTC), data=asdict(DEVICE)))
        for number in range(attempts):
            promoted = number % max(attempts // PROMOTIONS, 1) == 1
            record(store, run, synthetic_attempt(number, family, promoted=promoted))


def record(store: Store, run: Run, attempt: Attempt) -> None:
    """Write an attempt to the log as the loop does: its ask, the event that judging began, and the attempt."""
    store.ask(run, attempt.ask.directive)
    store.note(run, Event(EventKind.JUDGING, attempt.started_at, attempt.number))
    store.record(run, attempt)


def synthetic_attempt(number: int, family: Family, *, promoted: bool) -> Attempt:
    """Return a synthetic attempt with a source of its own; every tenth is incorrect, the others passed."""
    directive = Directive(Stance.REFINE, parent=number - 1 if number else None, reason="synthetic")
    ask = Ask(number, directive, seen=number - 1)
    drawn = family.candidate(random.Random(number).choice(family.combinations))
    candidate = type(drawn)(f"// {number}\n{drawn.source}", drawn.language, drawn.params)
    verdict = passed(number, promoted=promoted) if number % 10 else Verdict(Status.INCORRECT, "worst element C[3,4]")
    proposal = Proposal(Origin.TUNER, "synthetic", candidate, directive.parent)
    return Attempt(number, ask, 0, proposal, verdict, datetime.now(UTC), 2.0)


def passed(number: int, *, promoted: bool) -> Verdict:
    """Return a synthetic verdict `passed` with measurement, batches and a duel; `promoted` sets its promotion."""
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
    """Run `work` several times and return the median of its seconds."""
    times = []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def command_s(*arguments: str, folder: Path) -> float:
    """Return the median seconds of a `kernelsmith` command, with the start of its interpreter."""
    return median_s(lambda: subprocess.run([*CLI, *arguments], cwd=folder, stdout=subprocess.DEVNULL, check=True))


def ready(path: Path, task: Task) -> None:
    """Do what `resume` does until its first proposal: read the log, make a directive, let the tuner propose."""
    with open_store(path, create=False) as store:
        history = store.history(store.run(NAME))
        directive = Ladder(history.run.config).ask(history, len(history.attempts))
        Tuner(task, seed=0).propose(Ask(len(history.attempts), directive), history)


def steps(path: Path, task: Task, history: History) -> list[tuple[str, float]]:
    """Return each step of the loop, by name, with its median seconds after a long history."""
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
                median_s(lambda: record(store, run, synthetic_attempt(next(numbers), family, promoted=False))),
            ),
        ]


class InstantJudge:
    """A harness that returns a synthetic verdict at once, without building or judging."""

    def __enter__(self) -> "InstantJudge":
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing: this harness holds no resources."""

    def open(self) -> Device:
        """Return the synthetic device."""
        return DEVICE

    def prepare(self, candidates: Sequence[Candidate]) -> None:
        """Build nothing."""

    def submit(self, candidate: Candidate, incumbent: Opponent | None) -> "Future[Verdict]":
        """Return a passed verdict, which promotes the candidate only if there is no incumbent."""
        verdict: Future[Verdict] = Future()
        verdict.set_result(replace(passed(1, promoted=incumbent is None), duel=None))
        return verdict


class Numbered:
    """A proposer that answers every ask with another source text, which is only the ask's number."""

    def propose(self, ask: Ask, history: History) -> Proposal:
        """Return a proposal whose source is the number of the ask."""
        return Proposal(Origin.FOLDER, "", Candidate(f"// {ask.number}", Language.C), ask.directive.parent)


def loop_s(folder: Path, task: Task, *, asks: int) -> float:
    """Return the seconds per attempt of a loop that proposes and judges at once: what remains is the loop itself."""
    config = RunConfig(task=task.name, proposer="tuner", budget=Budget(attempts=asks))
    store = open_store(folder / "loop.db")
    run = store.create_run(config, name="loop", task=snapshot_of(task.folder))
    opening = SessionInputs(store, run, task, (), "kernelsmith resume loop")
    with Session(opening, parts=SessionParts(proposer=Numbered(), harness=InstantJudge())) as session:
        start = time.perf_counter()
        session.run()
        return (time.perf_counter() - start) / asks


def main() -> None:
    """Write the log, measure, and print the table."""
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

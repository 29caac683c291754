"""Measures how small a difference a duel detects, and whether a duel ever promotes a kernel over an equal one.

The duels are the judge's own, on the task's main case, between sandboxed workers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.checking import inputs
from harness.judging import audit, comparison
from harness.judging.duel import MARGIN, Duel
from harness.judging.open_task import OpenTask
from in_process import SUFFIXES, built
from timing.delays import delayed

DELAYS = {"cpu": (0.0, 0.005, 0.01, 0.02, 0.03, 0.05), "cuda": (0.0, 0.0025, 0.005, 0.01, 0.02)}
"""Kind of device -> delays, as fractions of a call's time."""
DRAWN = 1000
"""Number of simulated duels, whose quads are drawn from those of the real duels."""
SURE = 0.95
"""Fraction of simulated duels that must detect a difference before it counts as detected."""
PILOT_CALLS, PILOTS = 8, 4


@dataclass(frozen=True, slots=True)
class OpponentKernel:
    """A built kernel that was made slower by a delay."""

    artifact: Path
    delay: float
    """Fraction of a call's time by which each call is longer."""


def fought(opened: OpenTask, contender: Path, incumbent: Path, *, call_s: float, give_up: bool) -> Duel:
    """Return the result of one duel between two artifacts, made by the judge's own code.

    `call_s` is the expected seconds per call of the contender. `give_up` makes the duel that of a promotion: an audit
    comes first, and a duel that cannot be won any more ends early.
    """
    with opened.worker(contender) as worker:
        if give_up:
            audit.single_call_s(opened.session(worker, opened.main).after(0.0))
        sides = comparison.PairedComparison(opened, worker, comparison.OpponentKernel(incumbent))
        return sides.fight(sides.terms(2 * call_s, give_up=give_up))


def is_detected(duel: Duel) -> bool:
    """Return whether the whole confidence interval of a duel lies above 1: the contender is faster."""
    return duel.interval[0] > 1


def twins(opened: OpenTask, kernel: Path, *, call_s: float, duels: int, folder: Path) -> Iterator[Duel]:
    """Yield duels of a kernel against itself; each ends early once it cannot be won any more."""
    text, language = kernel.read_text(encoding="utf-8"), SUFFIXES[kernel.suffix]
    first, second = (built(opened, text + end, language=language, folder=folder) for end in ("", "\n"))
    for _ in range(duels):
        yield fought(opened, first, second, call_s=call_s, give_up=True)


def rivals(opened: OpenTask, kernel: Path, *, call_s: float, folder: Path) -> list[OpponentKernel]:
    """Build the kernel once with each delay of the device, a wait of 0 s included."""
    text, language = kernel.read_text(encoding="utf-8"), SUFFIXES[kernel.suffix]
    kernels = []
    for delay in DELAYS[opened.task.device]:
        source = delayed(opened.task, text, language=language, seconds=delay * call_s)
        kernels.append(OpponentKernel(built(opened, source, language=language, folder=folder), delay))
    return kernels


def detected_share(duels: Sequence[Duel]) -> float:
    """Return the fraction of simulated duels that detect a difference; their quads are drawn from the given duels."""
    ratios, quads = np.concatenate([duel.ratios for duel in duels]), duels[0].planned
    rng = np.random.default_rng(0)
    drawn = (Duel(rng.choice(ratios, quads), quads) for _ in range(DRAWN))
    return float(np.mean([is_detected(duel) for duel in drawn]))


def print_twins(opened: OpenTask, kernel: Path, *, call_s: float, duels: int, folder: Path) -> None:
    """Duel a kernel against itself; print each duel, and how many would have promoted the contender."""
    results = []
    for duel in twins(opened, kernel, call_s=call_s, duels=duels, folder=folder):
        results.append(duel)
        low, high = duel.interval
        print(f"  {duel.speedup:.4f} [{low:.4f}, {high:.4f}] {len(duel.ratios)} quads", flush=True)
    promoted, quads = sum(duel.won for duel in results), [len(duel.ratios) for duel in results]
    spread = max(abs(duel.speedup - 1) for duel in results)
    print(
        f"{kernel.name} against itself, as before a promotion: {promoted} of {len(results)} promoted; medians within "
        f"{spread:.2%} of 1; {sum(quads) / len(quads):.1f} of {results[0].planned} quads on average",
        flush=True,
    )


def print_resolution(opened: OpenTask, kernel: Path, *, call_s: float, duels: int, folder: Path) -> None:
    """Print for each delay how many duels detect it, and the smallest delay that is detected reliably (`SURE`)."""
    plain, *slower = rivals(opened, kernel, call_s=call_s, folder=folder)
    print(f"{kernel.name}, {call_s * 1e6:.0f} us a call, against itself with a delay, {duels} duels each:")
    sure: list[float] = []
    for rival in (plain, *slower):
        results = [fought(opened, plain.artifact, rival.artifact, call_s=call_s, give_up=False) for _ in range(duels)]
        share, detected = detected_share(results), sum(is_detected(duel) for duel in results)
        # Starts anew after a delay that is not detected: every larger delay must be detected too.
        sure = [*sure, rival.delay] if share >= SURE else []
        print(
            f"  {rival.delay:6.1%} longer: measured {np.median([duel.speedup for duel in results]) - 1:+.2%} "
            f"(quads scatter {np.std(np.log(np.concatenate([duel.ratios for duel in results]))):.2%}); detected in "
            f"{detected} of {len(results)}, in {share:.1%} of {DRAWN} simulated; promoted (more than {MARGIN - 1:.0%}) "
            f"in {sum(duel.won for duel in results)}",
            flush=True,
        )
    smallest = f"{sure[0]:.1%}" if sure else "none of these"
    print(f"  smallest difference detected with {SURE:.0%}: {smallest}", flush=True)


def call_s(opened: OpenTask, kernel: Path, *, folder: Path) -> float:
    """Return the seconds per call of a kernel: the least of `PILOTS` short batches on the main case."""
    artifact = built(opened, kernel.read_text(encoding="utf-8"), language=SUFFIXES[kernel.suffix], folder=folder)
    calls = opened.plan(opened.main, pilot_s=opened.pace.target_s / PILOT_CALLS).calls
    with opened.worker(artifact) as worker:
        session = opened.session(worker, opened.main, sets=calls).after(0.0)
        times = []
        for _ in range(PILOTS):
            key = inputs.fresh_key()
            session.refresh(range(calls), key)
            times.append(session.run(range(calls), key).time.call_s)
    return min(times)

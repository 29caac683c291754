"""How small a difference a duel tells apart, and whether it ever promotes a kernel over its twin.

Duels are the judge's own, on the task's main case, between workers in their sandbox.
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
"""Of a call's time."""
DRAWN = 1000
"""Duels that are drawn from the quads of those that were fought."""
SURE = 0.95
PILOT_CALLS, PILOTS = 8, 4


@dataclass(frozen=True, slots=True)
class OpponentKernel:
    """A kernel and its twin of the same source, by how much one was made to last longer."""

    artifact: Path
    delay: float


def fought(opened: OpenTask, contender: Path, incumbent: Path, *, call_s: float, give_up: bool) -> Duel:
    """One duel as the judge fights it; `give_up`: as before a promotion, after an audit and with the futility rule."""
    with opened.worker(contender) as worker:
        if give_up:
            audit.single_call_s(opened.session(worker, opened.main).after(0.0))
        sides = comparison.PairedComparison(opened, worker, comparison.OpponentKernel(incumbent))
        return sides.fight(sides.terms(2 * call_s, give_up=give_up))


def is_told_apart(duel: Duel) -> bool:
    """Whether the interval says that the contender is faster."""
    return duel.interval[0] > 1


def twins(opened: OpenTask, kernel: Path, *, call_s: float, duels: int, folder: Path) -> Iterator[Duel]:
    """Duels of a kernel against itself, ended as soon as they cannot be won."""
    text, language = kernel.read_text(encoding="utf-8"), SUFFIXES[kernel.suffix]
    one, other = (built(opened, text + end, language=language, folder=folder) for end in ("", "\n"))
    for _ in range(duels):
        yield fought(opened, one, other, call_s=call_s, give_up=True)


def rivals(opened: OpenTask, kernel: Path, *, call_s: float, folder: Path) -> list[OpponentKernel]:
    """The kernel with each delay; all of them wait, be it for no time."""
    text, language = kernel.read_text(encoding="utf-8"), SUFFIXES[kernel.suffix]
    made = []
    for delay in DELAYS[opened.task.device]:
        source = delayed(opened.task, text, language=language, seconds=delay * call_s)
        made.append(OpponentKernel(built(opened, source, language=language, folder=folder), delay))
    return made


def drawn_share(duels: Sequence[Duel]) -> float:
    """Of duels whose quads are drawn from all that were fought, the part that is told apart."""
    ratios, quads = np.concatenate([duel.ratios for duel in duels]), duels[0].planned
    rng = np.random.default_rng(0)
    drawn = (Duel(rng.choice(ratios, quads), quads) for _ in range(DRAWN))
    return float(np.mean([is_told_apart(duel) for duel in drawn]))


def print_twins(opened: OpenTask, kernel: Path, *, call_s: float, duels: int, folder: Path) -> None:
    """Each duel of twins, and how many would have been promoted."""
    found = []
    for duel in twins(opened, kernel, call_s=call_s, duels=duels, folder=folder):
        found.append(duel)
        low, high = duel.interval
        print(f"  {duel.speedup:.4f} [{low:.4f}, {high:.4f}] {len(duel.ratios)} quads", flush=True)
    promoted, quads = sum(duel.won for duel in found), [len(duel.ratios) for duel in found]
    spread = max(abs(duel.speedup - 1) for duel in found)
    print(
        f"{kernel.name} against itself, as before a promotion: {promoted} of {len(found)} promoted; medians within "
        f"{spread:.2%} of 1; {sum(quads) / len(quads):.1f} of {found[0].planned} quads fought on average",
        flush=True,
    )


def print_resolution(opened: OpenTask, kernel: Path, *, call_s: float, duels: int, folder: Path) -> None:
    """By the delay, how many duels call it real; and the smallest that is told apart with certainty."""
    plain, *slower = rivals(opened, kernel, call_s=call_s, folder=folder)
    print(f"{kernel.name}, {call_s * 1e6:.0f} us a call, against itself with a delay, {duels} duels each:")
    sure: list[float] = []
    for rival in (plain, *slower):
        found = [fought(opened, plain.artifact, rival.artifact, call_s=call_s, give_up=False) for _ in range(duels)]
        share, apart = drawn_share(found), sum(is_told_apart(duel) for duel in found)
        # The smallest from which on all are.
        sure = [*sure, rival.delay] if share >= SURE else []
        print(
            f"  {rival.delay:6.1%} longer: measured {np.median([duel.speedup for duel in found]) - 1:+.2%} "
            f"(quads scatter {np.std(np.log(np.concatenate([duel.ratios for duel in found]))):.2%}); told apart in "
            f"{apart} of {len(found)}, in {share:.1%} of {DRAWN} drawn; promoted (more than {MARGIN - 1:.0%}) in "
            f"{sum(duel.won for duel in found)}",
            flush=True,
        )
    told = f"{sure[0]:.1%}" if sure else "none of these"
    print(f"  smallest difference told apart with {SURE:.0%}: {told}", flush=True)


def call_s(opened: OpenTask, kernel: Path, *, folder: Path) -> float:
    """Seconds a call, from a short batch."""
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

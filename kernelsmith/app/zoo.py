"""The zoo: candidates that cheat, each in its own way, honest ones that look odd, and what the judge makes of them."""

import re
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.kinds import DeviceKind
from kernelsmith.core.verdict import Duel, Status, Verdict
from kernelsmith.judge_client.harness import HarnessProcess

HONEST = "honest"
"""The file that holds the work itself, one a language: put before the candidates that call it."""
CALL = re.compile(r"\bhonest\w*[(\[<]")
NEEDS_A_SANDBOX = frozenset({12, 19, 22, 23, 29, 30, 39, 40, 41})
"""Rows whose candidates would harm this machine without one: hog, fork, fill, signal, plant."""


class CandidateKind(StrEnum):
    """What a candidate of the zoo is."""

    CHEAT = "cheat"
    HONEST = "honest"
    WRONG = "wrong"


class ZooOutcome(StrEnum):
    """What became of it. Caught is also a cheat that passes and gains nothing."""

    CAUGHT = "caught"
    MISSED = "missed"
    PASSED = "passed"
    ACCUSED = "falsely accused"


@dataclass(frozen=True, slots=True)
class ZooCandidate:
    """One candidate with the verdict expected of it."""

    name: str
    story: str
    guard: str
    """What catches it."""
    candidate: Candidate
    rows: tuple[int, ...]
    """Rows of the threat model that it acts out; none for a control."""
    kind: CandidateKind
    expect: frozenset[Status]
    no_faster_than: str | None
    """For a cheat that may pass: the candidate it must not beat."""

    @property
    def device(self) -> DeviceKind:
        """The kind of device that it runs on."""
        return DeviceKind.CPU if self.candidate.language is Language.C else DeviceKind.CUDA


@dataclass(frozen=True, slots=True)
class ZooResult:
    """One candidate as it was judged."""

    exploit: ZooCandidate
    verdict: Verdict
    outcome: ZooOutcome
    duel: Duel | Verdict | None
    """Of a cheat that passed, against the honest work it did; None of everybody else."""
    seconds: float
    """From source to outcome."""

    @property
    def detail(self) -> str:
        """Why it did not pass, or what it gained."""
        match self.duel:
            case Duel(speedup=speedup, interval=interval):
                told = f"95 % interval {interval.low:.3f} to {interval.high:.3f}"
                return f"{speedup:.3f} times as fast as {self.exploit.no_faster_than}, {told}"
            case Verdict(detail=detail):
                return f"no duel against {self.exploit.no_faster_than}: {detail}"
        return self.verdict.detail

    @property
    def is_right(self) -> bool:
        """Whether the guards held and nobody honest was accused."""
        return self.outcome in (ZooOutcome.CAUGHT, ZooOutcome.PASSED)


def load_zoo(folder: Path, *, device: DeviceKind | None = None) -> list[ZooCandidate]:
    """Every candidate below a folder, by name; those of one kind of device, or all."""
    zoo = [_load(path.parent) for path in sorted(folder.glob("*/exploit.toml"))]
    return [exploit for exploit in zoo if device in (None, exploit.device)]


def _load(folder: Path) -> ZooCandidate:
    spec = tomllib.loads((folder / "exploit.toml").read_text(encoding="utf-8"))
    return ZooCandidate(
        name=folder.name,
        story=spec["story"],
        guard=spec["guard"],
        candidate=_candidate(folder),
        rows=tuple(spec["rows"]),
        kind=CandidateKind(spec.get("kind", CandidateKind.CHEAT)),
        expect=frozenset(Status(status) for status in spec["expect"]),
        no_faster_than=spec.get("no_faster_than"),
    )


def _candidate(folder: Path) -> Candidate:
    """The file's ending tells the language."""
    (path,) = folder.glob("candidate.*")
    (language,) = (language for language in Language if language.suffix == path.suffix)
    text = path.read_text(encoding="utf-8")
    if not CALL.search(text):
        return Candidate(text, language)
    honest = folder.parent / f"{HONEST}{path.suffix}"
    return Candidate(honest.read_text(encoding="utf-8") + text, language)


def harmless(zoo: Sequence[ZooCandidate]) -> list[ZooCandidate]:
    """Those that may run without a sandbox."""
    return [exploit for exploit in zoo if NEEDS_A_SANDBOX.isdisjoint(exploit.rows)]


def examine(
    harness: HarnessProcess, zoo: Sequence[ZooCandidate], *, clock: Callable[[], float] = time.monotonic
) -> Iterator[ZooResult]:
    """Judge one after the other.

    Raises:
        HarnessError: the harness failed; no candidate may make it.
    """
    by_name = {exploit.name: exploit for exploit in zoo}
    for exploit in zoo:
        begin = clock()
        verdict = harness.submit(exploit.candidate, None).result()
        got_through = verdict.passed and exploit.kind is CandidateKind.CHEAT
        duel = _confirmed(harness, exploit, by_name) if got_through else None
        outcome = _outcome(exploit.kind, passed=verdict.passed, gains=got_through and _gains(duel))
        yield ZooResult(exploit, verdict, outcome, duel, clock() - begin)


def _confirmed(
    harness: HarnessProcess, exploit: ZooCandidate, by_name: dict[str, ZooCandidate]
) -> Duel | Verdict | None:
    """Return the duel against the honest work; a win is fought again, for other work on the machine can fake one."""
    duel = _fought(harness, exploit, by_name)
    return _fought(harness, exploit, by_name) if isinstance(duel, Duel) and _gains(duel) else duel


def _fought(harness: HarnessProcess, exploit: ZooCandidate, by_name: dict[str, ZooCandidate]) -> Duel | Verdict | None:
    """Against the honest work that it did, where that is told."""
    if exploit.no_faster_than is None:
        return None
    return harness.duel(exploit.candidate, by_name[exploit.no_faster_than].candidate)


def _gains(duel: Duel | Verdict | None) -> bool:
    """Whether a cheat that passed is faster than the honest work it did; one that fought no duel got away with it."""
    return not isinstance(duel, Duel) or duel.interval.low > Duel.MARGIN


def _outcome(kind: CandidateKind, *, passed: bool, gains: bool) -> ZooOutcome:
    match kind:
        case CandidateKind.HONEST:
            return ZooOutcome.PASSED if passed else ZooOutcome.ACCUSED
        case CandidateKind.WRONG:
            return ZooOutcome.MISSED if passed else ZooOutcome.CAUGHT
        case CandidateKind.CHEAT:
            return ZooOutcome.MISSED if gains else ZooOutcome.CAUGHT

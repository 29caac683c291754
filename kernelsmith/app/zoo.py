"""Loads and judges the zoo: candidates that cheat, each in a different way, and honest ones that look suspicious. The
self-test uses it.
"""

import re
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.kinds import DeviceKind
from kernelsmith.core.result import result_of
from kernelsmith.core.verdict import Duel, Status, Verdict
from kernelsmith.judge_client.harness import HarnessProcess

HONEST = "honest"
"""Name of the file, one for each language, with an honest kernel: it is put before each candidate that calls it."""
CALL = re.compile(r"\bhonest\w*[(\[<]")
"""Matches a call of the honest kernel in a source."""
NEEDS_A_SANDBOX = frozenset({12, 19, 22, 23, 29, 30, 39, 40, 41})
"""Rows of the threat model whose candidates would harm a machine without a sandbox: they fill memory, fork or kill."""


class CandidateKind(StrEnum):
    """Whether a candidate of the zoo (the self-test's collection) cheats, is honest, or computes wrong results. The
    kind decides which outcome is right.
    """

    CHEAT = "cheat"
    HONEST = "honest"
    WRONG = "wrong"


class ZooOutcome(StrEnum):
    """Whether the judge was right about a candidate of the zoo: a cheat or a wrong candidate is caught or missed, an
    honest one passes or is falsely accused. A cheat that passes but gains no speed counts as caught.
    """

    CAUGHT = "caught"
    MISSED = "missed"
    PASSED = "passed"
    ACCUSED = "falsely accused"


@dataclass(frozen=True, slots=True)
class ZooCandidate:
    """One candidate of the zoo: its source, what it does in words, whether it cheats, the guard (a measure of the
    judge) that must catch it, and the statuses that its verdict may have. `load_zoo` reads it from a folder.
    """

    name: str
    """Name of its folder."""
    story: str
    """Description of the candidate's behaviour."""
    guard: str
    """The measure that catches it, in words."""
    candidate: Candidate
    rows: tuple[int, ...]
    """Rows of the threat model that the candidate tries; empty for an honest candidate."""
    kind: CandidateKind
    expect: frozenset[Status]
    """The statuses that its verdict may have."""
    no_faster_than: str | None
    """Name of the honest candidate that a cheat must not beat if it passes; None if the cheat must not pass."""

    @property
    def device(self) -> DeviceKind:
        """Return the kind of device that the candidate runs on: the CPU for C, a GPU otherwise."""
        return DeviceKind.CPU if self.candidate.language is Language.C else DeviceKind.CUDA


@dataclass(frozen=True, slots=True)
class ZooResult:
    """The result of judging one candidate of the zoo: verdict, outcome, and, for a cheat that passed, its duel (direct
    timing comparison) with an honest candidate. `examine` makes it.
    """

    exploit: ZooCandidate
    verdict: Verdict
    outcome: ZooOutcome
    duel: Duel | Verdict | None
    """The duel of a cheat that passed against its honest counterpart, or why there was none; None for others."""
    seconds: float
    """Time from source to outcome, in seconds."""

    @property
    def detail(self) -> str:
        """Return in words why the candidate did not pass; or, for a cheat that passed, its speed relative to the honest
        candidate that it must not beat.
        """
        match self.duel:
            case Duel(speedup=speedup, interval=interval):
                confidence = f"95 % interval {interval.low:.3f} to {interval.high:.3f}"
                return f"{speedup:.3f} times as fast as {self.exploit.no_faster_than}, {confidence}"
            case Verdict(detail=detail):
                return f"no duel against {self.exploit.no_faster_than}: {detail}"
        return self.verdict.detail

    @property
    def is_right(self) -> bool:
        """Return whether the outcome is right: a cheat or a wrong candidate was caught, or an honest one passed."""
        return self.outcome in (ZooOutcome.CAUGHT, ZooOutcome.PASSED)


def load_zoo(folder: Path, *, device: DeviceKind | None = None) -> list[ZooCandidate]:
    """Return a list of the candidates of the zoo in `folder`, sorted by name: those for the device kind `device`, or
    all if it is None. A malformed description raises the error of its reader, such as KeyError, because the files ship
    with the program.
    """
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
    """Return the candidate in `folder`, whose source file is named `candidate` and an ending that decides the language.
    If the source calls the honest kernel of that language, the text of that kernel is put before it.
    """
    (path,) = folder.glob("candidate.*")
    (language,) = (language for language in Language if language.suffix == path.suffix)
    text = path.read_text(encoding="utf-8")
    if not CALL.search(text):
        return Candidate(text, language)
    honest = folder.parent / f"{HONEST}{path.suffix}"
    return Candidate(honest.read_text(encoding="utf-8") + text, language)


def harmless(zoo: Sequence[ZooCandidate]) -> list[ZooCandidate]:
    """Return a list of the candidates of `zoo` that may run on a machine without a sandbox, because they neither fill
    memory nor start or kill processes.
    """
    return [exploit for exploit in zoo if NEEDS_A_SANDBOX.isdisjoint(exploit.rows)]


def examine(
    harness: HarnessProcess, zoo: Sequence[ZooCandidate], *, clock: Callable[[], float] = time.monotonic
) -> Iterator[ZooResult]:
    """Judge the candidates of `zoo` in order, and yield the result of each as soon as it is known. `harness` must be
    open, and `clock()` returns seconds, to measure how long each takes. Raises HarnessError if the harness fails, which
    no candidate may cause.
    """
    by_name = {exploit.name: exploit for exploit in zoo}
    for exploit in zoo:
        begin = clock()
        verdict = result_of(harness.submit(exploit.candidate, None))
        got_through = verdict.passed and exploit.kind is CandidateKind.CHEAT
        duel = _confirmed_duel(harness, exploit, by_name) if got_through else None
        outcome = _outcome(exploit.kind, passed=verdict.passed, gains=got_through and _gains(duel))
        yield ZooResult(exploit, verdict, outcome, duel, clock() - begin)


def _confirmed_duel(
    harness: HarnessProcess, exploit: ZooCandidate, by_name: dict[str, ZooCandidate]
) -> Duel | Verdict | None:
    """Return the duel (direct timing comparison) of the cheat `exploit` against the honest candidate that it must not
    beat; a duel that the cheat won is repeated once, because other work on the machine can fake one win. Return instead
    the verdict that prevented the duel, or None if the cheat names no honest candidate. `by_name` holds all candidates
    of the zoo.
    """
    duel = _duel_against_honest(harness, exploit, by_name)
    return _duel_against_honest(harness, exploit, by_name) if isinstance(duel, Duel) and _gains(duel) else duel


def _duel_against_honest(
    harness: HarnessProcess, exploit: ZooCandidate, by_name: dict[str, ZooCandidate]
) -> Duel | Verdict | None:
    """Return one duel (direct timing comparison) of the cheat `exploit` against the honest candidate that it must not
    beat, found in `by_name`; or the verdict that prevented the duel; or None if the cheat names no such candidate.
    Raises HarnessError if the harness fails.
    """
    if exploit.no_faster_than is None:
        return None
    return harness.duel(exploit.candidate, by_name[exploit.no_faster_than].candidate)


def _gains(duel: Duel | Verdict | None) -> bool:
    """Return True if a cheat that passed is proven faster than its honest counterpart: the lower end of the 95 %
    interval of the speedup is above the margin. `duel` is their duel; if it is None or a verdict, there is no such
    comparison, and the answer is True.
    """
    return not isinstance(duel, Duel) or duel.interval.low > Duel.MARGIN


def _outcome(kind: CandidateKind, *, passed: bool, gains: bool) -> ZooOutcome:
    match kind:
        case CandidateKind.HONEST:
            return ZooOutcome.PASSED if passed else ZooOutcome.ACCUSED
        case CandidateKind.WRONG:
            return ZooOutcome.MISSED if passed else ZooOutcome.CAUGHT
        case CandidateKind.CHEAT:
            return ZooOutcome.MISSED if gains else ZooOutcome.CAUGHT

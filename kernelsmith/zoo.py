"""The zoo: candidates that cheat, each in its own way, honest ones that look odd, and what the judge makes of them."""

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from kernelsmith.bench.harness import HarnessProcess
from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.verdict import Duel, Status, Verdict

HONEST = "honest.c"
"""The work itself, for candidates that do it somewhere: put before those that call it."""
CALL = "honest("
NEEDS_A_SANDBOX = frozenset({12, 19, 22, 23, 29, 30, 39, 40, 41})
"""Rows whose candidates would harm this machine without one: hog, fork, fill, signal, plant."""


class Kind(StrEnum):
    """What a candidate of the zoo is."""

    CHEAT = "cheat"
    HONEST = "honest"
    WRONG = "wrong"


class Outcome(StrEnum):
    """What became of it. Caught is also a cheat that passes and gains nothing."""

    CAUGHT = "caught"
    MISSED = "missed"
    PASSED = "passed"
    ACCUSED = "falsely accused"


@dataclass(frozen=True, slots=True)
class Exploit:
    """One candidate with the verdict expected of it."""

    name: str
    story: str
    guard: str
    """What catches it."""
    candidate: Candidate
    rows: tuple[int, ...]
    """Rows of the threat model that it acts out; none for a control."""
    kind: Kind
    expect: frozenset[Status]
    no_faster_than: str | None
    """For a cheat that may pass: the candidate it must not beat."""


@dataclass(frozen=True, slots=True)
class Examined:
    """One candidate as it was judged."""

    exploit: Exploit
    verdict: Verdict
    outcome: Outcome

    @property
    def is_right(self) -> bool:
        """Whether the guards held and nobody honest was accused."""
        return self.outcome in (Outcome.CAUGHT, Outcome.PASSED)


def load_zoo(folder: Path) -> list[Exploit]:
    """Every candidate below a folder, by name."""
    honest = (folder / HONEST).read_text(encoding="utf-8")
    return [_load(path.parent, honest=honest) for path in sorted(folder.glob("*/exploit.toml"))]


def _load(folder: Path, *, honest: str) -> Exploit:
    spec = tomllib.loads((folder / "exploit.toml").read_text(encoding="utf-8"))
    text = (folder / "candidate.c").read_text(encoding="utf-8")
    return Exploit(
        name=folder.name,
        story=spec["story"],
        guard=spec["guard"],
        candidate=Candidate(honest + text if CALL in text else text, Language.C),
        rows=tuple(spec["rows"]),
        kind=Kind(spec.get("kind", Kind.CHEAT)),
        expect=frozenset(Status(status) for status in spec["expect"]),
        no_faster_than=spec.get("no_faster_than"),
    )


def harmless(zoo: Sequence[Exploit]) -> list[Exploit]:
    """Those that may run without a sandbox."""
    return [exploit for exploit in zoo if NEEDS_A_SANDBOX.isdisjoint(exploit.rows)]


def examine(harness: HarnessProcess, zoo: Sequence[Exploit]) -> Iterator[Examined]:
    """Judge one after the other.

    Raises:
        HarnessError: the harness failed; no candidate may make it.
    """
    by_name = {exploit.name: exploit for exploit in zoo}
    for exploit in zoo:
        verdict = harness.submit(exploit.candidate, None).result()
        gains = verdict.passed and exploit.kind is Kind.CHEAT and _gains(harness, exploit, by_name)
        yield Examined(exploit, verdict, _outcome(exploit.kind, passed=verdict.passed, gains=gains))


def _gains(harness: HarnessProcess, exploit: Exploit, by_name: dict[str, Exploit]) -> bool:
    """Whether a cheat that passed is faster than the honest work it did."""
    if exploit.no_faster_than is None:
        return True
    duel = harness.duel(exploit.candidate, by_name[exploit.no_faster_than].candidate)
    return not isinstance(duel, Duel) or duel.interval.low > Duel.MARGIN


def _outcome(kind: Kind, *, passed: bool, gains: bool) -> Outcome:
    match kind:
        case Kind.HONEST:
            return Outcome.PASSED if passed else Outcome.ACCUSED
        case Kind.WRONG:
            return Outcome.MISSED if passed else Outcome.CAUGHT
        case Kind.CHEAT:
            return Outcome.MISSED if gains else Outcome.CAUGHT

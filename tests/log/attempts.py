"""Define a verdict of every kind, and make attempts from verdicts, for tests that write to a log."""

from datetime import UTC, datetime

from kernelsmith.core.attempt import Ask, Attempt, Directive, NoCandidate, Origin, Proposal, Stance
from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.kinds import Unit
from kernelsmith.core.snapshot import Snapshot
from kernelsmith.core.verdict import (
    Batch,
    Duel,
    Facts,
    Figure,
    Interval,
    Measurement,
    Promotion,
    Status,
    Verdict,
)

AT = datetime(2026, 11, 23, 12, 30, 1, 250_000, tzinfo=UTC)

MEASUREMENT = Measurement(
    time_us=21_000.5, interval_us=Interval(20_000.0, 22_000.0), utilization=0.912, rate=1.0e11, peak=1.1e11,
    unit=Unit.FP32, pilot_us=25_000.0, vendor_ratio=1.03, vendor_paired=True, single_us=None, sustained_us=None,
    utilization_at_clock=None,
)  # fmt: skip
FACTS = Facts(
    registers=64, spill_bytes=0, text_bytes=900, vector_bits=256, warnings=("unused",), instructions={"fma": 9}
)
BATCHES = tuple(Batch("main", 2, 21_000.0 + i, f"{i:032x}", {"sm_mhz": 1980.0}) for i in range(3))

VERDICTS = {
    "no candidate": Verdict(Status.NO_CANDIDATE, "no fenced block: I give up"),
    "rejected": Verdict(Status.REJECTED, "identical to 3"),
    "build failed": Verdict(Status.BUILD_FAILED, "candidate.c:3: error: expected ';'", isolation=3, facts=FACTS),
    "crashed": Verdict(Status.CRASHED, "killed by SIGSEGV", durations_s={"build": 0.2}, isolation=3),
    "timed out": Verdict(Status.TIMED_OUT, "deadline"),
    "incorrect": Verdict(Status.INCORRECT, "worst C[0,0]\nzweite Zeile: ungültig ✗"),
    "tampered": Verdict(Status.TAMPERED, "late writes", batches=BATCHES),
    "passed": Verdict(Status.PASSED, measurement=MEASUREMENT, notes=("planned again",),
        disturbed=(Figure.TIMING, Figure.VENDOR)),
    "promoted": Verdict(
        Status.PASSED, measurement=MEASUREMENT, promotion=Promotion.DUEL, batches=BATCHES, facts=FACTS, isolation=2,
        duel=Duel(1.05, Interval(1.02, 1.08), 24), durations_s={"build": 0.5, "timing": 1.5},
        guards_s={"poison": 0.125, "guard bands": 0.01},
    ),
}  # fmt: skip


TASK = Snapshot({"task.toml": b'title = "t"\n', "families/1.c": b"void f(void) {}\n"})


def attempt(
    number: int, verdict: Verdict, *, source: str | None = None, ask: Ask | None = None, trial: int = 0, line: int = 0
) -> Attempt:
    """Return an attempt with this verdict. Without `source` or `ask`, both are made from the attempt's number."""
    ask = ask or Ask(number, Directive(Stance.REFINE, parent=number - 1 if number else None, reason="why"), number - 1)
    if verdict.status is Status.NO_CANDIDATE:
        proposal = Proposal(Origin.MODEL, "none", None, reason=NoCandidate.NO_BLOCK, said="I give up")
        return Attempt(number, ask, trial, proposal, verdict, AT, 2.25, line)
    text = source or f"void matmul(void) {{ /* {number} ✓ */ }}\n"
    proposal = Proposal(Origin.TUNER, "wider tiles", Candidate(text, Language.C, {"MR": 6, "f": "packed"}), 0)
    return Attempt(number, ask, trial, proposal, verdict, AT, 2.25, line, "EPYC")

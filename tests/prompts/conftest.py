"""A small task, and attempts and histories of it, for tests of prompts."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kernelsmith.core.attempt import Ask, Attempt, Directive, NoCandidate, Origin, Proposal, Stance
from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.history import History
from kernelsmith.core.kinds import DataKind, DeviceKind, Role, Unit
from kernelsmith.core.run import Budget, Device, Run, RunConfig, VendorLine
from kernelsmith.core.task import Argument, Case, Task
from kernelsmith.core.verdict import Duel, Facts, Interval, Measurement, Promotion, Status, Verdict

AT = datetime(2026, 1, 1, tzinfo=UTC)


def _buffer(name: str, role: Role, *shape: str) -> Argument:
    return Argument(name, role, "float32", shape)


@pytest.fixture
def task() -> Task:
    sizes = tuple(Argument(name, Role.SIZE, "", ()) for name in "MNK")
    return Task(
        name="tiny_matmul",
        folder=Path("tiny_matmul"),
        title="a small product",
        device=DeviceKind.CPU,
        unit=Unit.FP32,
        languages=(Language.C,),
        entry="matmul",
        arguments=(
            _buffer("A", Role.INPUT, "M", "K"),
            _buffer("B", Role.INPUT, "N", "K"),
            _buffer("C", Role.OUTPUT, "M", "N"),
            *sizes,
        ),
        cases=(
            Case("main", {"M": 64, "N": 64, "K": 64}, DataKind.NORMAL, 1.0, hidden=False, kind="main"),
            Case("secret_odd", {"M": 13, "N": 17, "K": 977}, DataKind.WIDE_RANGE, 0.0, hidden=True, kind="odd sizes"),
        ),
        vendor="openblas",
        rules=("One translation unit of C.", "fp32 accumulation or better."),
        description="C = A Bᵀ in fp32, row-major.\n",
        benchmark='def reference(inputs, xp):\n    return {"C": inputs["A"] @ inputs["B"].T}\n',
        skeleton=Candidate("void matmul(void)\n{\n    /* broken */\n}\n", Language.C),
        families=(),
    )


@pytest.fixture
def device() -> Device:
    return Device(
        name="a CPU",
        kind=DeviceKind.CPU,
        peak=117.4e9,
        unit=Unit.FP32,
        isolation=3,
        spread=0.01,
        overhead_us=3.0,
        worker_core=1,
        vendor=VendorLine("OpenBLAS (Haswell)", 4.9, 0.91),
        details={"compiler": "gcc 12.2", "l2": "1 MiB"},
    )


@pytest.fixture
def history(device: Device) -> Callable[..., History]:
    def make(*attempts: Attempt, **config) -> History:
        defaults = {"task": "tiny_matmul", "proposer": "model", "model": "m", "budget": Budget(attempts=60)}
        run = Run(1, "tiny-1", RunConfig(**(defaults | config)), "0" * 64, AT)
        return History(run, attempts=attempts, devices=((AT, device),) if device else ())

    return make


@pytest.fixture
def attempt() -> Callable[..., Attempt]:
    """Return a function that makes an attempt.

    `attempt(3, 0.41)` passed at 41 % of peak; `attempt(4, Status.CRASHED, detail=...)` failed.
    """

    def make(
        number: int,
        outcome: float | Status,
        *,
        source: str | None = "",
        parent: int | None = None,
        stance: Stance = Stance.REFINE,
        promotion: Promotion | None = None,
        hypothesis: str = "",
        **verdict,
    ) -> Attempt:
        text = f"void matmul(void) {{ /* kernel {number} */ }}\n" if source == "" else source
        candidate = Candidate(text, Language.C) if text is not None else None
        reason = None if candidate else NoCandidate.NO_BLOCK
        proposal = Proposal(Origin.MODEL, hypothesis or f"idea {number}", candidate, parent, reason)
        judgement = _passed(outcome, promotion, verdict) if isinstance(outcome, float) else Verdict(outcome, **verdict)
        return Attempt(number, Ask(number, Directive(stance, parent), number - 1), 0, proposal, judgement, AT, 2.0)

    return make


def _passed(utilization: float, promotion: Promotion | None, rest: dict) -> Verdict:
    time_us = 4.5 / utilization
    measurement = Measurement(
        time_us,
        Interval(time_us, time_us),
        utilization,
        117.4e9 * utilization,
        117.4e9,
        Unit.FP32,
        9.0,
        vendor_ratio=0.5,
    )
    duel = Duel(1.25, Interval(1.2, 1.3), 24) if promotion is Promotion.DUEL else None
    return Verdict(Status.PASSED, measurement=measurement, promotion=promotion, duel=duel, **rest)


@pytest.fixture
def story(attempt) -> Sequence[Attempt]:
    """Return the attempts of a short run: skeleton, first pass, failure, promotion, reply without code."""
    facts = Facts(text_bytes=2048, vector_bits=256, instructions={"fma": 96}, warnings=("unused variable 'x'",))
    return (
        attempt(0, Status.INCORRECT, stance=Stance.OPEN, detail="C[0,0] is NaN; all tiles wrong"),
        attempt(1, 0.0075, parent=0, stance=Stance.REPAIR, promotion=Promotion.FIRST, hypothesis="strides were wrong"),
        attempt(2, Status.BUILD_FAILED, parent=1, detail="kernel.c:3:5: error: expected ';'\n   int x\n        ^"),
        attempt(3, 0.41, parent=1, promotion=Promotion.DUEL, facts=facts, hypothesis="packing | tiles"),
        attempt(4, Status.NO_CANDIDATE, source=None, parent=3, detail="no fenced block: I am done"),
    )


@pytest.fixture
def ask() -> Callable[..., Ask]:
    def make(stance: Stance, *, number: int = 5, parent: int | None = 3, reason: str = "no duel won for 8 asks"):
        return Ask(number, Directive(stance, parent, reason=reason))

    return make

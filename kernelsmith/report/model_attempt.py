"""The data model of one attempt: a row of a table, or everything that the log holds of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Annotated

from kernelsmith.core.attempt import Attempt, NoCandidate, Origin, Stance
from kernelsmith.core.candidate import Language
from kernelsmith.core.history import History
from kernelsmith.core.run import Device
from kernelsmith.core.usage import Exchange
from kernelsmith.core.verdict import Batch, Facts, Figure, Verdict
from kernelsmith.report.telemetry import Telemetry, telemetry_of

FACTS = tuple(each.name for each in fields(Facts))
FLAT = "flat"
"""Marks a field whose own fields stand in the JSON object around it, all of them null where the value is None."""
JUDGED = "judged"
"""Marks the verdict of an attempt: flat, its measurement too, without batches and without facts that do not apply."""


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One attempt with everything but its source, its batches and its model calls."""

    number: int
    ask: int
    """The number of the ask that it answers."""
    trial: int
    """0 is the proposal as written; further ones are the sweep of its knobs."""
    parent: int | None
    line: int
    """Number of the attempt that began its line."""
    origin: Origin
    stance: Stance
    asked: str
    """Why the strategy chose the stance."""
    verdict: Annotated[Verdict, JUDGED]
    no_candidate: NoCandidate | None
    """Why there is no candidate; None where there is one."""
    hypothesis: str
    language: Language | None
    digest: str | None
    """Of the candidate; None where there is none."""
    params: Mapping[str, int | float | str]
    vendor: str | None
    """Name of the vendor library on the attempt's device."""
    vendor_disturbed: bool
    """Whether the measurement of the vendor ratio was disturbed."""
    card: str
    """Name of the device that judged it; empty where nothing was judged."""
    seconds: float
    """Wall time from ask to verdict, seconds."""
    started_at: datetime


@dataclass(frozen=True, slots=True)
class AttemptReport:
    """One attempt in full."""

    run: str
    attempt: Annotated[AttemptRow, FLAT]
    peak_of: str
    """Which product's peak was picked, and why; empty where the peak was measured."""
    source: str | None
    telemetry: Telemetry | None
    batches: tuple[Batch, ...]
    exchanges: tuple[Exchange, ...]


def attempt_row(attempt: Attempt, device: Device | None) -> AttemptRow:
    """Return the attempt as a row; `device` is what it was measured on."""
    proposal, verdict, candidate = attempt.proposal, attempt.verdict, attempt.candidate
    return AttemptRow(
        number=attempt.number,
        ask=attempt.ask_number,
        trial=attempt.trial,
        parent=proposal.parent,
        line=attempt.line,
        origin=proposal.origin,
        stance=attempt.stance,
        asked=attempt.ask.directive.reason,
        verdict=verdict,
        no_candidate=proposal.reason,
        hypothesis=proposal.hypothesis,
        language=candidate.language if candidate else None,
        digest=candidate.digest if candidate else None,
        params=candidate.params if candidate else {},
        vendor=device.vendor.name if device and device.vendor else None,
        vendor_disturbed=is_vendor_disturbed(verdict),
        card=attempt.card,
        seconds=attempt.seconds,
        started_at=attempt.started_at,
    )


def attempt_report(
    history: History, attempt: Attempt, *, batches: Sequence[Batch] = (), exchanges: Sequence[Exchange] = ()
) -> AttemptReport:
    """Return one attempt with its source, its batches and the model calls that led to it."""
    device, candidate = history.device_of(attempt), attempt.candidate
    return AttemptReport(
        run=history.run.name,
        attempt=attempt_row(attempt, device),
        peak_of=peak_of(device),
        source=candidate.source if candidate else None,
        telemetry=telemetry_of(batches),
        batches=tuple(batches),
        exchanges=tuple(exchanges),
    )


def is_vendor_disturbed(verdict: Verdict) -> bool:
    """Return whether the vendor ratio was disturbed while it was measured."""
    return Figure.VENDOR in verdict.disturbed


def known_facts(facts: Facts) -> Mapping[str, object]:
    """Return what is known of the build by name; what does not apply is left out."""
    known = ((name, getattr(facts, name)) for name in FACTS)
    return {name: value for name, value in known if value not in (None, (), {})}


def peak_of(device: Device | None) -> str:
    """Return which product's peak was picked, and why; an empty text where the peak was measured."""
    return device.details.get("sku", "") if device else ""

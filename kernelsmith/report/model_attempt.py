"""Builds the reports of one attempt as dataclasses: a row of a table, or all that the log holds of the attempt."""

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
"""Marks a field that JSON has no key for: its own fields are keys of the object around it (null if it is None)."""
JUDGED = "judged"
"""Marks a verdict, which JSON writes flat like its measurement, without batches and without facts that do not apply."""


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One attempt as a row of a table: number, ask, verdict, hypothesis, and the device's and candidate's names, but
    not source, batches and model calls. `attempt_row` makes it.
    """

    number: int
    ask: int
    """Number of the ask that the attempt answers."""
    trial: int
    """0 is the proposal as written; higher numbers are the sweep of its knobs."""
    parent: int | None
    """Number of the attempt that the candidate was made from; None if it was made from the skeleton or from scratch."""
    line: int
    """Number of the attempt that began the line of descent."""
    origin: Origin
    stance: Stance
    asked: str
    """The reason why the strategy chose the stance."""
    verdict: Annotated[Verdict, JUDGED]
    no_candidate: NoCandidate | None
    """The reason why there is no candidate; None if there is one."""
    hypothesis: str
    language: Language | None
    digest: str | None
    """SHA-256 digest of the candidate; None if there is no candidate."""
    params: Mapping[str, int | float | str]
    vendor: str | None
    """Name of the vendor library on the attempt's device; None if there is none."""
    vendor_disturbed: bool
    """Whether other work ran on the device while the vendor ratio was measured."""
    card: str
    """Name of the device on which the candidate was judged; empty if nothing was judged."""
    seconds: float
    """Wall time from ask to verdict, in seconds."""
    started_at: datetime


@dataclass(frozen=True, slots=True)
class AttemptReport:
    """One attempt in full: its row, with source, the GPU's readings, timed batches and model calls. `attempt_report`
    makes it for `kernelsmith show RUN:N`.
    """

    run: str
    attempt: Annotated[AttemptRow, FLAT]
    peak_of: str
    """Product whose peak the program looked up, with the reason; empty if the peak was measured."""
    source: str | None
    telemetry: Telemetry | None
    batches: tuple[Batch, ...]
    exchanges: tuple[Exchange, ...]


def attempt_row(attempt: Attempt, device: Device | None) -> AttemptRow:
    """Return the attempt as a row of a table, without its source text. `device` is the device that measured it, which
    names the vendor's library that the attempt is compared with; None leaves that name empty.
    """
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
    """Return the report of one attempt with all that the log holds of it. `history` is its run, `batches` are its timed
    batches (each a set of calls timed together), and `exchanges` the model calls of its ask; both are oldest first and
    empty if there are none.
    """
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
    """Return True if other work ran on the device while the judge compared the candidate's speed with the vendor's
    library for this verdict, so that the comparison is unreliable.
    """
    return Figure.VENDOR in verdict.disturbed


def known_facts(facts: Facts) -> Mapping[str, object]:
    """Return a mapping with facts that the harness read from a built candidate, such as `registers`, by name. Facts
    that are None or empty are left out; a fact that is 0 stays.
    """
    known = ((name, getattr(facts, name)) for name in FACTS)
    return {name: value for name, value in known if value not in (None, (), {})}


def peak_of(device: Device | None) -> str:
    """Return in words which product's peak rate the program looked up for a device, and why that product. Return an
    empty string if the peak was measured or `device` is None.
    """
    return device.details.get("sku", "") if device else ""

"""Rows from the domain's types and back. What was written comes back equal."""

import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping

from kernelsmith.core.attempt import Ask, Attempt, Directive, Origin, Proposal, Stance
from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.run import Budget, Device, Event, EventKind, Run, RunConfig, VendorLine
from kernelsmith.core.usage import Exchange, Usage
from kernelsmith.core.verdict import (
    Batch,
    Duel,
    Facts,
    Interval,
    Measurement,
    Promotion,
    Status,
    Verdict,
)

Row = RowMapping

_MEASURED = [f.name for f in fields(Measurement) if f.name != "interval_us"]
_FACTS = [f.name for f in fields(Facts)]


def blob(text: str) -> dict[str, Any]:
    """A text, compressed, under its digest."""
    content = text.encode()
    return {"digest": hashlib.sha256(content).hexdigest(), "content": zlib.compress(content)}


def text_of(content: bytes) -> str:
    """The text of a blob."""
    return zlib.decompress(content).decode()


def run_row(config: RunConfig, *, name: str, task_digest: str, at: datetime) -> dict[str, Any]:
    """A new run."""
    return {"name": name, "config": asdict(config), "task_digest": task_digest, "created_at": at.isoformat()}


def run_of(row: Row) -> Run:
    """A run."""
    config = dict(row["config"])
    price = config.pop("price_per_mtok")
    known = {f.name for f in fields(RunConfig)}
    settings = {key: value for key, value in config.items() if key in known}
    settings["budget"] = Budget(**config["budget"])
    settings["price_per_mtok"] = tuple(price) if price else None
    at = datetime.fromisoformat(row["created_at"])
    return Run(row["id"], row["name"], RunConfig(**settings), row["task_digest"], at)


def ask_row(number: int, directive: Directive) -> dict[str, Any]:
    """An ask, without its run."""
    return {
        "number": number,
        "stance": directive.stance.value,
        "parent": directive.parent,
        "reason": directive.reason,
    }


def ask_of(row: Row) -> Ask:
    """An ask."""
    directive = Directive(Stance(row["stance"]), row["parent"], row["reason"])
    return Ask(row["number"], directive)


def event_row(event: Event) -> dict[str, Any]:
    """An event, without its run."""
    return {
        "kind": event.kind.value,
        "at": event.at.isoformat(),
        "ask_number": event.ask_number,
        "data": dict(event.data),
    }


def event_of(row: Row) -> Event:
    """An event."""
    return Event(EventKind(row["kind"]), datetime.fromisoformat(row["at"]), row["ask_number"], row["data"])


def device_of(event: Event) -> Device:
    """The device that an `opened` event holds."""
    data: dict[str, Any] = dict(event.data)
    vendor = data.pop("vendor", None)
    return Device(**data, vendor=VendorLine(**vendor) if vendor else None)


def exchange_row(exchange: Exchange) -> dict[str, Any]:
    """A model call, without its run; its texts are blobs."""
    usage = asdict(exchange.usage)
    return {
        "ask_number": exchange.ask_number,
        "model": exchange.model,
        "prompt_digest": blob(exchange.prompt)["digest"],
        "reply_digest": blob(exchange.reply)["digest"],
        "reasoning_digest": blob(exchange.reasoning)["digest"],
        **usage,
        "latency_s": exchange.latency_s,
        "finish_reason": exchange.finish_reason,
        "retries": exchange.retries,
        "at": exchange.at.isoformat(),
    }


def exchange_of(row: Row, *, texts: Mapping[str, str]) -> Exchange:
    """A model call; `texts` holds its blobs by digest."""
    return Exchange(
        ask_number=row["ask_number"],
        model=row["model"],
        prompt=texts[row["prompt_digest"]],
        reply=texts[row["reply_digest"]],
        reasoning=texts[row["reasoning_digest"]],
        usage=usage_of(row),
        latency_s=row["latency_s"],
        finish_reason=row["finish_reason"],
        retries=row["retries"],
        at=datetime.fromisoformat(row["at"]),
    )


def usage_of(row: Row) -> Usage:
    """What a model call consumed."""
    return Usage(**{f.name: row[f.name] for f in fields(Usage)})


def attempt_row(attempt: Attempt) -> dict[str, Any]:
    """An attempt, without its run and batches; its source is a blob."""
    proposal, verdict = attempt.proposal, attempt.verdict
    candidate = proposal.candidate
    return {
        "number": attempt.number,
        "origin": proposal.origin.value,
        "parent": proposal.parent,
        "stance": attempt.stance.value,
        "hypothesis": proposal.hypothesis,
        "reason": proposal.reason,
        "language": candidate.language.value if candidate else None,
        "source_digest": blob(candidate.source)["digest"] if candidate else None,
        "params": dict(candidate.params) if candidate else None,
        **_verdict_columns(verdict),
        "started_at": attempt.started_at.isoformat(),
        "seconds": attempt.seconds,
    }


def _verdict_columns(verdict: Verdict) -> dict[str, Any]:
    return {
        "status": verdict.status.value,
        "detail": verdict.detail,
        "promotion": verdict.promotion.value if verdict.promotion else None,
        "isolation": verdict.isolation,
        **_measured_columns(verdict.measurement),
        **_duel_columns(verdict.duel),
        **{name: getattr(verdict.facts, name) for name in _FACTS},
        "warnings": list(verdict.facts.warnings),
        "instructions": dict(verdict.facts.instructions),
        "durations_s": dict(verdict.durations_s),
        "guards_s": dict(verdict.guards_s),
        "notes": list(verdict.notes),
    }


def _measured_columns(measurement: Measurement | None) -> dict[str, Any]:
    if measurement is None:
        return {}
    interval = {"time_low_us": measurement.interval_us.low, "time_high_us": measurement.interval_us.high}
    return {name: getattr(measurement, name) for name in _MEASURED} | interval


def _duel_columns(duel: Duel | None) -> dict[str, Any]:
    if duel is None:
        return {}
    return {
        "duel_speedup": duel.speedup,
        "duel_low": duel.interval.low,
        "duel_high": duel.interval.high,
        "duel_quads": duel.quads,
    }


def batch_rows(attempt: Attempt) -> list[dict[str, Any]]:
    """An attempt's batches in order, without its id."""
    return [asdict(batch) | {"position": position} for position, batch in enumerate(attempt.verdict.batches)]


def without_batches(attempt: Attempt) -> Attempt:
    """The attempt as it is read back when it was not promoted."""
    return replace(attempt, verdict=replace(attempt.verdict, batches=()))


def batch_of(row: Row) -> Batch:
    """One batch."""
    return Batch(**{f.name: row[f.name] for f in fields(Batch)})


def attempt_of(row: Row, *, ask: Ask, source: str | None, batches: tuple[Batch, ...]) -> Attempt:
    """An attempt from its row and what is stored apart from it."""
    candidate = None if source is None else Candidate(source, Language(row["language"]), row["params"])
    proposal = Proposal(Origin(row["origin"]), row["hypothesis"], candidate, row["parent"], row["reason"])
    at = datetime.fromisoformat(row["started_at"])
    return Attempt(ask, proposal, _verdict_of(row, batches), at, row["seconds"])


def _verdict_of(row: Row, batches: tuple[Batch, ...]) -> Verdict:
    facts = {name: row[name] for name in _FACTS} | {"warnings": tuple(row["warnings"])}
    return Verdict(
        status=Status(row["status"]),
        detail=row["detail"],
        measurement=_measurement_of(row),
        promotion=Promotion(row["promotion"]) if row["promotion"] else None,
        duel=_duel_of(row),
        facts=Facts(**facts),
        batches=batches,
        durations_s=row["durations_s"],
        guards_s=row["guards_s"] or {},
        isolation=row["isolation"],
        notes=tuple(row["notes"]),
    )


def _measurement_of(row: Row) -> Measurement | None:
    if row["time_us"] is None:
        return None
    interval = Interval(row["time_low_us"], row["time_high_us"])
    return Measurement(**{name: row[name] for name in _MEASURED}, interval_us=interval)


def _duel_of(row: Row) -> Duel | None:
    if row["duel_speedup"] is None:
        return None
    return Duel(row["duel_speedup"], Interval(row["duel_low"], row["duel_high"]), row["duel_quads"])

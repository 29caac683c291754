"""Convert the program's objects (runs, asks, attempts, events, model calls) to rows of the log's tables, and back. A
row is a dict from column name to value.

An object that is written and read again is equal to the original. A row holds only numbers, texts and bytes, which
every database stores: a time is ISO 8601 text, a structured value is JSON text.
"""

import hashlib
import json
import re
import zlib
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from kernelsmith.core.attempt import Ask, Attempt, Directive, NoCandidate, Origin, Proposal, Stance
from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.kinds import MeasuringKind, Unit
from kernelsmith.core.run import Budget, Device, Event, EventKind, Provenance, Run, RunConfig, VendorLine
from kernelsmith.core.usage import Exchange, Usage
from kernelsmith.core.verdict import Batch, Duel, Facts, Figure, Interval, Measurement, Promotion, Status, Verdict
from kernelsmith.errors import UsageError
from kernelsmith.log.metric_groups import MetricGroups
from kernelsmith.log.source import Row

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
"""Pattern of a run's name, which is also the name of a folder."""

_MEASURED = [f.name for f in fields(Measurement)]
_CONFIG = frozenset(f.name for f in fields(RunConfig))
_BUDGET = frozenset(f.name for f in fields(Budget))
_BATCH = [f.name for f in fields(Batch)]
_USAGE = [f.name for f in fields(Usage)]


def blob(content: bytes) -> dict[str, Any]:
    """Return the row of the table of blobs that holds `content`: a dict of the SHA-256 digest in hex, and the bytes
    compressed by zlib.
    """
    return {"digest": hashlib.sha256(content).hexdigest(), "content": zlib.compress(content)}


def content_of(stored: bytes) -> bytes:
    """Return the original bytes of a blob from `stored`, its bytes in the log, which zlib compressed. Raises zlib.error
    if they are damaged.
    """
    return zlib.decompress(stored)


def texts_of(blobs: Iterable[tuple[str, bytes]]) -> dict[str, str]:
    """Return a dict from the digest of each blob to its text. Each element of `blobs` is a pair: the digest, and the
    bytes that zlib compressed. Raises zlib.error if bytes are damaged, UnicodeDecodeError if a blob is not UTF-8 text.
    """
    return {digest: content_of(stored).decode() for digest, stored in blobs}


def parsed(text: str) -> Any:
    """Return the Python value of a JSON text. For an empty list or object, the most frequent values in the log, the
    slow parser is not called. Raises ValueError if the text is not JSON.
    """
    empty = _EMPTY.get(text)
    return empty() if empty else json.loads(text)


_EMPTY: Mapping[str, Callable[[], object]] = {"[]": list, "{}": dict}


def run_row(run: Run) -> dict[str, Any]:
    """Return the row that the table of runs will hold for `run`, a new run, as a dict from column name to value. It has
    no id, because the database assigns one.
    """
    return {
        "uuid": run.uuid,
        "name": run.name,
        "config": json.dumps(asdict(run.config)),
        "task_digest": run.task_digest,
        "created_at": run.created_at.isoformat(),
        **_provenance_columns(run.provenance),
    }


def _provenance_columns(made: Provenance) -> dict[str, Any]:
    return asdict(made) | {"timing_policy": json.dumps(made.timing_policy)}


def run_of(row: Row) -> Run:
    """Return the Run that `row`, a row of the table of runs, holds. Raises UsageError if the name is not a valid run
    name, or if the run's settings have a key that this program does not know; KeyError, TypeError or ValueError if a
    column is missing or holds an unknown value.
    """
    if not NAME.fullmatch(row["name"]):
        raise UsageError(
            f"run {row['name']!r}: this is not a valid name of a run, so the log was changed by another program"
        )
    at = datetime.fromisoformat(row["created_at"])
    return Run(row["id"], row["name"], _config_of(row), row["task_digest"], at, row["uuid"], _provenance_of(row))


def _provenance_of(row: Row) -> Provenance:
    columns = {f.name: row[f.name] for f in fields(Provenance)}
    return Provenance(**columns | {"timing_policy": parsed(row["timing_policy"])})


def _config_of(row: Row) -> RunConfig:
    config = parsed(row["config"])
    budget = config["budget"]
    unknown = [*(config.keys() - _CONFIG), *(f"budget.{key}" for key in budget.keys() - _BUDGET)]
    if unknown:
        raise UsageError(
            f"run {row['name']}: its config has the key {unknown[0]}, which this kernelsmith does not know; "
            "read it with the version that wrote it, or a newer one"
        )
    price = config.get("price_per_mtok")
    return RunConfig(**config | {"budget": Budget(**budget), "price_per_mtok": tuple(price) if price else None})


def ask_row(ask: Ask) -> dict[str, Any]:
    """Return the row that the table of asks will hold for `ask` (a numbered request for a kernel), as a dict from
    column name to value. It lacks the id of the run, which the caller adds.
    """
    return {
        "number": ask.number,
        "stance": ask.directive.stance.value,
        "parent": ask.directive.parent,
        "reason": ask.directive.reason,
        "seen": ask.seen,
    }


def ask_of(row: Row) -> Ask:
    """Return the Ask that a row of the table of asks holds. Raises ValueError if its stance (the kind of step that is
    asked for) is not known to this program, KeyError if a column is missing.
    """
    return Ask(row["number"], Directive(Stance(row["stance"]), row["parent"], row["reason"]), row["seen"])


def event_row(event: Event) -> dict[str, Any]:
    """Return the row that the table of events will hold for `event`, as a dict from column name to value. It lacks the
    id of the run, which the caller adds. Raises TypeError if the event's data cannot be written as JSON.
    """
    return {
        "kind": event.kind.value,
        "at": event.at.isoformat(),
        "ask_number": event.ask_number,
        "data": json.dumps(dict(event.data)),
    }


def event_of(row: Row) -> Event:
    """Return the Event that a row of the table of events holds. Raises ValueError if its kind is not known to this
    program or its data is not JSON, KeyError if a column is missing.
    """
    return Event(EventKind(row["kind"]), datetime.fromisoformat(row["at"]), row["ask_number"], parsed(row["data"]))


def device_of(event: Event) -> Device:
    """Return the Device that `event` describes in its data; it must be an event of kind `opened`, which records that
    the harness opened the task. Raises KeyError, TypeError or ValueError if the data has a missing or unknown key or
    value.
    """
    data: dict[str, Any] = dict(event.data)
    vendor = data.pop("vendor", None)
    data |= {"kind": MeasuringKind(data["kind"]), "unit": Unit(data["unit"])}
    return Device(**data, vendor=VendorLine(**vendor) if vendor else None)


def exchange_row(exchange: Exchange) -> dict[str, Any]:
    """Return the row that the table of exchanges will hold for one model call, as a dict from column name to value,
    without the id of the run, which the caller adds. For prompt, reply and reasoning it holds digests; the caller
    stores their texts as blobs.
    """
    return {
        "ask_number": exchange.ask_number,
        "model": exchange.model,
        "prompt_digest": _digest(exchange.prompt),
        "reply_digest": _digest(exchange.reply),
        "reasoning_digest": _digest(exchange.reasoning),
        **asdict(exchange.usage),
        "latency_s": exchange.latency_s,
        "finish_reason": exchange.finish_reason,
        "retries": exchange.retries,
        "at": exchange.at.isoformat(),
        "error": exchange.error,
    }


def exchange_of(row: Row, *, texts: Mapping[str, str]) -> Exchange:
    """Return the model call that a row of the table of exchanges holds. `texts` maps the digests of prompt, reply and
    reasoning to their texts. Raises KeyError if a text or a column is missing, ValueError if the time is not valid.
    """
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
        error=row["error"],
    )


def usage_of(row: Row) -> Usage:
    """Return the Usage (numbers of tokens, and the cost in US dollars or None if unknown) of one model call from `row`,
    its row in the table of exchanges. Raises KeyError if a column is missing.
    """
    return Usage(**{name: row[name] for name in _USAGE})


def attempt_row(attempt: Attempt, *, columns: Container[str]) -> dict[str, Any]:
    """Return the row that the table of attempts will hold for `attempt`, as a dict from column name to value, without
    the id of the run, which the caller adds. `columns` holds the column names of the table; figures of the score with
    other names, batches and source text are left out, because other tables store them.
    """
    proposal, candidate = attempt.proposal, attempt.candidate
    return {
        "number": attempt.number,
        "ask_number": attempt.ask_number,
        "trial": attempt.trial,
        "line": attempt.line,
        "card": attempt.card,
        "origin": proposal.origin.value,
        "parent": proposal.parent,
        "hypothesis": proposal.hypothesis,
        "reason": proposal.reason.value if proposal.reason else None,
        "said": proposal.said,
        "language": candidate.language.value if candidate else None,
        "source_digest": _digest(candidate.source) if candidate else None,
        "params": json.dumps(dict(candidate.params) if candidate else None),
        **_verdict_columns(attempt.verdict),
        **_measured_columns(attempt.verdict.measurement, columns),
        "started_at": attempt.started_at.isoformat(),
        "seconds": attempt.seconds,
    }


def _verdict_columns(verdict: Verdict) -> dict[str, Any]:
    return {
        "status": verdict.status.value,
        "detail": verdict.detail,
        "promotion": verdict.promotion.value if verdict.promotion else None,
        "isolation": verdict.isolation,
        **_duel_columns(verdict.duel),
        "warnings": json.dumps(list(verdict.facts.warnings)),
        "notes": json.dumps(list(verdict.notes)),
        "disturbed": json.dumps([figure.value for figure in verdict.disturbed]),
    }


def _measured_columns(measurement: Measurement | None, columns: Container[str]) -> dict[str, Any]:
    if measurement is None:
        return {}
    interval = {"time_low_us": measurement.interval_us.low, "time_high_us": measurement.interval_us.high}
    return {name: getattr(measurement, name) for name in _MEASURED if name in columns} | interval


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
    """Return the rows that the table of samples will hold for the timed batches of `attempt`: a list with one dict for
    each batch, in order, empty if there is none. The dicts lack the id of the attempt's row, which the caller adds.
    """
    return [
        {name: getattr(batch, name) for name in _BATCH}
        | {"telemetry": json.dumps(dict(batch.telemetry)), "position": position}
        for position, batch in enumerate(attempt.verdict.batches)
    ]


def batch_of(row: Row) -> Batch:
    """Return the timed batch that a row of the table of samples holds. Raises ValueError if its telemetry is not JSON,
    KeyError if a column is missing.
    """
    return Batch(**{name: row[name] for name in _BATCH} | {"telemetry": parsed(row["telemetry"])})


def attempt_of(row: Row, *, ask: Ask, source: str | None, batches: tuple[Batch, ...], figures: MetricGroups) -> Attempt:
    """Return the Attempt that `row`, a row of the table of attempts, holds. Other tables hold the rest: the ask, the
    `source` text (None if the proposal had no candidate), the timed batches, and `figures`, the metrics. Raises
    KeyError, TypeError or ValueError if a value is not known to this program.
    """
    candidate = None if source is None else Candidate(source, Language(row["language"]), parsed(row["params"]))
    reason = NoCandidate(row["reason"]) if row["reason"] else None
    proposal = Proposal(
        Origin(row["origin"]), row["hypothesis"], candidate, row["parent"], reason=reason, said=row["said"]
    )
    return Attempt(
        number=row["number"],
        ask=ask,
        trial=row["trial"],
        proposal=proposal,
        verdict=_verdict_of(row, batches, figures),
        started_at=datetime.fromisoformat(row["started_at"]),
        seconds=row["seconds"],
        line=row["line"],
        card=row["card"],
    )


def _verdict_of(row: Row, batches: tuple[Batch, ...], figures: MetricGroups) -> Verdict:
    return Verdict(
        status=Status(row["status"]),
        detail=row["detail"],
        measurement=_measurement_of(row, figures),
        promotion=Promotion(row["promotion"]) if row["promotion"] else None,
        duel=_duel_of(row),
        facts=Facts(**figures.facts, warnings=tuple(parsed(row["warnings"]))),
        batches=batches,
        isolation=row["isolation"],
        notes=tuple(parsed(row["notes"])),
        disturbed=tuple(Figure(name) for name in parsed(row["disturbed"])),
        **figures.tables,
    )


def _measurement_of(row: Row, figures: MetricGroups) -> Measurement | None:
    if row["time_us"] is None:
        return None
    interval = Interval(row["time_low_us"], row["time_high_us"])
    columns: dict[str, Any] = {name: row[name] for name in _MEASURED if name in row}
    columns |= {"unit": Unit(row["unit"]), "vendor_paired": bool(row["vendor_paired"])}
    return Measurement(**columns | figures.measured, interval_us=interval)


def _duel_of(row: Row) -> Duel | None:
    if row["duel_speedup"] is None:
        return None
    return Duel(row["duel_speedup"], Interval(row["duel_low"], row["duel_high"]), row["duel_quads"])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

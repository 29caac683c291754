"""Read a run back from the database, in a handful of queries however long it is."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from kernelsmith.core.attempt import Ask, Attempt
from kernelsmith.core.run import Device, Event, EventKind
from kernelsmith.core.usage import Usage
from kernelsmith.core.verdict import Batch
from kernelsmith.log import rows, tables

PORTION = 500
"""Parameters that every database takes in one query."""


@dataclass
class Memory:
    """What this process has read or written of a run; a cache of the database, never ahead of it."""

    attempts: list[Attempt] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    pending: Ask | None = None
    usage: Usage = field(default_factory=Usage)
    devices: list[tuple[datetime, Device]] = field(default_factory=list)


def load(connection: Connection, run_id: int) -> Memory:
    """Everything of one run but its model calls and the batches of attempts that were not promoted."""
    asks = {row["number"]: rows.ask_of(row) for row in _of_run(connection, tables.asks, run_id, "number")}
    found = _of_run(connection, tables.attempts, run_id, "number")
    sources = texts(connection, [row["source_digest"] for row in found if row["source_digest"]])
    batches = _promoted_batches(connection, run_id)
    attempts = [
        rows.attempt_of(
            row,
            ask=asks[row["number"]],
            source=sources.get(row["source_digest"]),
            batches=tuple(batches.get(row["id"], ())),
        )
        for row in found
    ]
    events = [rows.event_of(row) for row in _of_run(connection, tables.events, run_id, "id")]
    return Memory(attempts, events, asks.get(len(attempts)), _usage(connection, run_id), opened(events))


def opened(events: Sequence[Event]) -> list[tuple[datetime, Device]]:
    """The devices that the events tell of, with their times."""
    return [(event.at, rows.device_of(event)) for event in events if event.kind is EventKind.OPENED]


def _of_run(connection: Connection, table: Any, run_id: int, order: str) -> Sequence[RowMapping]:
    query = select(table).where(table.c.run_id == run_id).order_by(table.c[order])
    return connection.execute(query).mappings().all()


def _promoted_batches(connection: Connection, run_id: int) -> dict[int, list[Batch]]:
    attempts, samples = tables.attempts.c, tables.samples
    query = select(samples).join(tables.attempts, attempts.id == samples.c.attempt_id)
    query = query.where(attempts.run_id == run_id, attempts.promotion.is_not(None))
    found: dict[int, list[Batch]] = {}
    for row in connection.execute(query.order_by(samples.c.attempt_id, samples.c.position)).mappings():
        found.setdefault(row["attempt_id"], []).append(rows.batch_of(row))
    return found


def texts(connection: Connection, digests: Sequence[str]) -> dict[str, str]:
    """Blobs by digest, in portions that every database takes as parameters."""
    wanted, found = sorted(set(digests)), dict[str, str]()
    for start in range(0, len(wanted), PORTION):
        query = select(tables.blobs).where(tables.blobs.c.digest.in_(wanted[start : start + PORTION]))
        found |= {row.digest: rows.text_of(row.content) for row in connection.execute(query)}
    return found


def _usage(connection: Connection, run_id: int) -> Usage:
    total = Usage()
    for row in _of_run(connection, tables.exchanges, run_id, "id"):
        total += rows.usage_of(row)
    return total

"""Read a run back from the database: everything at first, then what was added since, in a handful of queries."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from kernelsmith.core.attempt import Ask, Attempt
from kernelsmith.core.history import History
from kernelsmith.core.run import Device, Event, EventKind, Run
from kernelsmith.core.usage import Usage
from kernelsmith.core.verdict import Batch
from kernelsmith.log import rows, tables
from kernelsmith.log.metrics import Figures

PORTION = 500
"""Parameters that every database takes in one query."""


@dataclass
class LoadedRun:
    """What this process has read of a run; `refresh` adds what any process has written since."""

    run: Run
    attempts: list[Attempt] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    asks: dict[int, Ask] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    devices: list[tuple[datetime, Device]] = field(default_factory=list)
    _last_event: int = 0
    _last_exchange: int = 0

    def refresh(self, connection: Connection) -> History:
        """Read what is new and return the run as it stands; the connection holds one transaction."""
        for row in self._new(connection, tables.asks, "number", max(self.asks, default=-1)):
            self.asks[row["number"]] = rows.ask_of(row)
        self._add_events(self._new(connection, tables.events, "id", self._last_event))
        self._add_attempts(connection)
        for row in self._new(connection, tables.exchanges, "id", self._last_exchange):
            self._last_exchange, self.usage = row["id"], self.usage + rows.usage_of(row)
        attempts, events, devices = tuple(self.attempts), tuple(self.events), tuple(self.devices)
        return History(self.run, attempts, events, tuple(self.asks.values()), self.usage, devices)

    def _new(self, connection: Connection, table: Any, order: str, last: int) -> Sequence[RowMapping]:
        query = select(table).where(table.c.run_id == self.run.id, table.c[order] > last).order_by(table.c[order])
        return connection.execute(query).mappings().all()

    def _add_events(self, found: Sequence[RowMapping]) -> None:
        for row in found:
            event = rows.event_of(row)
            self._last_event = row["id"]
            self.events.append(event)
            if event.kind is EventKind.OPENED:
                self.devices.append((event.at, rows.device_of(event)))

    def _add_attempts(self, connection: Connection) -> None:
        """Add the new attempts; they come with their batches where they were promoted."""
        last = self.attempts[-1].number if self.attempts else -1
        found = self._new(connection, tables.attempts, "number", last)
        if not found:
            return
        sources = texts(connection, [row["source_digest"] for row in found if row["source_digest"]])
        figures = _figures(connection, self.run.id, last=last)
        batches = _promoted_batches(connection, self.run.id, last=last)
        self.attempts += [
            rows.attempt_of(
                row,
                ask=self.asks[row["ask_number"]],
                source=sources.get(row["source_digest"]),
                batches=tuple(batches.get(row["id"], ())),
                figures=figures.get(row["id"]) or Figures(),
            )
            for row in found
        ]


def _figures(connection: Connection, run_id: int, *, last: int) -> Mapping[int, Figures]:
    attempts, metrics = tables.attempts.c, tables.metrics
    query = select(metrics.c.attempt_id, metrics.c.name, metrics.c.value)
    query = query.join(tables.attempts, attempts.id == metrics.c.attempt_id)
    found: dict[int, Figures] = {}
    for attempt_id, name, value in connection.execute(query.where(attempts.run_id == run_id, attempts.number > last)):
        figures = found.get(attempt_id)
        if figures is None:
            figures = found[attempt_id] = Figures()
        figures.add(name, value)
    return found


def _promoted_batches(connection: Connection, run_id: int, *, last: int) -> Mapping[int, list[Batch]]:
    attempts, samples = tables.attempts.c, tables.samples
    query = select(samples).join(tables.attempts, attempts.id == samples.c.attempt_id)
    query = query.where(attempts.run_id == run_id, attempts.number > last, attempts.promotion.is_not(None))
    found: dict[int, list[Batch]] = {}
    for row in connection.execute(query.order_by(samples.c.attempt_id, samples.c.position)).mappings():
        found.setdefault(row["attempt_id"], []).append(rows.batch_of(row))
    return found


def texts(connection: Connection, digests: Iterable[str]) -> dict[str, str]:
    """Return the texts of blobs by digest."""
    return {digest: content.decode() for digest, content in contents(connection, digests).items()}


def contents(connection: Connection, digests: Iterable[str]) -> dict[str, bytes]:
    """Return blobs by digest, read in portions that every database takes as parameters."""
    wanted, found = sorted(set(digests)), dict[str, bytes]()
    for start in range(0, len(wanted), PORTION):
        query = select(tables.blobs).where(tables.blobs.c.digest.in_(wanted[start : start + PORTION]))
        found |= {row.digest: rows.content_of(row.content) for row in connection.execute(query)}
    return found

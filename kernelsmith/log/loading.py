"""Read a run back from the database: everything at first, then what was added since, in a handful of queries."""

import gc
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, ScalarSelect, Select, Table, bindparam, func, select

from kernelsmith.core.attempt import Ask, Attempt
from kernelsmith.core.history import History
from kernelsmith.core.run import Device, Event, EventKind, Run
from kernelsmith.core.usage import Usage
from kernelsmith.core.verdict import Batch
from kernelsmith.log import rows, tables
from kernelsmith.log.metrics import MetricGroups

PORTION = 500
"""Parameters that every database takes in one query."""


class Ends(NamedTuple):
    """The last row of a run in each table, by number or id; -1 = none."""

    asks: int = -1
    attempts: int = -1
    events: int = -1
    exchanges: int = -1


NOTHING = Ends()
ORDER = {"asks": "number", "attempts": "number", "events": "id", "exchanges": "id"}
"""The column by which the rows of a run grow in each table."""


def _end(table: Table) -> ScalarSelect[int]:
    largest = select(func.max(table.c[ORDER[table.name]])).where(table.c.run_id == bindparam("run_id"))
    return func.coalesce(largest.scalar_subquery(), -1)  # type: ignore[return-value]


def _after(table: Table) -> Select[Any]:
    order = table.c[ORDER[table.name]]
    return select(table).where(table.c.run_id == bindparam("run_id"), order > bindparam("last")).order_by(order)


TABLES = (tables.asks, tables.attempts, tables.events, tables.exchanges)
ENDS = select(*(_end(table) for table in TABLES))
NEW = {table.name: _after(table) for table in TABLES}
"""Built once: SQLAlchemy takes longer to build these queries than SQLite to answer them."""


@dataclass
class LoadedRun:
    """What this process has read of a run; `refresh` adds what any process has written since."""

    run: Run
    attempts: list[Attempt] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    asks: dict[int, Ask] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    devices: list[tuple[datetime, Device]] = field(default_factory=list)
    _seen: Ends = NOTHING
    _history: History | None = None

    def refresh(self, connection: Connection) -> History:
        """Return the run as it stands: the same object as before where nothing was added since.

        The connection holds one transaction, so that all of it is read at one moment.
        """
        ends = Ends._make(connection.execute(ENDS, {"run_id": self.run.id}).one())
        if self._history is None or ends != self._seen:
            with _collector_paused():
                self._read(connection, ends)
            attempts, events, devices = tuple(self.attempts), tuple(self.events), tuple(self.devices)
            self._history = History(self.run, attempts, events, tuple(self.asks.values()), self.usage, devices)
        return self._history

    def _read(self, connection: Connection, ends: Ends) -> None:
        """Read the rows of each table that lie between what was seen and the present ends."""
        for row in self._new(connection, tables.asks, ends):
            self.asks[row["number"]] = rows.ask_of(row)
        self._add_events(self._new(connection, tables.events, ends))
        self._add_attempts(connection, self._new(connection, tables.attempts, ends))
        for row in self._new(connection, tables.exchanges, ends):
            self.usage = self.usage + rows.usage_of(row)
        self._seen = ends

    def _new(self, connection: Connection, table: Table, ends: Ends) -> Sequence[RowMapping]:
        last, end = getattr(self._seen, table.name), getattr(ends, table.name)
        if end == last:
            return ()
        return connection.execute(NEW[table.name], {"run_id": self.run.id, "last": last}).mappings().all()

    def _add_events(self, found: Sequence[RowMapping]) -> None:
        for row in found:
            event = rows.event_of(row)
            self.events.append(event)
            if event.kind is EventKind.OPENED:
                self.devices.append((event.at, rows.device_of(event)))

    def _add_attempts(self, connection: Connection, found: Sequence[RowMapping]) -> None:
        """Add the new attempts; they come with their batches where they were promoted."""
        if not found:
            return
        last = self._seen.attempts
        sources = texts(connection, [row["source_digest"] for row in found if row["source_digest"]])
        figures = _figures(connection, self.run.id, last=last)
        batches = _promoted_batches(connection, self.run.id, last=last)
        self.attempts += [
            rows.attempt_of(
                row,
                ask=self.asks[row["ask_number"]],
                source=sources.get(row["source_digest"]),
                batches=tuple(batches.get(row["id"], ())),
                figures=figures[row["id"]],
            )
            for row in found
        ]


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Pause Python's cyclic garbage collector, which would look through a long run's objects again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _figures(connection: Connection, run_id: int, *, last: int) -> Mapping[int, MetricGroups]:
    attempts, metrics = tables.attempts.c, tables.metrics
    query = select(metrics.c.attempt_id, metrics.c.name, metrics.c.value)
    query = query.join(tables.attempts, attempts.id == metrics.c.attempt_id)
    found: defaultdict[int, MetricGroups] = defaultdict(MetricGroups)
    # The driver's own rows: SQLAlchemy takes as long to wrap so many of them as SQLite takes to find them.
    cursor: Any = connection.execute(query.where(attempts.run_id == run_id, attempts.number > last)).cursor
    for attempt_id, name, value in cursor:
        found[attempt_id].add(name, value)
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
